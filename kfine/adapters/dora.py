"""DoRA: a low-rank change of a kernel's direction, and its length beside it."""

from __future__ import annotations

from typing import Any

from keras import ops

from kfine.adapters.attaching import add_weight
from kfine.adapters.kernels import Kernel
from kfine.adapters.lora import LoRA
from kfine.adapters.options import AdapterOptions

_LEAST = 1e-12


class DoRA(LoRA):
    """As LoRA, and the length of the weights of each output is learned apart from their direction.

    As the paper's section 4.3 has it, no gradient goes through the length that the direction is
    divided by.

    Reference:
        Liu et al., 2024, https://arxiv.org/abs/2402.09353.

    Limits:
        The changed kernel is computed in each step, which takes more time than LoRA does.
    """

    def __init__(self, kernel: Kernel, options: AdapterOptions, seed: int) -> None:
        super().__init__(kernel, options, seed)
        lengths = ops.convert_to_numpy(self._lengths(kernel.variable.value))
        self.lengths = add_weight(kernel.layer, "dora_lengths", lengths)
        self.variables["dora_lengths"] = self.lengths
        self.added.append(self.lengths)

    def call(self, inputs: Any) -> Any:
        """The layer's answer, with the change."""
        kernel = self.kernel
        outputs = kernel.apply(inputs, kernel.variable) + self.through(inputs)
        return kernel.finished(outputs * kernel.as_given(self._factors()))

    def _factors(self) -> Any:
        """What each output is multiplied by: its length over that of the changed weights."""
        changed = self.kernel.variable + self.change()
        return self.lengths / ops.stop_gradient(self._lengths(changed))

    def _lengths(self, weights: Any) -> Any:
        """The length of the weights of each output, `(*outputs,)`."""
        squares = self.kernel.summed_to_outputs(ops.square(weights))
        return ops.sqrt(ops.maximum(squares, _LEAST))

    def fold(self) -> None:
        """Put the changed direction at its length into the kernel."""
        kernel = self.kernel
        factors = kernel.along_outputs(self._factors())
        changed = (kernel.variable.value + self.change()) * factors
        kernel.variable.assign(changed)
        self.second.assign(ops.zeros_like(self.second))
        self.lengths.assign(self._lengths(kernel.variable.value))
