"""The prompts that a user asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.data.tables import read_table
from kfine.errors import DataError
from kfine.inputs.prompt.conversation import Conversation
from kfine.inputs.prompt.tables import format_of_columns, prompt_of_row
from kfine.inputs.text.requested import Texts


class Prompts(Texts):
    """Prompts as texts are given; of a table without a column that is named, as it is learned.

    Args:
        given: As in `Texts`.
        column: As there.
        instruction: What stands before a document.
    """

    def __init__(self, given: Any, column: str | None, instruction: str) -> None:
        self._instruction = instruction
        self._rows: dict[str, Conversation] = {}
        super().__init__(given, column)

    def _of_table(self, path: Path, column: str | None) -> list[tuple[str, str]]:
        if column is not None:
            return super()._of_table(path, column)
        table = read_table(path)
        form = format_of_columns(table, replies=False)
        found = []
        for row in table.rows:
            name = f"{path}:{row.line}"
            try:
                self._rows[name] = Conversation(prompt_of_row(form, row, self._instruction), name)
                found.append((name, name))
            except DataError:
                found.append((name, ""))
        return found

    def read(self, console: Console) -> Iterator[tuple[list[str], list[Any]]]:
        """Prompts by the number that go through a model together; empty ones are left out."""
        for names, texts in super().read(console):
            yield names, [self._rows.get(one, one) for one in texts]
