"""The terminal: words in, words out. One small module per verb, imported when it is used."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from typing import Any

import click

from kfine import __version__
from kfine.backend import quiet_end
from kfine.cli.failures import run_safely
from kfine.cli.memory import require_address_space

# They load TensorFlow.
_WITH_MODELS = (
    "fit",
    "tune",
    "evaluate",
    "predict",
    "chat",
    "export",
    "soup",
    "benchmark",
    "doctor",
    "report",
    "stress",
)
_VERBS = (*_WITH_MODELS, "recipes", "presets", "runs", "adapters", "cache")


class _Verbs(click.Group):
    """Imports the module of a verb when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        command: click.Command = importlib.import_module(f"kfine.cli.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from kfine.config import nearest

        if args and args[0] not in _VERBS:
            ctx.fail(f"There is no command {args[0]!r}; {nearest(args[0], _VERBS)}.")
        if args and args[0] in _WITH_MODELS and not {"-h", "--help"} & set(args):
            require_address_space()
        return super().resolve_command(ctx, args)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kfine")
def cli() -> None:
    """From a folder of your own examples to a fine-tuned model that runs on a phone.

    \b
    kfine fit image_classification --data flowers
    kfine evaluate runs/RUN
    kfine export runs/RUN --quantize int8
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit status 0 done, 1 our fault, 2 yours, 3 a gate said no."""
    _keep_docstrings()
    _leave_warnings()
    status = run_safely(cli, arguments)
    if arguments is None and "ai_edge_litert.compiled_model" in sys.modules:
        quiet_end()
    sys.exit(status)


def _keep_docstrings() -> None:
    """Begin again without `-OO`, which takes the help texts away and stops TensorFlow's import."""
    before = [one for one in sys.orig_argv[1:] if one not in ("-O", "-OO")]
    given = os.environ.pop("PYTHONOPTIMIZE", None)
    if sys.flags.optimize > 1 and (given or len(before) < len(sys.orig_argv) - 1):
        os.execv(sys.executable, [sys.executable, *before])


def _leave_warnings() -> None:
    """Leave out warnings of other people's code, and what `-W` or PYTHONWARNINGS make of them.

    An error would end the command, and Pillow's name lines of its own files; what matters of a
    photo kfine says itself.
    """
    os.environ.pop("PYTHONWARNINGS", None)
    if sys.warnoptions:
        sys.warnoptions.clear()
        warnings.resetwarnings()
        warnings.simplefilter("ignore", Warning)
    warnings.filterwarnings("ignore", module=r"PIL\.")


def run_recipe(path: str) -> None:
    """Run a recipe file as a script: the same as `kfine fit PATH ...`."""
    main(["fit", path, *sys.argv[1:]])
