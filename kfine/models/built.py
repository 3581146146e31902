"""What a recipe's `build_model` returns: a model between an input and an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kfine.errors import ConfigError

if TYPE_CHECKING:
    import keras

    from kfine.answers import Answer
    from kfine.inputs import Input


@dataclass
class Built:
    """An uncompiled model, what it is given and what it answers.

    Attributes:
        model: A Keras model; a KerasHub task wherever one exists. It takes what the input's
            `prepare` gives; its outputs have the names of the answer's losses, or it has one.
        input: What it is given.
        answer: What it answers.
        augmentation: Keras layers that vary a batch in training, on inputs in 0..255.
        weights: From labels to float32 weights `(examples,)`, or `None` where all count alike.
        decisions: Automatic choices in words, recorded in the run folder.
        warnings: What the user should hear of before training begins.
        unfrozen: Backbone groups that `unfreeze` auto ends with; a third of them if `None`, and
            the head alone if 0.

    Raises:
        ConfigError: Input and answer do not fit, the outputs are not the answer's, or the
            augmentation mixes what cannot be mixed.
    """

    model: keras.Model
    input: Input
    answer: Answer
    augmentation: list[Any] = field(default_factory=list)
    weights: Callable[[Sequence[Any]], Any] | None = None
    decisions: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    unfrozen: int | None = None

    def __post_init__(self) -> None:
        check_fit(self.input, self.answer)
        outputs = getattr(self.model, "output", None)
        names = list(outputs) if isinstance(outputs, dict) else None
        wanted = list(self.answer.losses())
        if sorted(names or []) != sorted(wanted) and (names is not None or len(wanted) != 1):
            raise ConfigError(
                f"The answer {self.answer.kind!r} compares the outputs {', '.join(wanted)}. "
                f"Received: a model with {', '.join(names) if names else 'one output'}"
            )
        check_mixing(self)


def check_fit(input: Input, answer: Answer) -> None:
    """Refuse an answer that needs places which an input does not make.

    Raises:
        ConfigError: They do not fit.
    """
    needs = answer.needs
    if needs is not None and not issubclass(input.places, needs):
        raise ConfigError(
            f"The answer {answer.kind!r} needs {needs.__name__} of its input. Received: the input "
            f"{input.kind!r}, which makes {input.places.__name__}"
        )


def check_mixing(built: Built) -> None:
    """Refuse examples that are mixed where their targets, or their weights, are not.

    Raises:
        ConfigError: They are not.
    """
    from kfine.data.augmentation import mixes

    if not mixes(built.augmentation):
        return
    if not getattr(built.answer, "mixes", False):
        raise ConfigError(
            "mix makes one example of two, which classes and labels allow; leave it out. Received: "
            f"the answer {built.answer.kind!r}"
        )
    if built.weights is not None:
        raise ConfigError(
            "mix makes one example of two, and their weights differ; use class_weights adjusted. "
            "Received: weighted examples"
        )
