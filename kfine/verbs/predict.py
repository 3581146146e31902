"""`predict`: images in, named classes with probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kfine.backend import load_backend
from kfine.console import Console
from kfine.errors import DataError
from kfine.exporting.kinds import find_model, kind_of
from kfine.verbs.files import is_run, warn_if_refused
from kfine.verbs.recipes import recipe_of_run
from kfine.verbs.run import Run

_BATCH = 32
Classes = list[tuple[str, float]]


@dataclass(frozen=True)
class Prediction:
    """The answer for one image.

    Attributes:
        name: The image's path as given.
        classes: Class names with probabilities, the most probable first.
        unsure: Whether the best probability is below the asked-for limit.
    """

    name: str
    classes: tuple[tuple[str, float], ...]
    unsure: bool = False

    @property
    def label(self) -> str:
        """The most probable class, or `unsure`."""
        return "unsure" if self.unsure else self.classes[0][0]


def predict(
    model: Run | str | Path,
    images: str | Path | Sequence[str | Path],
    *,
    unsure_below: float = 0.0,
    console: Console | None = None,
) -> list[Prediction]:
    """Classify images with a run or with what `kfine export` wrote.

    Args:
        model: A run, its folder, or an exported file or folder of any format.
        images: Image files; a folder stands for all images below it.
        unsure_below: Call a prediction unsure when its best probability is below this.
        console: Hears of images that cannot be read.

    Returns:
        One prediction per readable image.

    Raises:
        KfineError: The model or a path is missing or not usable, or no image can be read.
    """
    console = console or Console()
    if not isinstance(model, Run):
        model = find_model(model)
        kind_of(model)
    paths = list(_expand([images] if isinstance(images, (str, Path)) else images))
    if not paths:
        raise DataError("There are no images to predict.")
    with console.timed("loading the model"):
        classify, describe = _classifier(model, console)
    progress = console.count("predicting")
    found: list[Prediction] = []
    # Photos are large: only a few are held at a time.
    for start in range(0, len(paths), _BATCH):
        names, decoded = _decode(paths[start : start + _BATCH], console)
        if decoded:
            for name, row in zip(names, classify(decoded), strict=True):
                classes = tuple(describe(row))
                found.append(Prediction(name, classes, classes[0][1] < unsure_below))
        progress(min(start + _BATCH, len(paths)), len(paths))
    if not found:
        raise DataError(f"None of the {len(paths)} images can be read.")
    return found


def _decode(paths: Sequence[Path], console: Console) -> tuple[list[str], list[np.ndarray]]:
    """The images that can be read, with their names; the others are named to the console."""
    from kfine.data import decode_image

    names, images = [], []
    for path in paths:
        try:
            images.append(decode_image(path))
            names.append(str(path))
        except DataError as error:
            console.warn(f"set aside {path}: {error}")
    return names, images


def _expand(images: Iterable[str | Path]) -> Iterable[Path]:
    for image in images:
        path = Path(image)
        if path.is_dir():
            hidden = [p for p in sorted(path.rglob("*")) if p.is_file()]
            yield from (p for p in hidden if not p.name.startswith("."))
        elif path.exists():
            yield path
        else:
            raise DataError(f"There is no image {path}.")


def _classifier(
    model: Run | str | Path, console: Console
) -> tuple[Callable[[list[np.ndarray]], np.ndarray], Callable[[np.ndarray], Classes]]:
    """What turns images into a model's probabilities, and a row of those into named classes."""
    if not isinstance(model, Run) and not is_run(model):
        return _exported_classifier(Path(model), console)
    run = model if isinstance(model, Run) else Run(model)
    run._folder.require_finished()
    from kfine.data import resize_image
    from kfine.verbs.evaluate import softmax

    size, network = run.preprocessing.image_size, run.model
    module, note = recipe_of_run(run._folder)
    if note:
        console.warn(note)

    def classify(images: list[np.ndarray]) -> np.ndarray:
        resized = np.stack([resize_image(image, size) for image in images]).astype(np.float32)
        logits = network.predict(np.asarray(run.preprocessing.normalize(resized)), verbose=0)
        return softmax(logits)

    return classify, partial(module.describe, class_names=run.class_names)


def _exported_classifier(
    path: Path, console: Console
) -> tuple[Callable[[list[np.ndarray]], np.ndarray], Callable[[np.ndarray], Classes]]:
    warn_if_refused(path, console)
    if kind_of(path) == "saved_model":
        load_backend()
    from kfine.evaluation import ranked_classes
    from kfine.exporting import load_exported

    exported = load_exported(path)
    return exported.predict, partial(ranked_classes, class_names=exported.labels)


def as_rows(predictions: Sequence[Prediction], top: int) -> list[dict[str, Any]]:
    """Predictions as JSON-able rows with the `top` classes."""
    return [
        {
            "image": one.name,
            "label": one.label,
            "classes": {name: round(value, 6) for name, value in one.classes[:top]},
        }
        for one in predictions
    ]
