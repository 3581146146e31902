"""What an exported file answers, read by a recipe."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from kfine.errors import ExportError
from kfine.exporting.outputs import Inside
from kfine.verbs.predictions import read_inside
from kfine.verbs.recipes import load_recipe, recipe_names


def recipe_of_file(predictor: Any) -> ModuleType:
    """The recipe that an exported file names, or the usual one for what it gives.

    Only recipes that come with kfine: what a file names must not decide which code runs. What
    stands inside texts is read by the one for it alone.
    """
    name, usual = str(predictor.info.get("recipe")), predictor.medium.recipe
    known = name in recipe_names() and not isinstance(predictor.output, Inside)
    return load_recipe(name if known else usual)


def read_answers(
    module: ModuleType, predictor: Any, answers: np.ndarray, examples: Callable[[], Any]
) -> Any:
    """A file's answers as the predictions of a recipe.

    Args:
        module: The recipe.
        predictor: The loaded file.
        answers: What its `predict` gave.
        examples: Gives the examples, which not every recipe reads.

    Raises:
        ExportError: The recipe does not read what the file gives.
    """
    inside = isinstance(predictor.output, Inside)
    if inside != hasattr(module, "interpret"):
        raise ExportError(f"{predictor.path} is damaged: its recipe does not read its answers.")
    if not inside:
        return answers
    logits = predictor.output.logits(answers)
    preprocessing = predictor.medium.preprocessing
    return read_inside(module, logits, examples(), preprocessing, predictor.class_names)
