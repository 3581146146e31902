"""Where the inputs of each stage come from: cached features of its frozen trunk, or the trunk."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kfine.console import Console, format_seconds
from kfine.data.augmentation import describe_layers
from kfine.data.pipeline import Batches, evaluation_dataset
from kfine.models.cutting import CannotCut, Cut
from kfine.models.feeding import feed_of_suffix
from kfine.models.forward import behind_constants
from kfine.seeds import derive_seed
from kfine.training.frozen import (
    head_inputs,
    lengths_of,
    open_rows_of,
    request_for,
    worthwhile_cut,
)
from kfine.training.settings import TrainingConfig
from kfine.training.trunk import Trunk
from kfine.training.trunk_key import trunk_key
from kfine.training.trunk_pass import NoRoom, Request, fill
from kfine.training.unfreezing import Stage

if TYPE_CHECKING:
    from kfine.training.engine import Job

AUTOMATIC_VIEWS = 8


@dataclass(frozen=True)
class Decision:
    """How a stage is fed; recorded in the run folder and obeyed on resume.

    Attributes:
        features: Of the training examples: "cached", or "computed" anew in each step.
        validation: The same of the validation examples.
        why: In words.
        views: Augmented views of each example that are cached, 0 of an example as it is; 1 where
            nothing is augmented.
        dtype: Of cached activations.
    """

    features: str
    validation: str = "cached"
    why: str = ""
    views: int = 1
    dtype: str = ""


@dataclass
class Feed:
    """What a stage is trained on.

    Attributes:
        model: What `fit` is called on: the suffix, or the whole model (see `whole_model`).
        batches: Its training batches.
        validation: Its validation batches; `None` where `validator` has them.
        validator: A suffix and its validation batches, where training needs the whole model.
    """

    model: keras.Model
    batches: Batches
    validation: Any = None
    validator: tuple[keras.Model, Any] | None = None


class Features:
    """Feeds the stages of a job, each example going through a frozen trunk once.

    Args:
        job: The job.
        console: Hears of sizes, times and decisions.
        recorded: Decisions of the run that is resumed, by index of the stage.
    """

    def __init__(
        self, job: Job, console: Console, recorded: dict[int, Decision] | None = None
    ) -> None:
        self.job = job
        self.console = console
        self.decisions = dict(recorded or {})
        self._requests: dict[int, Request] = {}
        self._trunks: dict[tuple[int, bool], Trunk] = {}
        self._cuts: dict[int, Cut | str] = {}

    def feed(self, stage: Stage) -> Feed:
        """Decide, compute what is missing, and open what the stage is fed with.

        The caches of later stages are filled in the same pass while they are at it.
        """
        decision = self.decisions.get(stage.index)
        if decision is None or decision.validation == "cached":
            try:
                return self._cached_feed(stage, decision)
            except (CannotCut, NoRoom) as reason:
                decision = Decision("computed", "computed", str(reason))
                self.console.say(f"  training without cached features: {reason}")
        self.decisions[stage.index] = decision
        held = self.job.validation
        in_order = held.in_order() if held is not None else None
        return Feed(self.job.model, stage_batches(self.job, stage), in_order)

    def validator(self, stage: Stage) -> tuple[keras.Model, Any]:
        """What validates a stage that was fed, and its batches: the suffix, or the whole model."""
        held = self.job.validation
        assert held is not None
        if self.decisions[stage.index].validation == "cached":
            with suppress(NoRoom):
                self._fill_ahead(stage)
                trunk = self._trunk(stage, augmented=False)
                return trunk.cut.suffix, self._validation(trunk)[1]
        return self.job.model, held.in_order()

    def before_head(self) -> list[np.ndarray]:
        """What the head is given for training and validation examples, without augmentation.

        For the former alone where there are no others.

        The caches of the stages are filled in the same pass while they are at it.

        Returns:
            float32 `(rows, features)` of each.
        """
        job = self.job
        sets = [one for one in (job.batches, job.validation) if one is not None]
        alone = Stage(-1, 0, 0, 0) if job.stages[0].depth else job.stages[0]
        try:
            trunk = self._trunk(alone, augmented=False)
            self._fill_ahead(alone)
            requests = [self._request(one, views=0) for one in sets]
            fill([trunk], requests, self._what([alone], 1), self.console)
        except (CannotCut, NoRoom):
            return head_inputs(job.model, [(one.inputs, one.prepare, one.lengths) for one in sets])
        return head_inputs(
            trunk.cut.suffix,
            [(self._open(trunk, one, 0), None, lengths_of(trunk, one)) for one in requests],
        )

    def _cached_feed(self, stage: Stage, decision: Decision | None) -> Feed:
        job = self.job
        cut = self._cut(stage)
        self._fill_ahead(stage)
        plain = self._trunk(stage, augmented=False)
        held, in_order = self._validation(plain)
        decision = decision or self._decide(stage, plain)
        self.decisions[stage.index] = decision
        if decision.features != "cached":
            validator = None if in_order is None else (cut.suffix, in_order)
            return Feed(whole_model(job, cut), job.batches, validator=validator)
        # A stage of a resumed run is fed as it began, in whatever version that was.
        augmented = job.batches.augment is not None and decision.views > 0
        trunk = self._trunk(stage, augmented=augmented)
        request = self._request(job.batches, views=decision.views if augmented else 0)
        if augmented:
            fill([trunk], [request], self._what([stage], decision.views), self.console)
        decision = replace(decision, dtype=trunk.floats)
        self.decisions[stage.index] = decision
        batches = replace(
            job.batches,
            inputs=self._open(trunk, request, held),
            prepare=None,
            augment=None,
            views=max(1, decision.views),
            lengths=lengths_of(trunk, request),
            feed=feed_of_suffix(job.fed),
        )
        return Feed(cut.suffix, batches, in_order)

    def _validation(self, trunk: Trunk) -> tuple[int, Any]:
        """Bytes in memory of the validation features, and their batches; `None` without any."""
        batches = self.job.validation
        if batches is None:
            return 0, None
        request = self._request(batches, views=0)
        rows = self._open(trunk, request, 0)
        return _held(rows), evaluation_dataset(
            rows,
            None,
            self.job.batches.batch_size,
            batches.targets,
            lengths_of(trunk, request),
            target=batches.target,
            feed=feed_of_suffix(self.job.fed),
            sample_weights=batches.held_out_weights,
        )

    def _decide(self, stage: Stage, plain: Trunk) -> Decision:
        """Cached, unless augmentation makes every epoch another one and views are not worth it."""
        job, epochs = self.job, stage.end_epoch - stage.first_epoch
        if job.batches.augment is None:
            return Decision("cached", why="no augmentation")
        if stage_batches(job, stage).augment is None:
            why = "only a linear head trains, which augmented views do not help"
            self.console.say(f"  examples as they are: {why}")
            return Decision("cached", why=why, views=0)
        if job.moves:
            why = "the targets change with the augmented images"
            self.console.say(f"  new views in every epoch: {why}")
            return Decision("computed", why=why)
        views = views_for(job.config, epochs)
        if job.config.augment_views is not None:
            why = f"augment_views is {views}"
        else:
            seconds = plain.about.get("seconds_per_example", 0.0) * len(job.batches)
            times = "one epoch" if epochs == 1 else f"{epochs} epochs"
            why = (
                f"{AUTOMATIC_VIEWS} augmented views of each example take the frozen layers about "
                f"{format_seconds(seconds * AUTOMATIC_VIEWS)}, {times} of new ones "
                f"{format_seconds(seconds * epochs)}"
            )
        self.console.say(f"  {'cached views' if views else 'new views in every epoch'}: {why}")
        return Decision("cached" if views else "computed", why=why, views=max(1, views))

    def _fill_ahead(self, stage: Stage) -> None:
        """Fill the caches of a stage, and of those after it where there is room for them."""
        try:
            self._fill([stage, *self._later(stage)])
        except NoRoom:
            self._fill([stage])

    def _fill(self, stages: Sequence[Stage]) -> None:
        """Validation of all stages; training where there is none or no augmentation varies it."""
        job = self.job
        held = [] if job.validation is None else [job.validation]
        varied = [one for one in stages if held and stage_batches(job, one).augment is not None]
        same = [one for one in stages if one not in varied]
        for some, sets in ((same, [*held, job.batches]), (varied, held)):
            if some:
                requests = [self._request(one, views=0) for one in sets]
                trunks = [self._trunk(stage, augmented=False) for stage in some]
                fill(trunks, requests, self._what(some, 1), self.console)

    def _later(self, stage: Stage) -> list[Stage]:
        found = []
        for later in self.job.stages[stage.index + 1 :]:
            try:
                self._cut(later)
            except CannotCut:
                continue
            found.append(later)
        return found

    def _cut(self, stage: Stage) -> Cut:
        if self.job.config.feature_cache == "none":
            raise CannotCut("feature_cache is none")
        if stage.index not in self._cuts:
            try:
                job = self.job
                cut = worthwhile_cut(job.model, job.groups, stage.depth, job.fed)
            except CannotCut as reason:
                self._cuts[stage.index] = str(reason)
            else:
                self._cuts[stage.index] = cut
        found = self._cuts[stage.index]
        if isinstance(found, str):
            raise CannotCut(found)
        return found

    def _trunk(self, stage: Stage, *, augmented: bool) -> Trunk:
        key = (stage.index, augmented)
        if key not in self._trunks:
            job, cut = self.job, self._cut(stage)
            inputs: dict[str, Any] = {"input": job.input}
            if augmented:
                inputs |= {"augmentation": describe_layers(job.augmentation)}
                inputs |= {"seed": job.config.seed}
            recorded = self.decisions.get(stage.index)
            self._trunks[key] = Trunk(
                cut,
                trunk_key(cut, inputs),
                (recorded.dtype if recorded else "") or job.config.feature_cache,
                {"preset": getattr(job.config, "preset", ""), "cut": cut.name, "views": augmented},
            )
        return self._trunks[key]

    def _request(self, batches: Batches, *, views: int) -> Request:
        """The examples as they are (no views), or several augmented views of each."""
        if id(batches) not in self._requests:
            self._requests[id(batches)] = request_for(
                batches.inputs, batches.prepare, batches.lengths
            )
        plain = self._requests[id(batches)]
        if not views:
            return plain
        identities = plain.identities
        seeds = [
            (derive_seed(batches.seed, view, int(one[:12], 16)), 0)
            for view in range(views)
            for one in identities
        ]
        return Request(
            batches.inputs,
            np.tile(plain.rows, views),
            [f"{one}-{view}" for view in range(views) for one in identities],
            batches.prepare,
            batches.augment,
            np.array(seeds, np.int32),
        )

    def _open(self, trunk: Trunk, request: Request, held: int) -> Any:
        """Cached rows of a request, in the structure that the suffix takes.

        One budget serves the decoded inputs, the `held` bytes of other features, and these.
        """
        budget = int(self.job.config.cache_memory * 1e9) - held - _held(self.job.batches.inputs)
        return open_rows_of(trunk, request, max(0, budget), self.console)

    def _what(self, stages: Sequence[Stage], views: int) -> str:
        names = " and ".join(dict.fromkeys(self._cut(stage).name for stage in stages))
        return f"features before {names}" + (f", {views} views" if views > 1 else "")


def whole_model(job: Job, cut: Cut) -> keras.Model:
    """What trains where the frozen layers run in each step: with BatchNorm folded if it may be."""
    # What comes from the targets does not go through the trunk.
    exact = job.config.feature_cache == "float32" or job.fed
    return (None if exact else behind_constants(cut.trunk, cut.suffix)) or job.model


def stage_batches(job: Job, stage: Stage) -> Batches:
    """The training batches of a stage: unaugmented where only a linear head trains.

    It starts at the best linear model of the features of the images as they are, and their
    augmented views, which the frozen layers tell apart less well, only lead it away from there.
    Whoever says how many views are to be cached gets them.
    """
    if stage.depth or job.linear_model is None or job.config.augment_views is not None:
        return job.batches
    return replace(job.batches, augment=None)


def _held(rows: Any) -> int:
    """Bytes of rows that lie in memory; several tensors of one cache are there together or not."""
    flat = keras.tree.flatten(rows)
    return sum(one.nbytes for one in flat if getattr(one, "in_memory", True))


def views_for(config: TrainingConfig, epochs: int) -> int:
    """Cached views of each augmented example in a stage; 0 where every epoch gets new ones.

    Never more than it has epochs, and by default cached where that at least halves the time
    spent in the frozen layers.
    """
    if config.augment_views is not None:
        return min(config.augment_views, epochs)
    return AUTOMATIC_VIEWS if epochs >= 2 * AUTOMATIC_VIEWS else 0


def decisions_to_json(decisions: dict[int, Decision]) -> list[dict[str, Any]]:
    """Decisions as the run folder keeps them."""
    return [{"stage": index, **asdict(one)} for index, one in sorted(decisions.items())]


def decisions_from_json(values: Sequence[dict[str, Any]]) -> dict[int, Decision]:
    """Read what `decisions_to_json` wrote."""
    return {
        value["stage"]: Decision(**{k: v for k, v in value.items() if k != "stage"})
        for value in values
    }
