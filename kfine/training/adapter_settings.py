"""The settings of adapters, which every recipe inherits."""

from __future__ import annotations

from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar

from kfine.adapters.options import LOW_RANK, METHODS, AdapterOptions, words_of
from kfine.config import setting
from kfine.errors import ConfigError

NONE = "none"
# Factors in place of a few weights want longer steps than changes of many.
_IA3_RATE = 2.0
_OF_LOW_RANK = ("adapter_rank", "adapter_alpha", "adapter_dropout", "adapter_second_rate")


@dataclass(frozen=True)
class AdapterConfig:
    """Settings of adapters."""

    # What `adapter_rate` is unless it is set; a recipe whose head learns slowly has a higher one.
    ADAPTER_RATE: ClassVar[float] = 0.5

    adapter: str = setting(
        NONE,
        "Train adapters on a backbone that stays as it was pretrained, and fold them into it at "
        "the end: "
        + ", ".join(f"{name} ({words})" for name, words in METHODS.items())
        + ", or none, which trains the groups of unfreeze themselves.",
        group="Adapters",
        choices=(NONE, *METHODS),
    )
    adapter_rank: int = setting(
        8,
        "Rank of the low-rank change.",
        group="Adapters",
        minimum=1,
        maximum=1024,
    )
    adapter_alpha: float | None = setting(
        None,
        "The change counts alpha / rank times (rslora: alpha / the root of rank): twice by "
        "default.",
        group="Adapters",
        minimum=1e-6,
        maximum=100_000,
    )
    adapter_dropout: float = setting(
        0.0,
        "Dropout of what goes through the low-rank change.",
        group="Adapters",
        unit="fraction",
        minimum=0,
        maximum=0.95,
    )
    adapter_targets: str | None = setting(
        None,
        "Layers that get adapters: attention, mlp, conv, embedding, all, or names of layers and "
        "groups with * as a wildcard, with commas between. By default attention,mlp in a "
        "transformer and conv in other networks; every layer for bitfit and norms.",
        group="Adapters",
    )
    adapter_whole_groups: int = setting(
        0,
        "Backbone groups nearest the head that get no adapters and train as a whole.",
        group="Adapters",
        unit="groups",
        minimum=0,
        maximum=1000,
    )
    adapter_rate: float | None = setting(
        None,
        "Learning rate of adapters as a fraction of the head's, alike in all groups; the default "
        "is the recipe's, and twice that for ia3.",
        group="Adapters",
        minimum=1e-6,
        maximum=100,
    )
    adapter_second_rate: float = setting(
        1.0,
        "Learning rate of the second matrix of LoRA as a multiple of the first's: above 1 is "
        "LoRA+, whose paper takes 16.",
        group="Adapters",
        minimum=1e-3,
        maximum=1000,
    )

    def check_adapter(self, unfreeze: str) -> None:
        """Refuse adapters that would never train, and settings of none.

        Args:
            unfreeze: The schedule.

        Raises:
            ConfigError: They are asked for.
        """
        if self.adapter == NONE:
            own = {one.name for one in fields(AdapterConfig)} - {"adapter"}
            changed = [one.name for one in fields(self) if one.name in own and self._changed(one)]
            if changed:
                raise ConfigError(
                    f"{changed[0]} needs an adapter: {', '.join(METHODS)}. Received: adapter "
                    f"{self.adapter!r}"
                )
        elif unfreeze == NONE:
            raise ConfigError(
                "unfreeze none trains the head alone, so no adapter would train; leave unfreeze "
                f"out. Received: adapter {self.adapter!r}"
            )
        elif self.adapter not in LOW_RANK:
            changed = [
                one.name for one in fields(self) if one.name in _OF_LOW_RANK and self._changed(one)
            ]
            if changed:
                raise ConfigError(
                    f"{changed[0]} is of {', '.join(LOW_RANK)}. Received: adapter {self.adapter!r}"
                )
        if self.adapter_targets is not None and not words_of(self.adapter_targets):
            raise ConfigError(
                "adapter_targets names no layer; give attention, mlp, conv, all or names with "
                f"commas between. Received: {self.adapter_targets!r}"
            )

    def _changed(self, one: Field[Any]) -> bool:
        return bool(getattr(self, one.name) != one.default)

    @property
    def adapter_options(self) -> AdapterOptions | None:
        """The adapter that is asked for."""
        if self.adapter == NONE:
            return None
        return AdapterOptions(
            self.adapter,
            rank=self.adapter_rank,
            alpha=self.adapter_alpha,
            dropout=self.adapter_dropout,
            targets=self.adapter_targets or "",
            whole_groups=self.adapter_whole_groups,
        )

    @property
    def rate_of_adapters(self) -> float:
        """Peak learning rate of adapters as a fraction of the head's."""
        if self.adapter_rate is not None:
            return self.adapter_rate
        return self.ADAPTER_RATE * (_IA3_RATE if self.adapter == "ia3" else 1)
