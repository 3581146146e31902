"""What keeps the frame open: rooms import downwards, and nobody outside names a kind."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# From the ground up; a module imports from its own room and from those before it.
ROOMS = (
    *(
        "errors",
        "_lazy",
        "keras_private",
        "seeds",
        "statistics",
        "backend",
        "config",
        "units",
        "console",
        "child",
    ),
    *("runs", "data", "drawing", "presets", "inputs", "answers", "models", "adapters", "runtimes"),
    *(
        "recipe",
        "training",
        "evaluation",
        "examination",
        "exporting",
        "reporting",
        "tuning",
        "verbs",
        "cli",
    ),
)
# Settings that all recipes for images or texts inherit.
SETTINGS = tuple(f"kfine.training.{one}_settings" for one in ("audio", "image", "language", "text"))
PARTS = ("inputs", "answers")


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / "kfine").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def kinds() -> set[str]:
    folders = [one for part in PARTS for one in (ROOT / "kfine" / part).iterdir()]
    return {one.name for one in folders if (one / "__init__.py").is_file()}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def for_types_only(tree: ast.Module) -> set[int]:
    blocks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    ]
    return {id(inner) for block in blocks for inner in ast.walk(block)}


def imports(name: str, *, at_import: bool = False) -> Iterator[str]:
    """Modules of kfine that a module imports, in functions too unless only `at_import`."""
    tree = TREES[name]
    left_out = for_types_only(tree)
    if at_import:
        functions = [
            one for one in ast.walk(tree) if isinstance(one, (ast.FunctionDef, ast.Lambda))
        ]
        left_out |= {id(inner) for function in functions for inner in ast.walk(function)}
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "kfine":
            for one in node.names:
                inner = f"{node.module}.{one.name}"
                yield inner if inner in MODULES else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.split(".")[0] == "kfine")


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) in ROOMS])
def test_a_room_imports_from_those_below_it(name: str) -> None:
    above = [
        one
        for one in imports(name)
        if room(one) in ROOMS and ROOMS.index(room(one)) > ROOMS.index(room(name))
    ]
    assert above == []


def test_every_room_has_its_place() -> None:
    assert {room(name) for name in MODULES} - {"", "__main__"} == set(ROOMS)


def test_no_modules_import_each_other_in_a_circle() -> None:
    edges = {name: set(imports(name, at_import=True)) - {name} for name in MODULES}
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for one in edges.get(name, ()):
                walk(one, [*path, name])
            done.add(name)

    for name in MODULES:
        walk(name, [])


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) not in PARTS])
def test_no_kind_is_named_outside(name: str) -> None:
    """Neither imported nor compared with: a kind is what its description says."""
    if name in SETTINGS:
        return
    parts = [one.split(".") for one in imports(name)]
    named = [".".join(one) for one in parts if one[1:2] and one[1] in PARTS]
    assert [one for one in named if one.split(".")[2:3] and one.split(".")[2] in kinds()] == []
    compared = [
        constant.value
        for node in ast.walk(TREES[name])
        if isinstance(node, (ast.Compare, ast.Match))
        for constant in ast.walk(node)
        if isinstance(constant, ast.Constant) and constant.value in kinds()
    ]
    assert compared == []


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_each_kind_has_the_same_files(kind: str) -> None:
    (folder,) = (
        ROOT / "kfine" / part / kind for part in PARTS if (ROOT / "kfine" / part / kind).is_dir()
    )
    assert {"__init__.py", f"{kind}.py", "device.py"} <= {one.name for one in folder.iterdir()}


def test_inputs_know_nothing_of_answers() -> None:
    for name in MODULES:
        if room(name) == "inputs":
            assert [one for one in imports(name) if room(one) == "answers"] == []
