"""One vector for each text, as the encoder was trained to give it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import keras

from kfine.presets import Preset, fetch_beside

_LAYERS = "layers"
_MODULES, _POOLING = "modules.json", "1_Pooling/config.json"
# What a setting may ask for by itself: how tokens are pooled, and whether to length 1.
_CHOICES = {"unit": ("mean", True), "mean": ("mean", False)}
_KERAS_HUB_MODES = {"cls": "first", "mean": "mean", "max": "max"}
_MODES = {
    "pooling_mode_cls_token": "first",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
}


@dataclass(frozen=True)
class TextPooling:
    """How the features of the tokens of a text become one vector.

    Attributes:
        mode: "mean" over the tokens in use, "max" over them, or the "first" of them.
        unit: Whether the vector is brought to one length, that of the square root of its number
            of features: as sentence encoders compare texts, whatever their length.
        why: Where this was found, in words.
        middle: Whether the middle layer is pooled beside the last one. What a text is about is in
            the last; how it is written fades on the way there (Tenney et al., 2019,
            https://arxiv.org/abs/1905.05950), and a head takes what it needs of both (Evci et
            al., 2022, https://arxiv.org/abs/2201.03529).
    """

    mode: str
    unit: bool
    why: str
    middle: bool = False

    def __str__(self) -> str:
        what = {"mean": "the mean of the tokens", "max": "their maximum", "first": "the first"}
        where = " of the middle and of the last layer" if self.middle else ""
        length = ", brought to one length" if self.unit else ""
        return f"{what[self.mode]}{where}{length}: {self.why}"

    def __call__(self, tokens: Any, mask: Any) -> Any:
        """Pool the features of tokens.

        Args:
            tokens: Keras tensor float `(batch, length, features)`, or a list of those of several
                layers, the last of which comes last.
            mask: Keras tensor `(batch, length)`, 1 for tokens in use; or `None`.

        Returns:
            Keras tensor `(batch, features)`; the features of several layers one after the other.
        """
        *before, last = tokens if isinstance(tokens, (list, tuple)) else [tokens]
        pooled = [self._pooled(one, mask, "middle_") for one in before]
        pooled.append(self._pooled(last, mask, ""))
        if len(pooled) == 1:
            return pooled[0]
        return keras.layers.Concatenate(name=_LAYERS, dtype="float32")(pooled)

    def _pooled(self, tokens: Any, mask: Any, name: str) -> Any:
        layers = keras.layers
        if self.mode == "first":
            pooled = tokens[:, 0]
        elif self.mode == "max":
            pooled = _max_pooling(tokens, mask)
        else:
            pooling = layers.GlobalAveragePooling1D(name=f"{name}mean_pooling")
            pooled = pooling(tokens, mask=mask)
        if not self.unit:
            return pooled
        # In float32: squares of float16 overflow.
        pooled = layers.UnitNormalization(name=f"{name}unit_length", dtype="float32")(pooled)
        # As large as standardised features, so that one learning rate suits both.
        scale = float(tokens.shape[-1]) ** 0.5
        return layers.Rescaling(scale, name=f"{name}one_length", dtype="float32")(pooled)


# What most encoders of sentences were trained with.
USUAL = TextPooling("mean", True, "the preset says nothing of it")


def text_pooling(preset: Preset, pooling: str, *, middle: bool = False) -> TextPooling | None:
    """What a setting asks for: with `last` what the files of the preset say, with `both` the same
    of the middle layer too, with `auto` one of them.

    These are those of sentence-transformers (`modules.json` and `1_Pooling/config.json`; Reimers
    and Gurevych, 2019, https://arxiv.org/abs/1908.10084), or KerasHub's `task.json` of a
    `TextEmbedder`. Where they say nothing, texts are pooled by the mean and brought to one length:
    the mean of a short text is longer than that of a long one, which says nothing of its class.

    Args:
        preset: An encoder of texts.
        pooling: "auto", "last", "both", "unit", "mean", or "first".
        middle: Whether "auto" is "both" rather than "last".

    Returns:
        The pooling; `None` for "first", which is left to KerasHub's `TextClassifier`.

    Raises:
        PresetError: A file of the preset is damaged.
    """
    if pooling == "first":
        return None
    if pooling in _CHOICES:
        return TextPooling(*_CHOICES[pooling], "as set")
    return replace(_of_preset(preset), middle=pooling == "both" or (pooling == "auto" and middle))


def _of_preset(preset: Preset) -> TextPooling:
    """What the files of a preset say of the last layer."""
    task = preset.read_json("task.json")
    if str(task.get("class_name", "")).endswith("TextEmbedder"):
        config = task.get("config", {})
        mode = _KERAS_HUB_MODES.get(str(config.get("pooling_mode", "mean")), "mean")
        return TextPooling(mode, bool(config.get("normalize", True)), "task.json says so")
    preset = fetch_beside(preset, [_MODULES, _POOLING])
    modules = preset.read_json_list(_MODULES)
    if modules:
        given = preset.read_json(_POOLING)
        mode = next((mode for name, mode in _MODES.items() if given.get(name)), "mean")
        unit = any(str(one.get("type", "")).endswith("Normalize") for one in modules)
        return TextPooling(mode, unit, f"{_MODULES} says so")
    return USUAL


def describe_pooling(pooling: TextPooling | None, model: keras.Model) -> str:
    """What a classifier sees, in words: the middle layer where the encoder gave it."""
    if pooling is None:
        return "as KerasHub has it"
    layers = any(layer.name == _LAYERS for layer in model.layers)
    return str(replace(pooling, middle=pooling.middle and layers))


def _max_pooling(tokens: Any, mask: Any) -> Any:
    if mask is not None:
        tokens = keras.ops.where(keras.ops.expand_dims(mask, -1), tokens, -1e9)
    return keras.ops.max(tokens, axis=1)
