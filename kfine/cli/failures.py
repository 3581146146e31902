"""From exceptions to one line and an exit status."""

from __future__ import annotations

import os
import sys

import click

from kfine.backend import set_environment
from kfine.cli.memory import lacks_memory, memory_sentence
from kfine.errors import KfineError


def run_safely(command: click.Command, arguments: list[str] | None) -> int:
    """Run a click command and return its exit status.

    0 done; 1 our fault, with a traceback; 2 the user's to fix, one line; 3 a gate said no;
    130 interrupted.
    """
    set_environment()
    try:
        result = command.main(args=arguments, prog_name="kfine", standalone_mode=False)
    except KfineError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    except click.ClickException as error:
        click.echo(f"error: {_one_line(error)}", err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not lacks_memory(error):
            raise
        click.echo(f"error: {memory_sentence()}", err=True)
        return 2
    return result if isinstance(result, int) else 0


def _one_line(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    if not isinstance(error, click.UsageError) or context is None:
        return message
    ending = "" if message.endswith((".", "?")) else "."
    return f"{message}{ending} See: {context.command_path} --help"
