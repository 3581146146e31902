"""Answer questions with a passage of a text, or say that the text has no answer.

Data: the JSON of SQuAD 1.1 or 2.0, one file or a folder with train/validation/test files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kfine.config import inherited, setting
from kfine.models import presets
from kfine.training.text_settings import TextConfig, resolve_text, text_space

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kfine.data.dataset import Data
    from kfine.data.split import Split
    from kfine.data.text.spans import Answer
    from kfine.models.built import BuiltModel
    from kfine.models.text_kinds import WindowPreprocessing

# What presets are listed for.
TASK = "TextClassifier"
PRIMARY = "f1"
# What a search compares trials by: F1 is not known before the end of a run.
OBJECTIVE = "accuracy"


@dataclass(frozen=True)
class Config(TextConfig):
    """Settings of question answering."""

    data: str = setting(
        "",
        "A .json file as SQuAD has it, or a folder with train, validation and test files.",
        group="Data",
    )
    sequence_length: int | None = setting(
        None,
        "Word pieces of a row with question and window of the context: what 99 of 100 fit into, "
        "at most 256.",
        group="Data",
        unit="pieces",
        minimum=80,
        maximum=4096,
    )
    stride: int = setting(
        128,
        "Word pieces from the beginning of a window of the context to that of the next.",
        group="Data",
        unit="pieces",
        minimum=8,
        maximum=4096,
    )
    longest_answer: int = setting(
        30, "Word pieces of the longest answer.", group="Data", unit="pieces", minimum=1
    )
    epochs: int = inherited(TextConfig, "epochs", 6)


def resolve(config: Config) -> Config:
    """Make the automatic choices that need no data, and check the preset."""
    return resolve_text(config)


def load_data(config: Config, **options: Any) -> Data:
    """Read the questions into train, validation and test."""
    from kfine.data.text.question_data import load_questions

    return load_questions(
        config.data,
        validation_split=config.validation_split,
        test_split=config.test_split,
        seed=config.seed,
        **options,
    )


def load_other_data(
    config: Config, source: str, class_names: tuple[str, ...], **options: Any
) -> Data:
    """Read other questions, for evaluation."""
    from kfine.data.text.question_data import load_questions_for_evaluation

    return load_questions_for_evaluation(source, class_names=class_names, **options)


def build_model(config: Config, data: Data) -> BuiltModel:
    """A pretrained encoder with new scores for the first and the last piece of the answer."""
    from kfine.models.built import BuiltModel
    from kfine.models.groups import above_embedding
    from kfine.models.text_heads import span_finder
    from kfine.models.text_kinds import WindowPreprocessing
    from kfine.models.text_preprocessing import text_preprocessing
    from kfine.training.losses import SpanAccuracy, SpanLoss

    preset = presets.find_preset(config.preset)
    found, length = text_preprocessing(
        preset,
        data.train.inputs,
        sequence_length=config.sequence_length,
        kind=WindowPreprocessing,
    )
    model = span_finder(preset, dropout=config.dropout)
    preprocessing = replace(
        found.for_model(model), stride=config.stride, longest_answer=config.longest_answer
    )
    return BuiltModel(
        model=model,
        loss=SpanLoss(config.label_smoothing),
        metrics=[SpanAccuracy(name="accuracy")],
        preprocessing=preprocessing,
        targets=lambda split: preprocessing.targets(split.inputs[range(len(split))]),
        decisions={"sequence_length": length},
        unfrozen=above_embedding(model),
    )


def search_space(hp: Any, config: Config) -> Config:
    """What `kfine tune` varies; sequence length and preset are searched with `--search`."""
    return text_space(hp, config)


def interpret(
    outputs: np.ndarray,
    examples: Sequence[Any],
    preprocessing: WindowPreprocessing,
    class_names: Sequence[str],
) -> list[Answer]:
    """Logits `(windows, pieces, 2)` as the answer to each question, empty where there is none."""
    return preprocessing.answers(outputs, examples, may_be_none="no answer" in class_names)


def evaluate(predictions: Sequence[Answer], data: Data) -> dict[str, Any]:
    """Exact match and F1 on the test split, as SQuAD's script has them."""
    from kfine.evaluation import answer_metrics

    assert data.test is not None
    metrics = answer_metrics([one.text for one in predictions], _true_answers(data.test))
    return {"primary": PRIMARY, "direction": "max", **metrics}


def right(predictions: Sequence[Answer], split: Split) -> list[bool]:
    """Which questions are answered exactly."""
    from kfine.evaluation import answer_scores

    return [
        bool(answer_scores(one.text, true)[0])
        for one, true in zip(predictions, _true_answers(split), strict=True)
    ]


def _true_answers(split: Split) -> list[list[str]]:
    return [[text for _, text in one.answers] for one in split.inputs[range(len(split))]]


def baselines(own: Data, scored: Data) -> dict[str, Any]:
    """The answer that never looks at the question: the first sentence, or nothing."""
    from kfine.evaluation import answer_baseline

    assert scored.test is not None
    train = own.train.inputs[range(len(own.train))]
    return {"first_sentence": answer_baseline(train, scored.test.inputs[range(len(scored.test))])}


def describe(prediction: Answer, class_names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The answer with its place in the context, in characters; nothing where there is none."""
    if not prediction.text:
        return []
    return [
        {
            "text": prediction.text,
            "start": prediction.start,
            "end": prediction.end,
            "score": round(prediction.score, 4),
        }
    ]


def export_spec(
    config: Config, model: Any, preprocessing: WindowPreprocessing, *, input_kind: str
) -> keras.Model:
    """Token ids of a question and a window in, scores of first and last piece out."""
    from kfine.exporting import text_inference_model

    return text_inference_model(model, preprocessing)


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
