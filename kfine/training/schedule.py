"""A schedule of unfreezing that a person reads and edits: one entry for each stage.

A dry run writes it as a YAML file, and the setting `unfreeze` takes the file, or the list that it
holds. A run keeps the list itself, as one line of JSON, so it does not need the file any more.
A file may also hold what the text of a schedule says, a line for each step such as `2: block7a`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kfine.config import nearest
from kfine.errors import ConfigError
from kfine.models.groups import HEAD

NAMED = ("auto", "none", "all")
STEP = re.compile(r"^(\d+):(\d+|[A-Za-z_][\w.\-]*)$")
_KEYS = ("epochs", "groups", "learning_rate", "group_rates")
_HIGHEST_RATE = 10.0


@dataclass(frozen=True)
class Entry:
    """A stage as a person writes it.

    Attributes:
        epochs: How many it lasts.
        groups: The layer groups that train, the head among them.
        learning_rate: Peak rate of the head; that of the settings if `None`.
        group_rates: Peak rates of groups that do not follow from the head's by `backbone_rate` and
            `layerwise_decay`.
    """

    epochs: int
    groups: tuple[str, ...]
    learning_rate: float | None = None
    group_rates: Mapping[str, float] = field(default_factory=dict, hash=False)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy without what is not set."""
        found: dict[str, Any] = {"epochs": self.epochs, "groups": list(self.groups)}
        if self.learning_rate is not None:
            found["learning_rate"] = self.learning_rate
        if self.group_rates:
            found["group_rates"] = dict(self.group_rates)
        return found


def read_unfreeze(value: Any) -> Any:
    """What a config keeps of the setting `unfreeze`: the text of a schedule, its file read now.

    Args:
        value: A name, a text such as `2:1,5:3`, the path of a schedule file, or a list of stages.

    Raises:
        ConfigError: The file cannot be read, or its stages are no schedule.
    """
    if isinstance(value, (list, tuple)):
        return _as_text(read_entries(value, "unfreeze"))
    if not isinstance(value, (str, Path)):
        return value
    text = str(value).strip()
    if is_list(text):
        return _as_text(entries_of(text))
    if text in NAMED or all(STEP.match(part) for part in text.replace(" ", "").split(",")):
        return text
    path = Path(text).expanduser()
    named_as_file = path.suffix in (".yaml", ".yml", ".json") or len(path.parts) > 1
    if not (named_as_file or path.is_file()):
        return text
    contents = _contents(path)
    if isinstance(contents, dict):
        steps = [f"{epoch}:{group}" for epoch, group in contents.items()]
        if steps and all(STEP.match(step) for step in steps):
            return ",".join(steps)
    return _as_text(read_entries(contents, str(path)))


def is_list(text: str) -> bool:
    """Whether the text of `unfreeze` is a list of stages, as a run keeps it."""
    return text.startswith("[")


def entries_of(text: str) -> list[Entry]:
    """The stages of a schedule that is a list.

    Raises:
        ConfigError: It is none.
    """
    try:
        stages = json.loads(text)
    except ValueError:
        raise ConfigError(
            f"unfreeze is no list of stages in JSON; name a file instead. Received: {_short(text)}"
        ) from None
    return read_entries(stages, "unfreeze")


def _as_text(entries: Sequence[Entry]) -> str:
    return json.dumps([one.to_dict() for one in entries], ensure_ascii=False)


def _contents(path: Path) -> Any:
    import yaml

    written = "name a file that `--dry-run --schedule FILE` wrote"
    try:
        # As text: YAML 1.1 reads 1e-3 as a word, and `no` as false.
        return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except OSError as error:
        raise ConfigError(
            f"unfreeze cannot read a schedule: {error.strerror}; {written}. Received: {str(path)!r}"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"The schedule {path} is not valid YAML or JSON ({reason}); {written}."
        ) from None


def read_entries(stages: Any, source: str) -> list[Entry]:
    """Check stages as a person wrote them, as far as that goes without a model.

    Args:
        stages: A list of mappings with the keys `epochs`, `groups` and, if wanted,
            `learning_rate` and `group_rates`; numbers may be texts.
        source: Where they are from, for the error.

    Raises:
        ConfigError: It is no list, a key is missing or unknown, a number is impossible, or a
            group that trained is frozen again.
    """
    if not isinstance(stages, (list, tuple)) or not stages:
        raise ConfigError(
            f"{source} must hold a list of stages, each with epochs and groups, or lines such as "
            f"2: block7a. Received: {_short(stages)}"
        )
    entries: list[Entry] = []
    for number, stage in enumerate(stages, 1):
        entry = _read_entry(stage, f"stage {number} of {source}")
        gone = [one for one in entries[-1].groups if one not in entry.groups] if entries else []
        if gone:
            raise ConfigError(
                f"Stage {number} of {source} freezes {', '.join(gone)} again, which trained "
                f"before; add it to the groups. Received: {_short(list(entry.groups))}"
            )
        entries.append(entry)
    return entries


