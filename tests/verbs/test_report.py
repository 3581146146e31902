"""The report of a run writes a card that is not lost once it is filled in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import kfine
from kfine.console import Console
from kfine.reporting import compose

pytestmark = pytest.mark.keras


class Listening(Console):
    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.warned: list[str] = []

    def warn(self, line: str) -> None:
        self.warned.append(line)


def test_a_card_that_was_filled_in_is_kept(finished_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    found = kfine.report(run, console=Console(quiet=True))
    assert any(name == "took" and "of processor time" in value for name, value in found["made"])
    card = (run / "model_card.md").read_text()
    for words in (
        "licence of this model | *to be filled in*",
        "Who uses it, for which decisions: *to be filled in*",
        found["verdict"][0],
        "| fine-tuned |",
        f"`kfine stress {run}`",
        "--sensitive COLUMN",
        f"kfine fit image_classification --config {run / 'config.yaml'}",
        run_fingerprint := str(kfine.Run(run)._folder.read("data.json")["fingerprint"]),
    ):
        assert words in card
    assert len(run_fingerprint) == 64
    listening = Listening()
    kfine.report(run, console=listening)
    assert not any("edited" in line for line in listening.warned)
    filled = card.replace("*to be filled in*", "Apache-2.0", 1)
    (run / "model_card.md").write_text(filled)
    for _ in range(2):
        listening = Listening()
        kfine.report(run, console=listening)
        assert any("model_card.md was edited" in line for line in listening.warned)
    assert (run / "model_card.md").read_text() == filled
    assert (run / "model_card.new.md").read_text() == card
    # One that was filled in too, in another encoding, beside a torn report.
    (run / "model_card.new.md").write_bytes(b"caf\xe9")
    (run / "report.json").write_text("{")
    kfine.report(run, console=Listening())
    assert (run / "model_card.new.md").read_bytes() == b"caf\xe9"
    assert (run / "model_card.new2.md").read_text() == card


def test_what_stress_found_is_shown() -> None:
    found = {
        "primary": "accuracy",
        "unchanged": 0.9,
        "count": 300,
        "fear": "fear most: noise",
        "changes": [
            {
                "name": "noise",
                "unit": "dB",
                "steps": [{"value": one, "accuracy": one / 40} for one in (30, 20, 10)],
            }
        ],
    }
    shown = compose.stressed(found)
    assert shown["rows"] == [["noise", 0.75, 0.5, 0.25, "30, 20, 10 dB"]]
    assert shown["words"] == ["Fear most: noise."] and compose.stressed(None) is None
    shown = compose.stressed({**found, "base": {"unchanged": 0.8, "words": "on average less"}})
    assert shown["words"] == ["Fear most: noise.", "On average less."]
