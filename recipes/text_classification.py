"""Sort texts into your own classes: sentiment, spam, topics, intent.

Data: a CSV, TSV or JSONL file with a text and a label column, a folder with train/validation/test
files of these, a folder with one subfolder of .txt files per class, or `tfds:NAME`.
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
    from kfine.models.text_preprocessing import TextPreprocessing

TASK = "TextClassifier"
PRIMARY = "accuracy"


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of text classification."""

    data: str = setting(
        "",
        "A .csv, .tsv or .jsonl file, a folder of such files named after their splits, a folder "
        "of class folders with .txt files, or tfds:NAME.",
        group="Data",
    )
    text_column: str | None = setting(
        None, "Column of the texts; guessed from names and content if omitted.", group="Data"
    )
    label_column: str | None = setting(
        None, "Column of the labels; guessed from names and content if omitted.", group="Data"
    )
    validation_split: float = setting(
        0.15,
        "Share of the training texts to validate on where the data has no such split.",
        group="Data",
        unit="fraction",
        minimum=0.01,
        maximum=0.8,
    )
    test_split: float = setting(
        0.15,
        "Share of the texts to test on where the data has no such split.",
        group="Data",
        unit="fraction",
        minimum=0.01,
        maximum=0.8,
    )
    sequence_length: int | None = setting(
        None,
        "Tokens that a text is cut or padded to: what 99 of 100 training texts fit into, at most "
        "256.",
        group="Data",
        unit="tokens",
        minimum=8,
        maximum=4096,
    )
    class_weights: str = setting(
        "auto",
        "Let rare classes count more: auto does when the largest class has more than "
        "three times the texts of the smallest.",
        group="Data",
        choices=("auto", "none", "balanced"),
    )
    preset: str = setting(
        "hf://sentence-transformers/all-MiniLM-L6-v2",
        "Pretrained encoder: a KerasHub name, hf://, kaggle:// or a folder; see `kfine presets`.",
        group="Model",
    )
    pooling: str = setting(
        "mean",
        "What the classifier sees: the mean over all tokens, or KerasHub's own classifier on the "
        "first token.",
        group="Model",
        choices=("mean", "first"),
    )
    dropout: float = setting(
        0.1,
        "Dropout before the classifier.",
        group="Model",
        unit="fraction",
        minimum=0,
        maximum=0.95,
    )
    epochs: int = setting(
        5,
        "Passes over the training data, all stages together.",
        group="Training",
        unit="epochs",
        minimum=1,
        maximum=10_000,
    )
    learning_rate: float = setting(
        0.002,
        "Peak learning rate of the head.",
        group="Training",
        minimum=1e-8,
        maximum=10,
    )
    backbone_rate: float | None = setting(
        0.05,
        "Learning rate of the encoder layer nearest the head, as a fraction of the head's.",
        group="Training",
        minimum=1e-6,
        maximum=10,
    )
    min_steps: int = setting(
        40,
        "Least optimizer steps of an epoch: a small data set is passed over as often as that "
        "takes.",
        group="Training",
        unit="steps",
        minimum=1,
        maximum=100_000,
    )


def resolve(config: Config) -> Config:
    """Make the automatic choices that need no data, and check the preset."""
    preset = presets.find_preset(config.preset)
    presets.check_network(preset, TASK)
    presets.check_text_preset(preset, config.sequence_length)
    # A run can be opened from any folder, so its paths must not depend on the present one.
    config = replace(config, data=absolute_path(config.data))
    if preset.origin == "folder":
        config = replace(config, preset=preset.handle)
    return config


def load_data(config: Config, **options: Any) -> Data:
    """Read the texts into train, validation and test."""
    from kfine.data.text.dataset import load_texts

    return load_texts(
        config.data,
        text_column=config.text_column,
        label_column=config.label_column,
        validation_split=config.validation_split,
        test_split=config.test_split,
        seed=config.seed,
        **options,
    )


def load_other_data(
    config: Config, source: str, class_names: tuple[str, ...], **options: Any
) -> Data:
    """Read other labelled texts, for evaluation."""
    from kfine.data.text.dataset import load_texts_for_evaluation

    return load_texts_for_evaluation(
        source,
        class_names=class_names,
        text_column=config.text_column,
        label_column=config.label_column,
        **options,
    )


def build_model(config: Config, data: Data) -> BuiltModel:
    """A pretrained encoder with a new classifier for the classes of the data."""
    import keras
    import numpy as np

    from kfine.data.pipeline import balanced_weights
    from kfine.models.built import BuiltModel
    from kfine.models.text_heads import text_classifier
    from kfine.models.text_preprocessing import text_preprocessing

    classes = len(data.class_names)
    preset = presets.find_preset(config.preset)
    preprocessing, length = text_preprocessing(
        preset, data.train.inputs, sequence_length=config.sequence_length
    )
    model = text_classifier(preset, classes, pooling=config.pooling, dropout=config.dropout)
    counts = np.bincount(data.train.labels, minlength=classes)
    balanced = config.class_weights == "balanced" or (
        config.class_weights == "auto" and counts.max() > 3 * counts.min()
    )
    return BuiltModel(
        model=model,
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=config.label_smoothing
        ),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        preprocessing=preprocessing.for_model(model),
        targets=lambda split: np.eye(classes, dtype=np.float32)[split.labels],
        sample_weights=partial(balanced_weights, classes=classes) if balanced else None,
        decisions={
            "class_weights": "balanced" if balanced else "none",
            "sequence_length": length,
        },
        unfrozen=all_but_embedding(model),
    )


def all_but_embedding(model: Any) -> int:
    """Backbone groups above the first, which holds the embedding."""
    from kfine.models.groups import layer_groups

    return max(1, len(layer_groups(model)) - 2)


def search_space(hp: Any, config: Config) -> Config:
    """What `kfine tune` varies; sequence length and preset are searched with `--search`."""
    return replace(
        config,
        learning_rate=hp.Float("learning_rate", 3e-4, 0.01, sampling="log"),
        backbone_rate=hp.Float("backbone_rate", 0.01, 0.3, sampling="log"),
        layerwise_decay=hp.Float("layerwise_decay", 0.7, 1.0, step=0.1),
        dropout=hp.Float("dropout", 0.0, 0.5, step=0.1),
        weight_decay=hp.Float("weight_decay", 1e-4, 0.1, sampling="log"),
        label_smoothing=hp.Float("label_smoothing", 0.0, 0.2, step=0.05),
    )


def evaluate(predictions: np.ndarray, data: Data) -> dict[str, Any]:
    """Metrics of class probabilities `(examples, classes)` on the test split."""
    from kfine.evaluation import by_length, classification_metrics, confident_mistakes

    assert data.test is not None
    test, names = data.test, data.class_names
    texts = test.inputs[range(len(test))]
    return {
        "primary": PRIMARY,
        "direction": "max",
        **classification_metrics(predictions, test.labels, names),
        "by_length": by_length(predictions, test.labels, texts, names),
        "mistakes": confident_mistakes(predictions, test.labels, texts, names, most=10),
    }


def describe(prediction: np.ndarray, class_names: tuple[str, ...]) -> list[tuple[str, float]]:
    """Classes with their probabilities, the most probable first."""
    from kfine.evaluation import ranked_classes

    return ranked_classes(prediction, class_names)


def export_spec(
    config: Config, model: Any, preprocessing: TextPreprocessing, *, input_kind: str
) -> keras.Model:
    """Token ids in, class probabilities out."""
    from kfine.exporting import text_inference_model

    return text_inference_model(model, preprocessing)


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
