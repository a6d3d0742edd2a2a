"""One training: a model fitted on the train images of a phase, and the curve of what it scored on the way.

`fit` knows nothing of protocols: it evaluates at every point of the schedule and returns all of them; which one is
reported is decided by whoever reads the record.
"""

import copy
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

from dazle.config import Settings, TrainingSettings
from dazle.features.feature_set import FeatureSet
from dazle.features.splits import Phase
from dazle.method.losses import Loss
from dazle.method.model import Model
from dazle.method.semantics import initial_semantics
from dazle.streams import stream
from dazle.training.batches import RegionReader, index_batches
from dazle.training.equal_bits import equal_side_by_side
from dazle.training.metrics import Evaluation
from dazle.training.pointing import Pointing
from dazle.training.step import Step

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
    """A trained model, its curve (a point a dict, JSON-able), seconds spent in steps, and images trained on.

    `side_by_side`: how many models its steps trained; each has its share of their seconds.
    """

    model: Model
    curve: list[CurvePoint]
    train_seconds: float
    train_images: int
    side_by_side: int


def build(features: FeatureSet, phase: Phase, settings: Settings, *seed: str | int) -> Model:
    """The untrained model for the label space of `phase`; `seed` names the repetition, never the variant."""
    semantics = initial_semantics(features, settings.model.semantics, *seed)
    attributes = torch.from_numpy(features.attributes[phase.classes])
    return Model(settings.model, semantics, attributes, features.regions.shape[2], *seed)


@dataclass(frozen=True)
class Repetition:
    """What one training has of its own beside others of the same settings.

    `margins`: the test margin at each point, or None to use each point's own best one; read only where `test_margin` is
    `validated`. `on_point` is called with each point as it is made.
    """

    seed: tuple[str | int, ...]
    margins: Sequence[float] | None = None
    on_point: Callable[[int, CurvePoint, Model], None] | None = None


def fit(
    features: FeatureSet,
    phase: Phase,
    settings: Settings,
    seed: tuple[str | int, ...],
    device: torch.device,
    margins: Sequence[float] | None = None,
    on_point: Callable[[int, CurvePoint, Model], None] | None = None,
) -> Fitted:
    """One repetition, trained alone (see `Repetition` for its own arguments).

    Raises FloatingPointError when scores are no longer finite.
    """
    return fit_side_by_side(features, phase, settings, [Repetition(seed, margins, on_point)], device)[0]


def fit_side_by_side(
    features: FeatureSet, phase: Phase, settings: Settings, repetitions: Sequence[Repetition], device: torch.device
) -> list[Fitted]:
    """Trains and evaluates a model for each repetition, equal to that of its training alone, and faster if small.

    One after the other where this machine does not make them equal side by side. Raises FloatingPointError when scores
    of one of them are no longer finite.
    """
    plan = schedule(settings.training, len(phase.train))
    models = [build(features, phase, settings, *each.seed).to(device) for each in repetitions]
    seen, dtype = torch.from_numpy(phase.seen).to(device), DTYPES[settings.training.precision]
    if len(models) > 1:
        shape = (_batch(features, phase, settings), *features.regions.shape[1:])
        if not equal_side_by_side(models[0], seen, settings, shape, dtype, len(models)):
            return [fit_side_by_side(features, phase, settings, [each], device)[0] for each in repetitions]
    step = Step(models, seen, settings)
    reader = RegionReader(features, phase.train, settings.model.normalise_regions, dtype, device)
    labels = torch.from_numpy(phase.positions(features.labels[phase.train])).to(device)
    judge = _Judge(features, phase, settings, device)
    chosen = [
        index_batches(
            features.labels[phase.train],
            plan.steps,
            settings.training.batch_size,
            settings.training.balanced_batches,
            stream(*each.seed, "batches"),
        )
        for each in repetitions
    ]
    curves: list[list[CurvePoint]] = [[] for _ in repetitions]
    seconds, images, done = 0.0, 0, 0
    with closing(reader.batches(np.concatenate(each) for each in zip(*chosen, strict=True))) as read:
        for index, until in enumerate(plan.points):
            started = time.perf_counter()
            losses = []
            for batch, regions in islice(read, until - done):
                side_by_side = regions.view(len(models), -1, *regions.shape[1:])
                positions = torch.from_numpy(batch).to(device, non_blocking=True)
                losses.append(step(side_by_side, labels[positions].view(len(models), -1)))
                images += side_by_side.shape[1]
            parts = _mean_losses(losses)
            seconds += time.perf_counter() - started
            done = until
            where = {"step": until, "epoch": until / plan.per_epoch, "fraction": until / plan.steps}
            margins = [each.margins[index] if each.margins is not None else None for each in repetitions]
            judged = judge(models, margins)
            for each, curve, model, point, part in zip(repetitions, curves, models, judged, parts, strict=True):
                curve.append(where | point | {"loss": part})
                if each.on_point is not None:
                    each.on_point(index, curve[-1], model)
    share = seconds / len(models)
    return [Fitted(model, curve, share, images, len(models)) for model, curve in zip(models, curves, strict=True)]


def _batch(features: FeatureSet, phase: Phase, settings: Settings) -> int:
    """How many images a step sees."""
    chosen = settings.training
    labels = features.labels[phase.train]
    return len(next(index_batches(labels, 1, chosen.batch_size, chosen.balanced_batches, seed=0)))


def _mean_losses(losses: Sequence[Loss]) -> list[dict[str, float | None]]:
    """Of each model the means over the steps; read once a point, since reading a scalar waits for the device."""

    def means(values: Sequence[Tensor | None]) -> list[float | None]:
        known = [value for value in values if value is not None]
        if not known:
            return [None] * len(losses[0].total)
        return [float(of_model.mean()) for of_model in torch.stack(known, dim=1).cpu()]

    total, class_loss = means([each.total for each in losses]), means([each.class_loss for each in losses])
    calibration = means([each.self_calibration for each in losses])
    return [
        {"total": one, "class": other, "self_calibration": third}
        for one, other, third in zip(total, class_loss, calibration, strict=True)
    ]


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

    def __call__(self, models: Sequence[Model], validated: Sequence[float | None]) -> list[CurvePoint]:
        """A point of each model; `validated`: the margin of each, None to use the best one found here."""
        if len(models) > 1:
            # Scored from memory of their own, as they would be alone: parts of a stack can be rounded in other ways.
            models = [copy.deepcopy(model) for model in models]
        scored = self._scores(models)
        return [self._point(*each, margin) for each, margin in zip(scored, validated, strict=True)]

    def _point(self, scores: NDArray[np.float32], hits: int, validated: float | None) -> CurvePoint:
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
    def _scores(self, models: Sequence[Model]) -> list[tuple[NDArray[np.float32], int]]:
        """Of each model (n, C) scores, and how many present attributes the arg-max region hits."""
        scores: list[list[NDArray[np.float32]]] = [[] for _ in models]
        hits = [0 for _ in models]
        count = len(self.images)
        # Each of the two splits is sorted, so this is the order of the file.
        chunks = [np.arange(start, min(start + EVALUATION_BATCH, count)) for start in range(0, count, EVALUATION_BATCH)]
        for rows, regions in self.regions.batches(chunks):
            for index, model in enumerate(models):
                out = model(regions, peaks=self.pointing is not None)
                scores[index].append(out.scores.float().cpu().numpy())
                if self.pointing is not None and out.peaks is not None:
                    hits[index] += self.pointing.hits(rows, out.peaks.cpu().numpy())
        return [(np.concatenate(each), hit) for each, hit in zip(scores, hits, strict=True)]
