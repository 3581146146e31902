"""(IA)3: factors of what attention and the layers behind it pass on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from kfine.adapters.attaching import add_weight
from kfine.adapters.kernels import Kernel
from kfine.adapters.options import AdapterOptions


class IA3:
    """One factor for each output, or each input of a `Dense` with more of those; all begin at one.

    In a transformer the factors of keys and values are of outputs, and those of the inner
    activations are of the inputs of the layer behind them, as in the paper.

    Args:
        kernel: Of a built layer.
        options: Not asked.
        seed: Not asked.

    Reference:
        Liu et al., 2022, https://arxiv.org/abs/2205.05638 (section 3.3).

    Limits:
        A few hundred factors a layer, which wants a learning rate several times that of LoRA.
    """

    def __init__(self, kernel: Kernel, options: AdapterOptions, seed: int) -> None:
        self.kernel = kernel
        self.of_inputs = scales_inputs(kernel)
        shape = kernel.inputs if self.of_inputs else kernel.outputs
        self.factors = add_weight(kernel.layer, "ia3_factors", np.ones(shape, np.float32))
        self.variables: dict[str, Any] = {"ia3_factors": self.factors}
        self.added = [self.factors]

    def call(self, inputs: Any) -> Any:
        """The layer's answer, with the factors; those of outputs are of the bias too."""
        kernel = self.kernel
        if self.of_inputs:
            return kernel.finished(kernel.apply(inputs * self.factors, kernel.variable))
        outputs = kernel.apply(inputs, kernel.variable)
        return kernel.activated(kernel.biased(outputs) * kernel.as_given(self.factors))

    def learned(self) -> dict[str, np.ndarray]:
        """What a file keeps of it, float32."""
        return {"ia3_factors": self.factors.numpy()}

    def restore(self, learned: Mapping[str, np.ndarray]) -> None:
        """Become what `learned` gave."""
        self.factors.assign(learned["ia3_factors"])

    def fold(self) -> None:
        """Multiply the kernel, and the bias, by the factors."""
        kernel = self.kernel
        spread = kernel.along_inputs if self.of_inputs else kernel.along_outputs
        kernel.variable.assign(kernel.variable.value * spread(self.factors.value))
        bias = getattr(kernel.layer, "bias", None)
        if bias is not None and not self.of_inputs:
            bias.assign(bias.value * ops.reshape(self.factors.value, bias.shape))
        self.factors.assign(ops.ones_like(self.factors))


def scales_inputs(kernel: Kernel) -> bool:
    """Whether the factors are of what a layer is given."""
    narrows = math.prod(kernel.inputs) > math.prod(kernel.outputs)
    return narrows and type(kernel.layer) is keras.layers.Dense


def suits(kernel: Kernel) -> bool:
    """Whether factors of the outputs go into the bias too: it has one number for each of them."""
    bias = getattr(kernel.layer, "bias", None)
    return bias is None or math.prod(bias.shape) == math.prod(kernel.outputs)
