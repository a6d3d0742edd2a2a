"""One training: a model fitted on the train images of a phase, and the curve of what it scored on the way.

`fit` knows nothing of protocols: it evaluates at every point of the schedule and returns all of them; which one is
reported is decided by whoever reads the record.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dazle.batches import RegionReader, index_batches
from dazle.config import Settings, TrainingSettings
from dazle.features import FeatureSet
from dazle.graphed import Graphed
from dazle.losses import Loss, loss
from dazle.metrics import Evaluation
from dazle.model import Model
from dazle.optimiser import RMSprop
from dazle.pointing import Pointing
from dazle.semantics import initial_semantics
from dazle.splits import Phase
from dazle.streams import stream

EVALUATION_BATCH = 128
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}

CurvePoint = dict[str, Any]


@dataclass(frozen=True)
class Schedule:
    """`steps` in all, `per_epoch` of them an epoch, and the steps after which the curve has a point."""

    steps: int
    per_epoch: int
    points: tuple[int, ...]

    def fractions(self) -> tuple[float, ...]:
        return tuple(point / self.steps for point in self.points)


def schedule(settings: TrainingSettings, images: int) -> Schedule:
    """As the reference counts: an epoch is floor(images / batch_size) steps, also where balanced batches are smaller.

    `images`: how many there are to train on.
    """
    per_epoch = max(1, images // settings.batch_size)
    steps = settings.epochs * per_epoch
    every = settings.evaluate_every or per_epoch
    return Schedule(steps, per_epoch, tuple(sorted({*range(every, steps + 1, every), steps})))


@dataclass(frozen=True)
class Fitted:
    """A trained model, its curve (a point a dict, JSON-able), seconds spent in steps, and images trained on."""

    model: Model
    curve: list[CurvePoint]
    train_seconds: float
    train_images: int


def build(features: FeatureSet, phase: Phase, settings: Settings, *seed: str | int) -> Model:
    """The untrained model for the label space of `phase`; `seed` names the repetition, never the variant."""
    semantics = initial_semantics(features, settings.model.semantics, *seed)
    attributes = torch.from_numpy(features.attributes[phase.classes])
    return Model(settings.model, semantics, attributes, features.regions.shape[2], *seed)


def fit(
    features: FeatureSet,
    phase: Phase,
    settings: Settings,
    seed: tuple[str | int, ...],
    device: torch.device,
    margins: Sequence[float] | None = None,
    on_point: Callable[[int, CurvePoint, Model], None] = lambda index, point, model: None,
) -> Fitted:
    """Trains and evaluates; `margins`: the test margin at each point, or None to use each point's own best one.

    `margins` is read only where `test_margin` is `validated`. `on_point` is called with each point as it is made.
    Raises FloatingPointError when scores are no longer finite.
    """
    plan = schedule(settings.training, len(phase.train))
    model = build(features, phase, settings, *seed).to(device)
    step = Step(model, torch.from_numpy(phase.seen).to(device), settings)
    reader = RegionReader(
        features, phase.train, settings.model.normalise_regions, DTYPES[settings.training.precision], device
    )
    labels = torch.from_numpy(phase.positions(features.labels[phase.train])).to(device)
    judge = _Judge(features, phase, settings, device)
    batches = index_batches(
        features.labels[phase.train],
        plan.steps,
        settings.training.batch_size,
        settings.training.balanced_batches,
        stream(*seed, "batches"),
    )
    curve: list[CurvePoint] = []
    seconds, images, done = 0.0, 0, 0
    with closing(reader.batches(batches)) as read:
        for index, until in enumerate(plan.points):
            started = time.perf_counter()
            losses = []
            for batch, regions in islice(read, until - done):
                losses.append(step(regions, labels[torch.from_numpy(batch).to(device)]))
                images += len(batch)
            parts = _mean_loss(losses)
            seconds += time.perf_counter() - started
            done = until
            where = {"step": until, "epoch": until / plan.per_epoch, "fraction": until / plan.steps}
            point = where | judge(model, margins[index] if margins is not None else None) | {"loss": parts}
            curve.append(point)
            on_point(index, point, model)
    return Fitted(model, curve, seconds, images)


class Step:
    """One optimiser step on regions that are ready: what training repeats, and what the throughput table measures."""

    def __init__(self, model: Model, seen: Tensor, settings: Settings) -> None:
        """`model` lies on the device that trains; `seen`: (C,) bool of its label space, on the same device."""
        if bool(seen.all()):
            # Asked once: on a GPU the answer is waited for. Without unseen classes there is nothing to calibrate.
            settings = settings.changed({"loss.lambda": 0.0})
        self.model, self.seen, self.settings = model, seen, settings.loss
        self.optimiser = RMSprop(model.parameters(), settings.training)
        self.run = Graphed(self._run) if seen.is_cuda else self._run

    def __call__(self, regions: Tensor, labels: Tensor) -> Loss:
        """`regions`: (B, R, D) in the precision of the settings; `labels`: (B,) positions in C, of seen classes."""
        return Loss(*self.run(regions, labels))

    def _run(self, regions: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        scores = self.model(regions).scores
        losses, slope = loss(scores, labels, self.seen, self.settings)
        scores.backward(slope)
        self.optimiser.step()
        parts = losses.total, losses.class_loss, losses.self_calibration
        return tuple(part for part in parts if part is not None)


def _mean_loss(losses: Sequence[Loss]) -> dict[str, float | None]:
    """Means over the steps; read once a point, since reading a scalar waits for the device."""

    def mean(values: Sequence[Tensor | None]) -> float | None:
        known = [value for value in values if value is not None]
        return float(torch.stack(known).mean()) if known else None

    return {
        "total": mean([each.total for each in losses]),
        "class": mean([each.class_loss for each in losses]),
        "self_calibration": mean([each.self_calibration for each in losses]),
    }


class _Judge:
    """Scores the evaluation images of a phase and turns them into a point of the curve."""

    def __init__(self, features: FeatureSet, phase: Phase, settings: Settings, device: torch.device) -> None:
        self.images = np.concatenate([phase.eval_seen, phase.eval_unseen])
        dtype = DTYPES[settings.training.precision]
        self.regions = RegionReader(features, self.images, settings.model.normalise_regions, dtype, device)
        self.labels = phase.positions(features.labels[self.images])
        self.seen, self.test_margin = phase.seen, settings.loss.test_margin
        self.pointing = None
        if features.places is not None and settings.model.region_attention != "uniform":
            self.pointing = Pointing(features.places, self.images, features.grid)

    def __call__(self, model: Model, validated: float | None) -> CurvePoint:
        scores, hits = self._scores(model)
        judged = Evaluation(scores, self.labels, self.seen)
        margin, best_H = judged.best
        used = self.test_margin
        if used == "validated":
            used = margin if validated is None else validated
        point = judged.at(float(used))
        # CUB's standard split tests no seen class: what S enters does not exist there, and is not 0.
        seen = judged.of_seen.any()
        return {
            "S": point.S if seen else None,
            "U": point.U,
            "H": point.H if seen else None,
            "T1": judged.T1,
            "AUSUC": judged.AUSUC if seen else None,
            "margin": float(used),
            "best_margin": margin if seen else None,
            "best_margin_H": best_H if seen else None,
            "seen_unseen": judged.traced() if seen else None,
            "pointing": self.pointing and self.pointing.accuracy(hits),
            "pointing_chance": self.pointing and self.pointing.chance,
            "correct": point.correct.tolist(),
            "correct_T1": judged.correct_T1.tolist(),
        }

    @torch.inference_mode()
    def _scores(self, model: Model) -> tuple[NDArray[np.float32], int]:
        """(n, C) scores, and how many present attributes the arg-max region hits."""
        scores, hits = [], 0
        count = len(self.images)
        # Each of the two splits is sorted, so this is the order of the file.
        chunks = [np.arange(start, min(start + EVALUATION_BATCH, count)) for start in range(0, count, EVALUATION_BATCH)]
        for rows, regions in self.regions.batches(chunks):
            out = model(regions, peaks=self.pointing is not None)
            scores.append(out.scores.float().cpu().numpy())
            if self.pointing is not None and out.peaks is not None:
                hits += self.pointing.hits(rows, out.peaks.cpu().numpy())
        return np.concatenate(scores), hits
