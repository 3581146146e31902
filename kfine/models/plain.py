"""Presets that are a plain Keras folder: `model.json`, `model.weights.h5`, and no KerasHub class.

`preset.json` beside them may say more: `image_size`, `scale` and `offset` of the input, and
`features`, the layer whose output a new head is given. Without it the input is in 0..255, and the
head takes what the last layer with weights took.
"""

from __future__ import annotations

import keras

from kfine.errors import PresetError
from kfine.models.groups import BACKBONE
from kfine.presets import PLAIN, Preset

_WEIGHTS = "model.weights.h5"
# Axes of an input -> what it is of, and its shape.
_TAKEN = {
    4: ("images", "(batch, height, width, 3)"),
    3: ("spectrograms", "(batch, frames, bands)"),
}


def plain_backbone(preset: Preset, axes: int = 4) -> keras.Model:
    """The layers of a plain preset below its own last one.

    Args:
        preset: With `plain` true.
        axes: As in `plain_model`.

    Returns:
        A functional model of the name `BACKBONE`, so that `layer_groups` divides it.

    Raises:
        PresetError: It is damaged, or names a layer that it has not got.
    """
    model = plain_model(preset, axes)
    name = preset.read_json("preset.json").get("features")
    if name is None:
        weighted = [layer for layer in model.layers if layer.weights]
        if not weighted:
            raise PresetError(f"The preset {preset.name!r} has no layer with weights.")
        features = weighted[-1].input
    else:
        try:
            features = model.get_layer(name).output
        except ValueError:
            raise PresetError(f"The preset {preset.name!r} has no layer {name!r}.") from None
    return keras.Model(model.inputs[0], features, name=BACKBONE)


def plain_model(preset: Preset, axes: int = 4) -> keras.Model:
    """The whole network of a plain preset.

    Args:
        preset: With `plain` true.
        axes: Of its input: 4 of images, 3 of spectrograms `(batch, frames, bands)`.

    Raises:
        PresetError: It is damaged, or does not take such an input.
    """
    folder = preset.folder
    assert folder is not None
    try:
        # Layers that Keras has, and no code of somebody else's.
        text = (folder / PLAIN).read_text(encoding="utf-8")
        model = keras.models.model_from_json(text)
        model.load_weights(folder / _WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise PresetError(f"The preset {preset.name!r} does not load: {reason}") from error
    shapes = [tuple(one.shape) for one in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != axes or (axes == 4 and shapes[0][-1] != 3):
        what, wanted = _TAKEN[axes]
        raise PresetError(
            f"The preset {preset.name!r} does not take {what}; wanted is one input {wanted}. "
            f"Received: {', '.join(map(str, shapes))}"
        )
    return model
