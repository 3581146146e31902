"""Layers whose kernel an adapter changes: what they compute, and a low-rank change of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

_EQUATION = re.compile(r"^([a-zA-Z.]+),([a-zA-Z]+)->([a-zA-Z.]+)$")


@dataclass(frozen=True)
class Kernel:
    """A layer of one kernel, as a linear map between what it takes and what it gives.

    Of a low-rank change the first matrix has the shape `(*inputs, rank)` and the second
    `(rank, *outputs)`.

    Attributes:
        layer: A built Keras layer of one of the classes in `KERNELS`.
    """

    layer: Any

    # Whether it takes activations, and not ids.
    takes_numbers = True
    # Of the layer outside an attention, as `find_targets` has it.
    family = "mlp"

    @property
    def variable(self) -> Any:
        """The kernel."""
        return self.layer.kernel

    @property
    def inputs(self) -> tuple[int, ...]:
        """Axes of the kernel that it takes."""
        raise NotImplementedError

    @property
    def outputs(self) -> tuple[int, ...]:
        """Axes of the kernel that it gives."""
        return tuple(self.variable.shape[len(self.inputs) :])

    def apply(self, inputs: Any, kernel: Any) -> Any:
        """What the layer computes with any kernel, before bias and activation."""
        raise NotImplementedError

    def through(self, inputs: Any, first: Any, second: Any) -> Any:
        """What a change of the kernel by the product of two matrices adds to that."""
        raise NotImplementedError

    def product(self, first: Any, second: Any) -> Any:
        """The product of two matrices in the shape of the kernel."""
        return ops.tensordot(first, second, 1)

    def along_outputs(self, values: Any) -> Any:
        """Values of the outputs in a shape that multiplies the kernel."""
        return values

    def along_inputs(self, values: Any) -> Any:
        """Values of the inputs in a shape that multiplies the kernel."""
        return ops.reshape(values, (*self.inputs, *(1 for _ in self.outputs)))

    def as_given(self, values: Any) -> Any:
        """Values of the outputs in a shape that multiplies what the layer gives."""
        return values

    def summed_to_outputs(self, values: Any) -> Any:
        """The sums over the inputs of something in the shape of the kernel, `(*outputs,)`."""
        return ops.sum(values, axis=tuple(range(len(self.inputs))))

    def finished(self, outputs: Any) -> Any:
        """What the layer gives: with bias and activation."""
        return self.activated(self.biased(outputs))

    def biased(self, outputs: Any) -> Any:
        """With the bias, if there is one."""
        bias = getattr(self.layer, "bias", None)
        return outputs if bias is None else ops.add(outputs, bias)

    def activated(self, outputs: Any) -> Any:
        """With the activation, if there is one."""
        activation = getattr(self.layer, "activation", None)
        return outputs if activation is None else activation(outputs)


class _Dense(Kernel):
    @property
    def inputs(self) -> tuple[int, ...]:
        return tuple(self.variable.shape[:1])

    def apply(self, inputs: Any, kernel: Any) -> Any:
        return ops.matmul(inputs, kernel)

    def through(self, inputs: Any, first: Any, second: Any) -> Any:
        return ops.matmul(ops.matmul(inputs, first), second)


class _Einsum(Kernel):
    @property
    def _letters(self) -> tuple[str, str, str, str, str]:
        """Of the input, the kernel and the output, and of what the kernel takes and gives."""
        match = _EQUATION.match(self.layer.equation)
        assert match is not None
        given, kernel, made = match.groups()
        taken = "".join(one for one in kernel if one not in made)
        return given, kernel, made, taken, "".join(one for one in kernel if one in made)

    @property
    def inputs(self) -> tuple[int, ...]:
        return self._sizes(self._letters[3])

    @property
    def outputs(self) -> tuple[int, ...]:
        return self._sizes(self._letters[4])

    def _sizes(self, letters: str) -> tuple[int, ...]:
        kernel = self._letters[1]
        return tuple(self.variable.shape[kernel.index(one)] for one in letters)

    def apply(self, inputs: Any, kernel: Any) -> Any:
        return ops.einsum(self.layer.equation, inputs, kernel)

    def through(self, inputs: Any, first: Any, second: Any) -> Any:
        given, _, made, taken, rest = self._letters
        rank = _unused(given + made + taken)
        between = "".join(one for one in given if one not in taken) + rank
        low = ops.einsum(f"{given},{taken}{rank}->{between}", inputs, first)
        return ops.einsum(f"{between},{rank}{rest}->{made}", low, second)

    def product(self, first: Any, second: Any) -> Any:
        _, kernel, _, taken, rest = self._letters
        rank = _unused(kernel)
        return ops.einsum(f"{taken}{rank},{rank}{rest}->{kernel}", first, second)

    def along_outputs(self, values: Any) -> Any:
        _, kernel, _, _, rest = self._letters
        return _spread(values, rest, kernel)

    def summed_to_outputs(self, values: Any) -> Any:
        _, kernel, _, _, rest = self._letters
        return ops.einsum(f"{kernel}->{rest}", values)

    def along_inputs(self, values: Any) -> Any:
        _, kernel, _, taken, _ = self._letters
        return _spread(values, taken, kernel)


class _Convolution(Kernel):
    family = "conv"

    @property
    def inputs(self) -> tuple[int, ...]:
        return tuple(self.variable.shape[:-1])

    def apply(self, inputs: Any, kernel: Any) -> Any:
        return self.layer.convolution_op(inputs, kernel)

    def through(self, inputs: Any, first: Any, second: Any) -> Any:
        return ops.matmul(self.layer.convolution_op(inputs, first), second)


class _Depthwise(Kernel):
    family = "conv"

    @property
    def inputs(self) -> tuple[int, ...]:
        return tuple(self.variable.shape[:-2])

    def apply(self, inputs: Any, kernel: Any) -> Any:
        layer = self.layer
        return ops.depthwise_conv(
            inputs,
            kernel,
            strides=layer.strides,
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
            data_format=layer.data_format,
        )

    def through(self, inputs: Any, first: Any, second: Any) -> Any:
        return self.apply(inputs, self.product(first, second))

    def as_given(self, values: Any) -> Any:
        return ops.reshape(values, (-1,))


class _Embedding(Kernel):
    takes_numbers = False
    family = "embedding"

    @property
    def variable(self) -> Any:
        return self.layer.embeddings

    @property
    def inputs(self) -> tuple[int, ...]:
        return tuple(self.variable.shape[:1])

    def apply(self, inputs: Any, kernel: Any) -> Any:
        return ops.take(kernel, ops.cast(inputs, "int32"), axis=0)

    def through(self, inputs: Any, first: Any, second: Any) -> Any:
        return ops.matmul(self.apply(inputs, first), second)


def _unused(letters: str) -> str:
    """A letter that an equation has not."""
    return next(one for one in "rstuvwxyzabcdefghijklmnopq" if one not in letters)


def _spread(values: Any, letters: str, kernel: str) -> Any:
    """Values along some axes of a kernel, in the number and order of all its axes."""
    order = sorted(range(len(letters)), key=lambda axis: kernel.index(letters[axis]))
    values = ops.transpose(values, order) if len(order) > 1 else values
    sizes = iter(tuple(values.shape))
    return ops.reshape(values, [next(sizes) if one in letters else 1 for one in kernel])


# Of these classes themselves: one that inherits from them may compute something else.
KERNELS: dict[type, type[Kernel]] = {
    keras.layers.Dense: _Dense,
    keras.layers.EinsumDense: _Einsum,
    keras.layers.Conv1D: _Convolution,
    keras.layers.Conv2D: _Convolution,
    keras.layers.DepthwiseConv2D: _Depthwise,
    keras.layers.Embedding: _Embedding,
}


def kernel_of(layer: Any) -> Kernel | None:
    """The kernel of a built layer, or `None` where no adapter knows how to change it.

    Known are `Dense`, `EinsumDense` of one contraction, `Conv1D`, `Conv2D` and `DepthwiseConv2D` in
    float with channels last, in one group and not causal, and `Embedding`.
    """
    kind = KERNELS.get(type(layer))
    if kind is None or not layer.built or getattr(layer, "quantization_mode", None):
        return None
    if kind in (_Convolution, _Depthwise):
        grouped = kind is _Convolution and layer.groups != 1
        if layer.data_format != "channels_last" or layer.padding == "causal" or grouped:
            return None
    if kind is _Einsum and not _is_contraction(layer.equation):
        return None
    return kind(layer)


def _is_contraction(equation: str) -> bool:
    """Whether an equation sums over axes of the kernel, and gives its others."""
    match = _EQUATION.match(equation)
    if match is None:
        return False
    given, kernel, made = match.groups()
    rest = "".join(one for one in kernel if one in made)
    return all((one in given) != (one in made) for one in kernel) and made.endswith(rest)
