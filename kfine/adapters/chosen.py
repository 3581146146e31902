"""Adapters that add nothing: some of a layer's own weights train, and the others do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kfine.keras_private import made_to_train


class Chosen:
    """Some of a layer's own weights.

    Args:
        variables: They.
    """

    def __init__(self, variables: list[Any]) -> None:
        self.variables: dict[str, Any] = {}
        for one in variables:
            again = f"{one.name}_{len(self.variables)}"
            self.variables[again if one.name in self.variables else one.name] = one
        self.added: list[Any] = []
        self.before = {name: one.numpy() for name, one in self.variables.items()}

    def call(self, inputs: Any) -> Any:
        """Never asked: the layer computes what it always did."""
        raise NotImplementedError

    def learned(self) -> dict[str, np.ndarray]:
        """What a file keeps of it: how far they went, float32."""
        return {name: one.numpy() - self.before[name] for name, one in self.variables.items()}

    def restore(self, learned: Mapping[str, np.ndarray]) -> None:
        """Become what `learned` gave."""
        for name, one in self.variables.items():
            one.assign(self.before[name] + learned[name])

    def fold(self) -> None:
        """There is nothing to fold."""


def biases(layer: Any) -> list[Any]:
    """The biases of a layer, those of a norm too: what BitFit trains.

    Reference:
        Ben Zaken et al., 2022, https://arxiv.org/abs/2106.10199.
    """
    return [one for one in made_to_train(layer) if one.name in ("bias", "beta")]


def norms(layer: Any) -> list[Any]:
    """Scale and shift of a normalisation; the statistics of BatchNorm stay as they are.

    Reference:
        Frankle et al., 2021, https://arxiv.org/abs/2003.00152, of BatchNorm; Zhao et al., 2024,
        https://arxiv.org/abs/2312.11420, of LayerNorm in language models.
    """
    return made_to_train(layer) if "norm" in type(layer).__name__.lower() else []
