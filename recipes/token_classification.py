"""Find names and other entities in texts: people, places, products, whatever you have tagged.

Data: CoNLL files (a token and its tag per line) or JSONL (`tokens`, `tags`), one file or a folder
with train/validation/test files. Tags are BIO; other schemes are understood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kfine.config import inherited, setting
from kfine.models import presets
from kfine.training.text_settings import TextConfig, resolve_text, text_space

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kfine.data.dataset import Data
    from kfine.data.split import Split
    from kfine.evaluation.tagging import Tagging
    from kfine.models.built import BuiltModel
    from kfine.models.text_kinds import TokenPreprocessing

# What presets are listed for.
TASK = "TextClassifier"
PRIMARY = "f1"
# What a search compares trials by: F1 is not known before the end of a run.
OBJECTIVE = "accuracy"


@dataclass(frozen=True)
class Config(TextConfig):
    """Settings of token classification."""

    data: str = setting(
        "",
        "A .conll or .jsonl file, or a folder with train, validation and test files of these.",
        group="Data",
    )
    epochs: int = inherited(TextConfig, "epochs", 6)


def resolve(config: Config) -> Config:
    """Make the automatic choices that need no data, and check the preset."""
    return resolve_text(config)


def load_data(config: Config, **options: Any) -> Data:
    """Read the tagged texts into train, validation and test."""
    from kfine.data.text.tagged_data import load_tagged

    return load_tagged(
        config.data,
        validation_split=config.validation_split,
        test_split=config.test_split,
        seed=config.seed,
        **options,
    )


def load_other_data(
    config: Config, source: str, class_names: tuple[str, ...], **options: Any
) -> Data:
    """Read other tagged texts, for evaluation."""
    from kfine.data.text.tagged_data import load_tagged_for_evaluation

    return load_tagged_for_evaluation(source, class_names=class_names, **options)


def build_model(config: Config, data: Data) -> BuiltModel:
    """A pretrained encoder with a new classifier on each token."""
    from kfine.models.built import BuiltModel
    from kfine.models.groups import above_embedding
    from kfine.models.text_heads import token_classifier
    from kfine.models.text_kinds import TokenPreprocessing
    from kfine.models.text_preprocessing import text_preprocessing
    from kfine.training.losses import TagAccuracy, TagLoss

    preset = presets.find_preset(config.preset)
    found, length = text_preprocessing(
        preset,
        data.train.inputs,
        sequence_length=config.sequence_length,
        kind=TokenPreprocessing,
    )
    model = token_classifier(preset, len(data.class_names), dropout=config.dropout)
    preprocessing = found.for_model(model)
    return BuiltModel(
        model=model,
        loss=TagLoss(config.label_smoothing),
        metrics=[TagAccuracy(name="accuracy")],
        preprocessing=preprocessing,
        targets=lambda split: preprocessing.targets(
            split.inputs[range(len(split))], data.class_names
        ),
        decisions={"sequence_length": length},
        unfrozen=above_embedding(model),
    )


def search_space(hp: Any, config: Config) -> Config:
    """What `kfine tune` varies; sequence length and preset are searched with `--search`."""
    return text_space(hp, config)


def interpret(
    outputs: np.ndarray,
    examples: Sequence[Any],
    preprocessing: TokenPreprocessing,
    class_names: Sequence[str],
) -> list[Tagging]:
    """Logits `(texts, pieces, tags)` as the tags of the tokens of each text."""
    from kfine.evaluation import read_taggings

    return read_taggings(outputs, examples, preprocessing, class_names)


def evaluate(predictions: Sequence[Tagging], data: Data) -> dict[str, Any]:
    """Precision, recall and F1 of whole entities on the test split."""
    from kfine.evaluation import entity_metrics

    assert data.test is not None
    true = [one.tags for one in data.test.inputs[range(len(data.test))]]
    metrics = entity_metrics([one.tags for one in predictions], true)
    return {"primary": PRIMARY, "direction": "max", **metrics}


def right(predictions: Sequence[Tagging], split: Split) -> list[bool]:
    """Which texts have exactly their true entities."""
    true = [one.tags for one in split.inputs[range(len(split))]]
    return [one.tags == tags for one, tags in zip(predictions, true, strict=True)]


def baselines(own: Data, scored: Data) -> dict[str, Any]:
    """The answer that knows the training entities by heart."""
    from kfine.evaluation import entity_baseline

    assert scored.test is not None
    train = own.train.inputs[range(len(own.train))]
    return {"known_entities": entity_baseline(train, scored.test.inputs[range(len(scored.test))])}


def describe(prediction: Tagging, class_names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The entities with their places in the text, in characters, and their probability."""
    return prediction.entities()


def export_spec(
    config: Config, model: Any, preprocessing: TokenPreprocessing, *, input_kind: str
) -> keras.Model:
    """Token ids in, probabilities of each piece's tags out."""
    from kfine.exporting import text_inference_model

    return text_inference_model(model, preprocessing)


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
