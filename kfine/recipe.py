"""Recipes by name or by path, loaded in this one place."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from kfine.config import nearest
from kfine.errors import ConfigError

if TYPE_CHECKING:
    from kfine.data.labelled import Data
    from kfine.models.built import Built

_REQUIRED = ("TASK", "Config", "resolve", "load_data", "build_model")
_SOURCES: dict[str, str] = {}


class Recipe(Protocol):
    """What a recipe's module defines.

    Attributes:
        TASK: The KerasHub task that presets are listed for.
        Config: Its settings, a frozen dataclass that inherits kfine's.
    """

    TASK: str
    Config: type[Any]
    __name__: str
    __file__: str | None

    def resolve(self, config: Any) -> Any:
        """Make the automatic choices that need no data; imports no Keras."""
        ...

    def load_data(
        self, config: Any, source: str | None = None, like: Any = None, **options: Any
    ) -> Data:
        """Read the data of a config, or another source to score what `like`, an answer, knows."""
        ...

    def build_model(self, config: Any, data: Data) -> Built:
        """A model between an input and an answer."""
        ...


def recipes_folder() -> Path:
    """Where the recipes that come with kfine are."""
    spec = importlib.util.find_spec("kfine.recipes")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("kfine.recipes is not installed; reinstall kfine.")
    return Path(next(iter(spec.submodule_search_locations)))


def recipe_names() -> list[str]:
    """Names of the recipes that come with kfine: the folder is the list."""
    return sorted(
        path.stem for path in recipes_folder().glob("*.py") if not path.stem.startswith("_")
    )


def load_recipe(name: str | Path) -> Recipe:
    """Load a recipe by name or by path; a path executes the code in that file.

    Raises:
        ConfigError: There is no such recipe, or the file is not one.
    """
    text = str(name)
    if text.endswith(".py") or "/" in text or "\\" in text:
        return _load_file(Path(text))
    if text not in recipe_names():
        raise ConfigError(f"There is no recipe {text!r}; {nearest(text, recipe_names())}.")
    return _load_file(recipes_folder() / f"{text}.py")


def _load_file(path: Path) -> Recipe:
    if not path.is_file():
        raise ConfigError(
            f"There is no recipe file {path}; `kfine recipes` lists those that come with kfine."
        )
    path = path.resolve()
    name = _module_name(path)
    source = path.read_text(encoding="utf-8")
    # In a notebook a recipe is edited and run again: what counts is the text as it is now.
    if _SOURCES.get(name) == source:
        return cast(Recipe, sys.modules[name])
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up while they are made.
    sys.modules[name] = module
    writes_bytecode = not sys.dont_write_bytecode
    # No __pycache__ beside somebody's file or in a run folder.
    sys.dont_write_bytecode = not writes_bytecode or path.parent != recipes_folder().resolve()
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        del sys.modules[name]
        raise ConfigError(f"The recipe {path} has a syntax error in line {error.lineno}.") from None
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.dont_write_bytecode = not writes_bytecode
    missing = [one for one in _REQUIRED if not hasattr(module, one)]
    if missing:
        del sys.modules[name]
        raise ConfigError(f"The file {path} is no recipe: it does not define {', '.join(missing)}.")
    _SOURCES[name] = source
    return cast(Recipe, module)


def _module_name(path: Path) -> str:
    if path.parent == recipes_folder().resolve():
        return f"kfine.recipes.{path.stem}"
    return f"kfine_recipe_{path.stem}_{abs(hash(str(path))):x}"


def recipe_name(module: Recipe) -> str:
    """The short name of a loaded recipe."""
    return Path(str(module.__file__)).stem


def recipe_reference(module: Recipe) -> str:
    """What `load_recipe` finds a loaded recipe by again: its name, or the path of its file."""
    builtin = module.__name__.startswith("kfine.recipes.")
    return recipe_name(module) if builtin else str(module.__file__)


def source_of(module: Recipe) -> str:
    """The text of a loaded recipe, as it was when it was loaded."""
    return _SOURCES[module.__name__]


def summary_of(module: Recipe) -> str:
    """The first line of a recipe's docstring."""
    return (getattr(module, "__doc__", "") or "").strip().split("\n")[0]


def copy_recipe(name: str, destination: str | Path) -> Path:
    """Copy a recipe that comes with kfine to a file of one's own.

    Args:
        name: A name from `recipe_names()`.
        destination: A file or a folder.

    Raises:
        ConfigError: The name is unknown, or the file exists already.
    """
    source = source_of(load_recipe(name))
    path = Path(destination)
    if path.is_dir():
        path = path / f"{name}.py"
    if path.exists():
        raise ConfigError(f"{path} exists already; choose another name.")
    if path.suffix != ".py":
        raise ConfigError(f"A recipe's file name ends in .py. Received: {path}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"Cannot write {path}: {error.strerror}.") from None
    return path


def recipe_of_run(folder: Any) -> tuple[Recipe, str | None]:
    """The recipe of a run, and a sentence where it is not the one that is installed now.

    The run's own copy is used when the recipe changed since, so that the run stays what it was.
    """
    info = folder.info()
    kept = folder.recipe_path
    try:
        module = load_recipe(info["recipe"])
        if source_of(module) == kept.read_text(encoding="utf-8"):
            return module, None
        reason = "changed since this run"
    except ConfigError:
        reason = "is no longer there"
    note = (
        f"the recipe {info['recipe']} {reason}; executing the copy in the run folder: {kept} "
        "(only do this with runs that you trust)"
    )
    return load_recipe(kept), note
