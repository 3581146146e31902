"""One vector for each text, as the encoder was trained to give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from kfine.presets import Preset, fetch_beside

_MODULES, _POOLING = "modules.json", "1_Pooling/config.json"
# What a setting may ask for, apart from `auto`: how tokens are pooled, and whether to length 1.
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
    """

    mode: str
    unit: bool
    why: str

    def __str__(self) -> str:
        what = {"mean": "the mean of the tokens", "max": "their maximum", "first": "the first"}
        return f"{what[self.mode]}{', brought to one length' if self.unit else ''}: {self.why}"

    def __call__(self, tokens: Any, mask: Any) -> Any:
        """Pool the features of tokens.

        Args:
            tokens: Keras tensor float `(batch, length, features)`.
            mask: Keras tensor `(batch, length)`, 1 for tokens in use; or `None`.

        Returns:
            Keras tensor `(batch, features)`.
        """
        if self.mode == "first":
            pooled = tokens[:, 0]
        elif self.mode == "max":
            pooled = _max_pooling(tokens, mask)
        else:
            pooled = keras.layers.GlobalAveragePooling1D(name="mean_pooling")(tokens, mask=mask)
        if not self.unit:
            return pooled
        # In float32: squares of float16 overflow.
        pooled = keras.layers.UnitNormalization(name="unit_length", dtype="float32")(pooled)
        # As large as standardised features, so that one learning rate suits both.
        scale = float(tokens.shape[-1]) ** 0.5
        return keras.layers.Rescaling(scale, name="one_length", dtype="float32")(pooled)


# What most encoders of sentences were trained with.
USUAL = TextPooling("mean", True, "the preset says nothing of it")


def text_pooling(preset: Preset, pooling: str) -> TextPooling | None:
    """What a setting asks for; with `auto` what the files of the preset say.

    These are those of sentence-transformers (`modules.json` and `1_Pooling/config.json`; Reimers
    and Gurevych, 2019, https://arxiv.org/abs/1908.10084), or KerasHub's `task.json` of a
    `TextEmbedder`. Where they say nothing, texts are pooled by the mean and brought to one length:
    the mean of a short text is longer than that of a long one, which says nothing of its class.

    Args:
        preset: An encoder of texts.
        pooling: "auto", "unit", "mean", or "first".

    Returns:
        The pooling; `None` for "first", which is left to KerasHub's `TextClassifier`.

    Raises:
        PresetError: A file of the preset is damaged.
    """
    if pooling == "first":
        return None
    if pooling != "auto":
        return TextPooling(*_CHOICES[pooling], "as set")
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


def _max_pooling(tokens: Any, mask: Any) -> Any:
    if mask is not None:
        tokens = keras.ops.where(keras.ops.expand_dims(mask, -1), tokens, -1e9)
    return keras.ops.max(tokens, axis=1)
