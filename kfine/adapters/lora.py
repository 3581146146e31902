"""LoRA: a low-rank change of a kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kfine.adapters.attaching import add_layer, add_weight
from kfine.adapters.kernels import Kernel
from kfine.adapters.options import AdapterOptions
from kfine.seeds import derive_seed


class LoRA:
    """The kernel is changed by the product of two thin matrices; the second begins at zero.

    The change is computed beside the kernel, so that training needs no gradient of the kernel.

    Args:
        kernel: Of a built layer.
        options: Rank, scale and dropout.
        seed: Of the first matrix, and of the dropout.

    Reference:
        Hu et al., 2021, https://arxiv.org/abs/2106.09685; LoRA+ is in `second_matrices`. The scale
        `alpha / sqrt(rank)` is that of rsLoRA, Kalajdzievski, 2023,
        https://arxiv.org/abs/2312.03732. A convolution is followed by a pointwise one, as in Yeh et
        al., 2023, https://arxiv.org/abs/2309.14859 (section 3.4).

    Limits:
        The rank is at most the smaller side of the kernel, which is 9 for a depthwise 3 x 3; the
        scale is that of the rank that was asked for.
    """

    def __init__(self, kernel: Kernel, options: AdapterOptions, seed: int) -> None:
        self.kernel = kernel
        layer = kernel.layer
        sides = math.prod(kernel.inputs), math.prod(kernel.outputs)
        rank = min(options.rank, *sides)
        self.scale = options.scale
        # As Keras and PEFT: Kaiming's uniform distribution with a = sqrt(5).
        bound = 1 / math.sqrt(sides[0])
        first = np.random.default_rng(seed).uniform(-bound, bound, (*kernel.inputs, rank))
        zeros = np.zeros((rank, *kernel.outputs))
        self.first = add_weight(layer, "lora_a", first.astype(np.float32))
        self.second = add_weight(layer, "lora_b", zeros.astype(np.float32))
        self.variables: dict[str, Any] = {"lora_a": self.first, "lora_b": self.second}
        self.added = [self.first, self.second]
        self.dropout: Any = None
        if options.dropout and kernel.takes_numbers:
            self.dropout = keras.layers.Dropout(
                options.dropout, seed=derive_seed(seed, 1), dtype=layer.dtype_policy
            )
            add_layer(layer, "lora_dropout", self.dropout)
            self.added.append(self.dropout)

    def call(self, inputs: Any) -> Any:
        """The layer's answer, with the change."""
        kernel = self.kernel
        return kernel.finished(kernel.apply(inputs, kernel.variable) + self.through(inputs))

    def through(self, inputs: Any) -> Any:
        """What the change adds before the bias, dropout on its way alone."""
        dropped = inputs if self.dropout is None else self.dropout(inputs)
        return self.scale * self.kernel.through(dropped, self.first, self.second)

    def learned(self) -> dict[str, np.ndarray]:
        """What a file keeps of it, float32."""
        return {name: one.numpy() for name, one in self.variables.items()}

    def restore(self, learned: Mapping[str, np.ndarray]) -> None:
        """Become what `learned` gave."""
        for name, one in self.variables.items():
            one.assign(learned[name])

    def change(self) -> Any:
        """The change of the kernel, in its shape."""
        return self.scale * self.kernel.product(self.first.value, self.second.value)

    def fold(self) -> None:
        """Add the change to the kernel."""
        self.kernel.variable.assign(self.kernel.variable.value + self.change())
        self.second.assign(keras.ops.zeros_like(self.second))
