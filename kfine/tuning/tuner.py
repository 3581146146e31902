"""KerasTuner's search loop around trials that are runs."""

from __future__ import annotations

import contextlib
import io
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner import errors

from kfine.console import Console, format_seconds
from kfine.errors import KfineError, RunError
from kfine.runs.files import write_text
from kfine.tuning.records import SearchFolder, TrialRecord, failures_in_a_row, ranked

MOST_FAILURES = 3


class RunTuner(keras_tuner.engine.base_tuner.BaseTuner):
    """Asks an oracle for values and hands them to a function that trains a run.

    Args:
        oracle: From `make_oracle`.
        folder: The folder of the search.
        run_one: From a trial's number and its values to the record of how it ended.
        objective: Name of the objective.
        direction: `"min"` or `"max"`.
        console: Hears of each trial.
        finished: Called after each trial.
    """

    def __init__(
        self,
        oracle: Any,
        folder: SearchFolder,
        run_one: Callable[[str, dict[str, Any]], TrialRecord],
        *,
        objective: str,
        direction: str,
        console: Console,
        finished: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = folder
        self.run_one = run_one
        self.goal = (objective, direction)
        self.console = console
        self.finished = finished
        with contextlib.redirect_stdout(io.StringIO()):  # it says that it reloads, on stdout
            super().__init__(oracle, directory=str(folder.path), project_name="oracle")
        # KerasTuner reloads a search only where this exists, and writes it after the first trial.
        if not Path(self._get_tuner_fname()).is_file():
            self.save()

    def search(self) -> None:
        """Run trials until the oracle has no more.

        Raises:
            KfineError: A trial met a mistake of the user, or `MOST_FAILURES` failed in a row.
        """
        self._stop_on_failures()
        try:
            super().search(verbose=0)
        except errors.FatalError as error:
            if isinstance(error.__cause__, KfineError):
                raise error.__cause__ from None
            raise

    def _try_run_and_update_trial(self, trial: Any, *_: Any, **__: Any) -> None:
        """The one place where KerasTuner swallows errors: here they get a record and a voice."""
        record = self._record_of(trial)
        self.folder.record(record)
        objective, direction = self.goal
        if record.scored:
            score = {objective: record.scores[objective]}
            self.oracle.update_trial(trial.trial_id, score, step=record.epochs)
            trial.status = "COMPLETED"
        else:
            trial.status = "FAILED"
            trial.message = record.reason
        self._say(record, objective, direction)

    def _record_of(self, trial: Any) -> TrialRecord:
        values = dict(trial.hyperparameters.values)
        try:
            return self.run_one(trial.trial_id, values)
        except KfineError as error:
            named = type(error)(f"Trial {trial.trial_id} ({in_words(values)}) cannot run: {error}")
            raise errors.FatalError(str(named)) from named
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            write_text(self.folder.trial(trial.trial_id) / "error.txt", traceback.format_exc())
            return TrialRecord(
                trial.trial_id, values, "failed", reason[:500], error=type(error).__name__
            )

    def pre_create_trial(self) -> None:
        """Ask an oracle that has nothing yet a few times a second, not thousands of times."""
        if self._is_worker():
            time.sleep(0.2)

    def on_trial_end(self, trial: Any) -> None:
        """Tell the oracle, keep what is worth keeping, and stop where nothing works."""
        super().on_trial_end(trial)
        self.finished()
        self._stop_on_failures()

    def _stop_on_failures(self) -> None:
        failed = failures_in_a_row(self.folder.records())
        if len(failed) < MOST_FAILURES:
            return
        reasons = "; ".join(f"{one.trial}: {one.error}: {one.reason[:160]}" for one in failed[-3:])
        raise RunError(
            f"The search stopped after {len(failed)} failed trials in a row ({reasons}); "
            f"the whole messages are in {self.folder.trials}/*/error.txt."
        )

    def _say(self, record: TrialRecord, objective: str, direction: str) -> None:
        name = f"trial {record.trial}"
        if not record.scored:
            self.console.warn(f"{name} {record.status}: {record.reason}")
            return
        best = ranked(self.folder.records(), objective, direction)[0]
        leads = "the best so far" if best.trial == record.trial else f"best {best.trial}"
        note = f" ({record.status}: {record.reason})" if record.reason else ""
        self.console.say(
            f"{name}: {objective} {record.scores[objective]:.4f} in "
            f"{format_seconds(record.seconds)}, {leads}"
            + ("" if best.trial == record.trial else f" {best.scores[objective]:.4f}")
            + note
        )


def in_words(values: dict[str, Any]) -> str:
    """Hyperparameters in one line."""
    shown = {k: v for k, v in values.items() if not k.startswith("tuner/")}
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in shown.items()
    )
