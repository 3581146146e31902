"""What can be said of texts without a model."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.data.examining import Alike, Marked
from kfine.inputs.text.changes import CHANGES, unfamiliar
from kfine.inputs.text.duplicates import MOST_CHARACTERS, MOST_TRAINING_TEXTS, alike_texts

if TYPE_CHECKING:
    from kfine.data.changes import Change
    from kfine.data.records import Record
    from kfine.data.split import Split

_SHOWN = 400  # characters
# Of the strongest word: less is not coloured, and not named.
_FAINT, _NAMED = 0.1, 4
_FOR, _AGAINST = "59, 130, 246", "249, 115, 22"


class TextExaminer:
    """Lengths, and texts that differ in a few signs."""

    many = "texts"
    changes: tuple[Change, ...] = CHANGES

    def text(self, example: Any) -> str:
        """What is looked at of an example."""
        found: str = example
        return found

    def measure(self, split: Split) -> dict[str, np.ndarray]:
        """Characters and words."""
        texts = list(map(self.text, split.examples()))
        return {
            "characters": np.array([len(one) for one in texts], np.float64),
            "words": np.array([len(one.split()) for one in texts], np.float64),
        }

    def alike(self, rows: Any) -> tuple[list[Alike], str]:
        """As `alike_texts`, where there are not too many."""
        texts = list(map(self.text, rows[list(range(len(rows)))]))
        if len(texts) > MOST_TRAINING_TEXTS or sum(map(len, texts)) > MOST_CHARACTERS:
            return [], f"texts that are nearly the same: there are {len(texts)}, too many"
        return alike_texts(texts), ""

    def unfamiliar(self, example: Any, random: np.random.Generator) -> dict[str, Any]:
        """As `unfamiliar` of the changes."""
        return unfamiliar(example, random)

    def html(self, example: Any, record: Record) -> str:
        """The beginning of a text; one that is `Marked` with colours, and its words by name."""
        if isinstance(example, Marked):
            return _marked(example)
        return _shown(self.text(example))


class TaggedExaminer(TextExaminer):
    """The same of texts in tokens."""

    # They move the tokens that tags speak of.
    changes: tuple[Change, ...] = ()

    def text(self, example: Any) -> str:
        """The tokens, with a space between each two."""
        return " ".join(example.tokens)


class QuestionExaminer(TextExaminer):
    """Lengths of questions and of their contexts."""

    many = "questions"
    changes: tuple[Change, ...] = ()

    def text(self, example: Any) -> str:
        """The question, with the context behind it."""
        return f"{example.question} {example.context}"

    def measure(self, split: Split) -> dict[str, np.ndarray]:
        """Words of each."""
        examples = split.examples()
        return {
            f"words of the {name}": np.array(
                [len(getattr(one, name).split()) for one in examples], np.float64
            )
            for name in ("question", "context")
        }

    def alike(self, rows: Any) -> tuple[list[Alike], str]:
        """None: questions of one context are alike anyhow, and no split divides them."""
        return [], "questions that are nearly the same: those of one context look alike"

    def html(self, example: Any, record: Record) -> str:
        """The question, and the beginning of the context."""
        return _shown(example.question) + _shown(example.context)


def _shown(text: str) -> str:
    more = " …" if len(text) > _SHOWN else ""
    return f"<p>{html.escape(text[:_SHOWN])}{more}</p>"


def _marked(example: Marked) -> str:
    """Words on blue speak for what the model says, on orange against it; the strongest by name."""
    found, place = [], 0
    for start, end, share in example.parts:
        if start >= _SHOWN:
            break
        word = html.escape(example.text[start:end])
        if abs(share) >= _FAINT:
            colour = _FOR if share > 0 else _AGAINST
            # Dark text stays readable on half of it.
            style = f"background: rgba({colour}, {abs(share) / 2:.2f}); color: inherit"
            word = f'<mark style="{style}">{word}</mark>'
        found += [html.escape(example.text[place:start]), word]
        place = end
    rest = example.text[place:]
    found.append(html.escape(rest[: max(0, _SHOWN - place)]))
    more = " …" if len(example.text) > _SHOWN else ""
    return f"<p>{''.join(found)}{more}</p>{_names(example)}"


def _names(example: Marked) -> str:
    """The strongest words, for whoever does not see colours."""
    lines = []
    for called, sign in (("for", 1), ("against", -1)):
        strong = [one for one in example.parts if sign * one[2] >= _FAINT]
        strong.sort(key=lambda one: -sign * one[2])
        words = [html.escape(example.text[start:end]) for start, end, _ in strong[:_NAMED]]
        if words:
            lines.append(f"{called} it: {', '.join(words)}")
    return f"<p><small>{'; '.join(lines)}</small></p>" if lines else ""
