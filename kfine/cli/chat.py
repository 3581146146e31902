"""`kfine chat`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from kfine.cli.options import make_console, quiet_option

_HELP = "Ctrl-D or /quit ends, /new begins anew."


@click.command("chat")
@click.argument("model", metavar="MODEL")
@click.argument("text", required=False)
@click.option("--system", metavar="TEXT", help="What the model is told before the conversation.")
@click.option(
    "--longest", type=int, metavar="TOKENS", help="Tokens of a reply; as it was learned if omitted."
)
@quiet_option
def command(
    model: str, text: str | None, system: str | None, longest: int | None, quiet: bool
) -> None:
    """Talk with MODEL, a run of text_generation or a .litertlm file exported from one.

    Its replies appear as they are written.

    With TEXT it replies to that and ends; without, to each line that is typed, or that comes from
    standard input.
    """
    from kfine.verbs.chat import Chat

    chat = Chat(model, system=system, longest=longest, console=make_console(quiet))
    if text is not None:
        _print(chat.say(text))
        return
    typed = sys.stdin.isatty()
    if typed and not quiet:
        click.echo(_HELP, err=True)
    for line in _lines(typed):
        if line == "/quit":
            return
        if line == "/new":
            chat.forget()
        elif line:
            _print(chat.say(line))


def _lines(typed: bool) -> Iterator[str]:
    while True:
        if typed:
            click.echo("> ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            return
        yield line.strip()


def _print(pieces: Iterator[str]) -> None:
    for piece in pieces:
        click.echo(piece, nl=False)
        sys.stdout.flush()
    click.echo()
