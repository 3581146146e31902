"""Layer groups: consecutive layers that are frozen and unfrozen together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kfine.keras_private import calls_of, flattened

if TYPE_CHECKING:
    import keras

_BLOCK = re.compile(
    r"^(.*?(?:block|layer|stage|stack|dark)_?\d+[a-z]?(?:_(?:block|layer)_?\d+)?)(?:_|$)"
)
HEAD = "head"
# The nested model that a functional model has its pretrained layers in.
BACKBONE = "backbone"


@dataclass(frozen=True)
class LayerGroup:
    """Consecutive layers of a model.

    Attributes:
        name: Name from the layers, such as `block6b`; `stem` below the first block, `top` above
            the last one, `head` outside the backbone.
        layers: The layers, from the input side.
    """

    name: str
    layers: tuple[Any, ...]

    @property
    def weights(self) -> list[Any]:
        """All variables of the group, statistics included."""
        return [variable for layer in self.layers for variable in layer.weights]

    @property
    def parameters(self) -> int:
        """Number of scalar weights."""
        return sum(int(layer.count_params()) for layer in self.layers)

    def leaves(self) -> list[Any]:
        """Every layer inside the group that holds no other layers, composite blocks opened."""
        found = []
        for layer in self.layers:
            found += [inner for inner in flattened(layer) if len(flattened(inner)) == 1]
        return found


def layer_groups(model: keras.Model) -> list[LayerGroup]:
    """Divide a model into layer groups, named from the input side; the last one is the head.

    A KerasHub task, and a functional model around a nested one of the name `BACKBONE`, is divided
    along the blocks of its backbone, also where that has its encoder inside as a model of its own
    (RetinaNet, DeepLab). In any other model every layer with weights begins a group,
    and the last of them is the head.

    Args:
        model: A built functional or sequential model, or a KerasHub task.

    Returns:
        At least one group; together they hold every layer of the model once.
    """
    backbone = getattr(model, "backbone", None) or _backbone_inside(model)
    if backbone is None:
        return _plain_groups(model)
    inside = {id(layer) for layer in flattened(backbone)}
    head = [layer for layer in model.layers if id(layer) not in inside and not _is_input(layer)]
    groups = [*_backbone_groups(backbone), LayerGroup(HEAD, tuple(head))]
    if not groups[-1].weights and len(groups) > 1:
        # A language model's output is its own embedding again: the last group is what is near it.
        *rest, top, empty = groups
        return [*rest, LayerGroup(HEAD, top.layers + empty.layers)]
    return groups


def above_embedding(model: keras.Model) -> int:
    """How many groups a text model has between its embedding, the first one, and its head."""
    return max(1, len(layer_groups(model)) - 2)


def block_of(layer: Any) -> str:
    """The block of a backbone that a layer belongs to, by its name; empty if to none."""
    match = _BLOCK.match(layer.name)
    return match[1].rstrip("_") if match else ""


def block_outputs(backbone: keras.Model) -> list[tuple[str, Any]]:
    """The block and the first output of each call of a layer in a block, from the input side."""
    named = [(block_of(node.operation), node.outputs[0]) for node in calls_of(backbone)]
    return [(block, output) for block, output in named if block]


def _backbone_inside(model: Any) -> Any:
    """The nested model of the name `BACKBONE`, if there is one."""
    return next(
        (one for one in model.layers if one.name == BACKBONE and hasattr(one, "layers")), None
    )


def _is_input(layer: Any) -> bool:
    return type(layer).__name__ == "InputLayer"


def _backbone_groups(backbone: Any) -> list[LayerGroup]:
    layers = _with_encoders_opened(backbone)
    names = [block_of(one) for one in layers]
    known = [index for index, name in enumerate(names) if name]
    if not known:
        return [LayerGroup("backbone", tuple(layers))]
    grouped: dict[str, list[Any]] = {}
    current, (second, above) = "stem", _second_entrance(backbone, layers[known[0] :])
    for index, (layer, name) in enumerate(zip(layers, names, strict=True)):
        if layer in second:
            continue
        current = name or ("top" if index > known[-1] else current)
        if second and name == above:
            grouped.setdefault(second[0].name, second)
        grouped.setdefault(current, []).append(layer)
    return _with_weights([LayerGroup(name, tuple(found)) for name, found in grouped.items()])


def _second_entrance(backbone: Any, layers: list[Any]) -> tuple[list[Any], str]:
    """What an input comes through behind the first blocks, such as the embedding of a decoder.

    Returns:
        Layers in no block, the first with weights, and the block that they lead to.
    """
    reached: set[int] = set()
    found: list[Any] = []
    inputs = {id(tensor) for tensor in backbone.inputs}
    for node in calls_of(backbone):
        layer, given = node.operation, {id(tensor) for tensor in node.input_tensors}
        block = block_of(layer)
        enters = not found and given & inputs and layer in layers and layer.weights and not block
        if not enters and not given & reached:
            continue
        if block:
            return found, block
        found.append(layer)
        reached.update(id(tensor) for tensor in node.outputs)
    return [], ""


def _with_encoders_opened(model: Any) -> list[Any]:
    """The layers of a model, those of a nested model with blocks in its place."""
    found: list[Any] = []
    for layer in model.layers:
        if any(block_of(one) for one in getattr(layer, "layers", ())):
            found += _with_encoders_opened(layer)
        elif not _is_input(layer):
            found.append(layer)
    return found


def _with_weights(groups: list[LayerGroup]) -> list[LayerGroup]:
    """Join groups without weights to the one before, so that each unfreezing does something."""
    joined: list[LayerGroup] = []
    for group in groups:
        if joined and not group.weights:
            last = joined.pop()
            group = LayerGroup(last.name, last.layers + group.layers)
        joined.append(group)
    return joined


def _plain_groups(model: keras.Model) -> list[LayerGroup]:
    layers = [layer for layer in model.layers if not _is_input(layer)]
    single = _with_weights([LayerGroup(layer.name, (layer,)) for layer in layers])
    return [*single[:-1], LayerGroup(HEAD, single[-1].layers)]


def is_batch_norm(layer: Any) -> bool:
    """Whether a layer keeps running statistics of its batches."""
    return hasattr(layer, "moving_mean") and hasattr(layer, "moving_variance")