def _read_entry(stage: Any, where: str) -> Entry:
    if not isinstance(stage, Mapping):
        raise ConfigError(
            f"{_upper(where)} must be a mapping with epochs and groups. Received: {_short(stage)}"
        )
    for key in stage:
        if key not in _KEYS:
            raise ConfigError(
                f"{_upper(where)} has an unknown key; {nearest(str(key), _KEYS)}. Received: {key!r}"
            )
    for key in ("epochs", "groups"):
        if key not in stage:
            raise ConfigError(
                f"{_upper(where)} has no {key}; every stage gives epochs and groups. "
                f"Received: {_short(dict(stage))}"
            )
    groups = _read_groups(stage["groups"], where)
    rate = stage.get("learning_rate")
    rates = stage.get("group_rates") or {}
    if not isinstance(rates, Mapping):
        raise ConfigError(
            f"The group_rates of {where} must be a mapping such as {{top: 0.0003}}. "
            f"Received: {_short(rates)}"
        )
    for name in rates:
        if name not in groups or name == HEAD:
            known = [one for one in groups if one != HEAD] or ["no group but the head"]
            raise ConfigError(
                f"The group_rates of {where} are of groups that train below the head, whose rate "
                f"is learning_rate; {nearest(str(name), known)}. Received: {name!r}"
            )
    return Entry(
        epochs=_read_epochs(stage["epochs"], where),
        groups=groups,
        learning_rate=None if rate is None else _read_rate(rate, f"learning_rate of {where}"),
        group_rates={
            name: _read_rate(value, f"rate of {name} in {where}") for name, value in rates.items()
        },
    )


def _read_groups(groups: Any, where: str) -> tuple[str, ...]:
    texts = isinstance(groups, (list, tuple)) and all(isinstance(one, str) for one in groups)
    if not texts or not groups or len(set(groups)) < len(groups):
        raise ConfigError(
            f"The groups of {where} must be a list of different names. Received: {_short(groups)}"
        )
    if HEAD not in groups:
        raise ConfigError(
            f"The head trains in every stage; add {HEAD!r} to the groups of {where}. "
            f"Received: {_short(groups)}"
        )
    return tuple(groups)


def _read_epochs(value: Any, where: str) -> int:
    number = _number(value)
    if number is None or number < 1 or number != int(number):
        raise ConfigError(
            f"The epochs of {where} must be a whole number of at least 1. Received: {value!r}"
        )
    return int(number)


def _read_rate(value: Any, what: str) -> float:
    number = _number(value)
    if number is None or not 0 < number <= _HIGHEST_RATE:
        raise ConfigError(
            f"The {what} must be above 0 and at most {_HIGHEST_RATE:g}. Received: {value!r}"
        )
    return number


def _number(value: Any) -> float | None:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def depth_of(entry: Entry, number: int, groups: Sequence[str]) -> int:
    """How many backbone groups a stage trains, counted from the head.

    Args:
        entry: The stage.
        number: Its number from 1, for the error.
        groups: Names of the backbone's groups from the input side, without the head.

    Raises:
        ConfigError: A group is unknown, or one is left out between those that train.
    """
    for name in entry.groups:
        if name not in (*groups, HEAD):
            raise ConfigError(
                f"Stage {number} of unfreeze trains a group that the model has not; "
                f"{_nearest_groups(name, [*groups, HEAD])}. Received: {name!r}"
            )
    lowest = min((list(groups).index(one) for one in entry.groups if one != HEAD), default=None)
    between = [] if lowest is None else groups[lowest:]
    left_out = [one for one in between if one not in entry.groups]
    if left_out:
        raise ConfigError(
            f"Groups train from the head toward the input, and stage {number} of unfreeze leaves "
            f"out {', '.join(left_out)}; add it, or drop the groups below. "
            f"Received: {_short(list(entry.groups))}"
        )
    return len(between)


def _nearest_groups(name: str, known: Sequence[str]) -> str:
    words, listed = nearest(name, known), ", ".join(known)
    return words if listed in words else f"{words} of {listed}"


def _upper(words: str) -> str:
    return words[0].upper() + words[1:]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
