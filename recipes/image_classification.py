"""Classify photos into your own classes, with a model that fits on a phone.

Data: a folder with one subfolder per class (or train/validation/test above them), a CSV or JSONL
manifest with `path` and `label`, `tfds:NAME`, or `digits` (handwritten digits, no network).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from kfine.config import absolute_path, setting
from kfine.models import presets
from kfine.training.settings import TrainingConfig

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kfine.data.dataset import Data
    from kfine.models.built import BuiltModel
    from kfine.models.preprocessing import Preprocessing

TASK = "ImageClassifier"
PRIMARY = "accuracy"


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of image classification."""

    data: str = setting(
        "digits",
        "A folder of class folders, a .csv or .jsonl manifest, tfds:NAME, or digits.",
        group="Data",
    )
    image_size: int | None = setting(
        None,
        "Height and width that images are resized to: the preset's own, 96 for digits.",
        group="Data",
        unit="pixels",
        minimum=32,
        maximum=1024,
    )
    augmentation: str = setting(
        "light",
        "Random variation of training images.",
        group="Data",
        choices=("none", "light", "strong"),
    )
    flip: str = setting(
        "auto",
        "Mirror training images at random: not for letters, digits or left-right classes. "
        "auto is horizontal, none for digits, and none without augmentation.",
        group="Data",
        choices=("auto", "none", "horizontal", "both"),
    )
    class_weights: str = setting(
        "auto",
        "Let rare classes count more: auto does when the largest class has more than "
        "three times the images of the smallest.",
        group="Data",
        choices=("auto", "none", "balanced"),
    )
    preset: str = setting(
        "efficientnet_lite0",
        "Pretrained backbone: one that ships, a KerasHub name, hf://, "
        "kaggle:// or a folder; see `kfine presets`.",
        group="Model",
    )
    dropout: float = setting(
        0.2,
        "Dropout before the classifier.",
        group="Model",
        unit="fraction",
        minimum=0,
        maximum=0.95,
    )


def resolve(config: Config) -> Config:
    """Make the automatic choices that need no data, and check the preset."""
    preset = presets.find_preset(config.preset)
    presets.check_network(preset)
    presets.check_image_preset(preset, config.image_size)
    digits = config.data == "digits"
    # A run can be opened from any folder, so its paths must not depend on the present one.
    if not digits:
        config = replace(config, data=absolute_path(config.data))
    if preset.origin == "folder":
        config = replace(config, preset=preset.handle)
    if config.image_size is None:
        own = 96 if digits else presets.local_image_size(preset) or 224
        config = replace(config, image_size=presets.fixed_image_size(preset) or own)
    if config.backbone_rate is None:
        # The backbone moves about as far in a long run as in one of twelve epochs.
        rate = (0.1 if digits else 0.03) * min(1, 12 / config.epochs)
        config = replace(config, backbone_rate=round(rate, 6))
    if config.flip == "auto":
        mirrored = config.augmentation != "none" and not digits
        config = replace(config, flip="horizontal" if mirrored else "none")
    return config


def load_data(config: Config, **options: Any) -> Data:
    """Decode the images once into train, validation and test."""
    from kfine.data import cache_folder, load_images

    assert config.image_size is not None
    return load_images(
        config.data,
        image_size=(config.image_size, config.image_size),
        validation_split=config.validation_split,
        test_split=config.test_split,
        seed=config.seed,
        memory_budget=int(config.cache_memory * 1e9),
        cache_folder=cache_folder(),
        **options,
    )


def load_other_data(
    config: Config, source: str, class_names: tuple[str, ...], **options: Any
) -> Data:
    """Decode other labelled images, for evaluation."""
    from kfine.data import cache_folder, load_for_evaluation

    assert config.image_size is not None
    return load_for_evaluation(
        source,
        class_names=class_names,
        image_size=(config.image_size, config.image_size),
        memory_budget=int(config.cache_memory * 1e9),
        cache_folder=cache_folder(),
        **options,
    )


def build_model(config: Config, data: Data) -> BuiltModel:
    """A KerasHub image classifier with a new head for the classes of the data."""
    import keras
    import keras_hub
    import numpy as np

    from kfine.data.augmentation import augmentation_layers
    from kfine.data.pipeline import balanced_weights
    from kfine.models.built import BuiltModel

    assert config.image_size is not None
    classes = len(data.class_names)
    preset = presets.find_preset(config.preset)
    task = presets.load_task(
        getattr(keras_hub.models, TASK), preset, num_classes=classes, dropout=config.dropout
    )
    task.preprocessor = None
    counts = np.bincount(data.train.labels, minlength=classes)
    balanced = config.class_weights == "balanced" or (
        config.class_weights == "auto" and counts.max() > 3 * counts.min()
    )
    return BuiltModel(
        model=task,
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=config.label_smoothing
        ),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        preprocessing=presets.image_preprocessing(preset, config.image_size),
        targets=lambda split: np.eye(classes, dtype=np.float32)[split.labels],
        augmentation=augmentation_layers(config.augmentation, flip=config.flip),
        sample_weights=partial(balanced_weights, classes=classes) if balanced else None,
        decisions={"class_weights": "balanced" if balanced else "none"},
    )


def search_space(hp: Any, config: Config) -> Config:
    """What `kfine tune` varies; image size and preset are searched with `--search`."""
    return replace(
        config,
        learning_rate=hp.Float("learning_rate", 1e-3, 0.03, sampling="log"),
        dropout=hp.Float("dropout", 0.0, 0.5, step=0.1),
        weight_decay=hp.Float("weight_decay", 1e-4, 0.1, sampling="log"),
        label_smoothing=hp.Float("label_smoothing", 0.0, 0.2, step=0.05),
        augmentation=hp.Choice("augmentation", ["none", "light", "strong"]),
        **_unfreezing_space(hp, config),
    )


def _unfreezing_space(hp: Any, config: Config) -> dict[str, Any]:
    """When and how much to unfreeze; the rates of the backbone only where some of it trains."""
    early, late = 1 + config.epochs // 6, 1 + config.epochs // 2
    schedules = ["auto", "none", "all", f"{early}:2", f"{early}:4"]
    if early < late <= config.epochs:
        schedules += [f"{late}:4", f"{early}:1,{late}:4"]
    chosen = {"unfreeze": hp.Choice("unfreeze", schedules)}
    with hp.conditional_scope("unfreeze", [one for one in schedules if one != "none"]):
        chosen["backbone_rate"] = hp.Float("backbone_rate", 0.003, 0.3, sampling="log")
        chosen["layerwise_decay"] = hp.Float("layerwise_decay", 0.7, 1.0, step=0.1)
    return chosen


def evaluate(predictions: np.ndarray, data: Data) -> dict[str, Any]:
    """Metrics of class probabilities `(examples, classes)` on the test split."""
    from kfine.evaluation import classification_metrics

    assert data.test is not None
    metrics = classification_metrics(predictions, data.test.labels, data.class_names)
    return {"primary": PRIMARY, "direction": "max", **metrics}


def describe(prediction: np.ndarray, class_names: tuple[str, ...]) -> list[tuple[str, float]]:
    """Classes with their probabilities, the most probable first."""
    from kfine.evaluation import ranked_classes

    return ranked_classes(prediction, class_names)


def export_spec(
    config: Config, model: Any, preprocessing: Preprocessing, *, input_kind: str
) -> keras.Model:
    """Raw uint8 RGB in, class probabilities out."""
    from kfine.exporting import inference_model

    return inference_model(model, preprocessing, input_kind=input_kind)


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
