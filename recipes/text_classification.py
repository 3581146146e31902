"""Sort texts into your own classes: sentiment, spam, topics, intent.

Data: a CSV, TSV or JSONL file with a text and a label column, a folder with train/validation/test
files of these, a folder with one subfolder of .txt files per class, or `tfds:NAME`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kfine.config import setting
from kfine.models import presets
from kfine.training.text_settings import TextConfig, resolve_text, text_space

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kfine.data.dataset import Data
    from kfine.models.built import BuiltModel
    from kfine.models.text_preprocessing import TextPreprocessing

# What presets are listed for.
TASK = "TextClassifier"
PRIMARY = "accuracy"


@dataclass(frozen=True)
class Config(TextConfig):
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
    class_weights: str = setting(
        "auto",
        "Let rare classes count more: auto does when the largest class has more than "
        "three times the texts of the smallest.",
        group="Data",
        choices=("auto", "none", "balanced"),
    )
    pooling: str = setting(
        "mean",
        "What the classifier sees: the mean over all tokens, or KerasHub's own classifier on the "
        "first token.",
        group="Model",
        choices=("mean", "first"),
    )


def resolve(config: Config) -> Config:
    """Make the automatic choices that need no data, and check the preset."""
    return resolve_text(config)


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
    from kfine.models.groups import above_embedding
    from kfine.models.text_heads import text_classifier
    from kfine.models.text_preprocessing import TextPreprocessing, text_preprocessing

    classes = len(data.class_names)
    preset = presets.find_preset(config.preset)
    preprocessing, length = text_preprocessing(
        preset,
        data.train.inputs,
        sequence_length=config.sequence_length,
        kind=TextPreprocessing,
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
        unfrozen=above_embedding(model),
    )


def search_space(hp: Any, config: Config) -> Config:
    """What `kfine tune` varies; sequence length and preset are searched with `--search`."""
    return text_space(hp, config)


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
