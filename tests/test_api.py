"""The public names of `import kfine`: one list for Python, for editors and for mypy."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import kfine

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = [
    "Chat",
    "GradualUnfreezing",
    "KfineError",
    "Run",
    "Search",
    "SearchSettings",
    "add_adapters",
    "benchmark",
    "cached_features",
    "cross_validate",
    "doctor",
    "dry_run",
    "evaluate",
    "export",
    "fit",
    "freeze",
    "freeze_to",
    "layer_groups",
    "layerwise_adamw",
    "learning_curve",
    "merge_adapters",
    "predict",
    "report",
    "soup",
    "stress",
    "tune",
    "unfreeze",
]


def checked_imports() -> dict[str, str]:
    """Public name -> module below kfine, as type checkers read them."""
    tree = ast.parse(Path(kfine.__file__).read_text(encoding="utf-8"))
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    found = {}
    for statement in block.body:
        assert isinstance(statement, ast.ImportFrom), ast.unparse(statement)
        for one in statement.names:
            # Without `as` a type checker takes the import for a private one.
            assert one.asname == one.name, f"write: import {one.name} as {one.name}"
            found[one.name] = (statement.module or "").removeprefix("kfine.")
    return found


def lazy_table() -> dict[str, str]:
    """Public name -> module below kfine, as Python loads them."""
    tree = ast.parse(Path(kfine.__file__).read_text(encoding="utf-8"))
    (call,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "attach"
    )
    table: dict[str, str] = ast.literal_eval(call.args[1])
    return table


def mypy(tmp_path: Path, program: str) -> list[str]:
    """What mypy says of a program, in the strict settings of kfine itself."""
    file = tmp_path / "program.py"
    file.write_text(program, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--no-error-summary", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    # Mistakes inside kfine are for scripts/lint to find.
    return [line for line in done.stdout.splitlines() if "program.py:" in line]


def test_the_public_names_are_these() -> None:
    assert sorted(kfine.__all__) == PUBLIC
    assert dir(kfine) == PUBLIC


def test_type_checkers_and_python_read_the_same_names_from_the_same_modules() -> None:
    assert checked_imports() == lazy_table()
    assert sorted(lazy_table()) == PUBLIC


@pytest.mark.keras
@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert inspect.getdoc(getattr(kfine, name))


def test_a_misspelt_name_is_an_error_when_it_is_used() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        kfine.nonsense  # noqa: B018


def test_a_misspelt_name_is_an_error_of_mypy(tmp_path: Path) -> None:
    (line,) = mypy(tmp_path, "import kfine\nkfine.nonsense\n")
    assert line.endswith('program.py:2: error: Module has no attribute "nonsense"  [attr-defined]')


def test_mypy_knows_the_signatures(tmp_path: Path) -> None:
    uses = "".join(f"reveal_type(kfine.{name})\n" for name in PUBLIC)
    revealed = dict(zip(PUBLIC, mypy(tmp_path, f"import kfine\n{uses}"), strict=True))
    assert [name for name in PUBLIC if 'type is "def (' not in revealed[name]] == []
    for words in ("callbacks: ", "resume: str | pathlib.Path | None", "-> kfine.verbs.run.Run"):
        assert words in revealed["fit"], revealed["fit"]
    assert "group_name: str" in revealed["freeze_to"]


def test_importing_kfine_and_listing_its_names_loads_no_keras() -> None:
    program = (
        "import sys, kfine\n"
        "dir(kfine), kfine.fit, kfine.freeze, kfine.freeze_to, kfine.Run, kfine.layer_groups\n"
        "print(*sorted({'tensorflow', 'keras', 'keras_hub'} & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.keras
def test_every_name_of_a_lazy_package_loads() -> None:
    root = Path(kfine.__file__).parent
    packages = [
        ".".join(path.relative_to(root.parent).parent.parts)
        for path in sorted(root.rglob("__init__.py"))
        if "attach(" in path.read_text(encoding="utf-8")
    ]
    assert len(packages) > 5
    for package in packages:
        module = importlib.import_module(package)
        for name in module.__all__:
            assert getattr(module, name) is not None, f"{package}.{name}"
