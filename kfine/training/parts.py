"""The input and the answer of a run: written into its folder, and read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kfine.answers import Answer, load_answer
from kfine.console import Console
from kfine.errors import RunError
from kfine.inputs import Input, load_input
from kfine.inputs.kinds import shipped_kinds
from kfine.recipe import recipe_of_run
from kfine.runs.files import whole_file
from kfine.runs.folder import Folder, RunFolder, open_run

INPUT, ANSWER = "input.json", "answer.json"


def keep_parts(folder: Folder, input: Input, answer: Answer) -> None:
    """Write what a run's model is given and answers."""
    folder.write(INPUT, input.to_dict())
    folder.write(ANSWER, answer.to_dict())
    for name, content in input.files().items():
        with whole_file(folder.path / name) as unfinished:
            unfinished.write_bytes(content)


def keep_chosen(
    folder: RunFolder,
    answer: Answer,
    predict: Callable[[], Sequence[Any]],
    labels: Sequence[Any],
    console: Console,
) -> None:
    """Write what validation examples choose of an answer, for `parts_of_run`.

    Args:
        folder: Of the run.
        answer: Without `choose` there is nothing to write.
        predict: Predictions of the validation examples, by a model that has not trained on them.
        labels: Theirs.
        console: Hears what was chosen.
    """
    if not hasattr(answer, "choose"):
        return
    chosen = answer.choose(predict(), labels)
    folder.update(chosen=chosen)
    for name, value in chosen.items():
        console.say(f"chosen on the validation examples: {name} {value}")


def parts_of_run(folder: RunFolder) -> tuple[Input, Answer]:
    """What a run's model is given and answers.

    Raises:
        RunError: They cannot be loaded.
    """
    own = own_parts(folder)
    try:
        input = load_input(folder.read(INPUT), lambda name: (folder.path / name).read_bytes(), own)
        chosen = folder.info().get("chosen") or {}
        return input, load_answer({**folder.read(ANSWER), **chosen}, own)
    except (ValueError, KeyError, TypeError, OSError) as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise RunError(
            f"The input or the answer of {folder.path} cannot be loaded ({INPUT}, {ANSWER}): "
            f"{reason}."
        ) from error


def own_parts(folder: RunFolder) -> Any:
    """The recipe of a run whose input or answer does not come with kfine, else `None`."""
    named = {"inputs": folder.read(INPUT), "answers": folder.read(ANSWER)}
    for package, values in named.items():
        if not _kinds(values) <= set(shipped_kinds(package)):
            return recipe_of_run(folder)[0]
    return None


def recipe_around(path: Path) -> Any:
    """The recipe of the run that an exported file lies in, where that has parts of its own."""
    for folder in path.absolute().parents[:3]:
        if (folder / "run.json").is_file() and (folder / INPUT).is_file():
            return own_parts(open_run(folder))
    return None


def _kinds(values: Any) -> set[Any]:
    """The kind of a part and of the parts in it."""
    found = {values.get("kind")}
    for inner in (values.get("parts") or {}).values():
        found |= _kinds(inner)
    return found
