"""Training and evaluation of one model: the training loop, its schedule, and the curve of metrics over the epochs.

`fit` returns all points of the curve. A protocol (`reports/analysis/protocols.py`) picks the one that is reported.
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
    """How many steps a training takes, and after which of them the model is evaluated."""

    steps: int
    per_epoch: int  # steps an epoch
    points: tuple[int, ...]  # step numbers of the curve's points, the last step included

    def fractions(self) -> tuple[float, ...]:
        return tuple(point / self.steps for point in self.points)


def schedule(settings: TrainingSettings, images: int) -> Schedule:
    """The schedule for `images` training images.

    An epoch is floor(images / batch_size) steps as in the reference code, even if balanced batches are smaller.
    """
    per_epoch = max(1, images // settings.batch_size)
    steps = settings.epochs * per_epoch
    every = settings.evaluate_every or per_epoch
    return Schedule(steps, per_epoch, tuple(sorted({*range(every, steps + 1, every), steps})))


@dataclass(frozen=True)
class Fitted:
    """A trained model, its curve, and the cost of its steps."""

    model: Model
    curve: list[CurvePoint]  # JSON-able
    train_seconds: float  # in steps; of models side by side each has an equal share
    train_images: int  # over all steps
    side_by_side: int  # how many models the steps trained


def build(features: FeatureSet, phase: Phase, settings: Settings, *seed: str | int) -> Model:
    """The untrained model for the label space of `phase`; `seed` identifies the repetition, never the variant."""
    semantics = initial_semantics(features, settings.model.semantics, *seed)
    attributes = torch.from_numpy(features.attributes[phase.classes])
    return Model(settings.model, semantics, attributes, features.regions.shape[2], *seed)


@dataclass(frozen=True)
class Repetition:
    """The arguments of one training that differ between repetitions of equal settings."""

    seed: tuple[str | int, ...]
    # The test margin at each point, used if `loss.test_margin` is `validated`; None: the best margin of the point.
    margins: Sequence[float] | None = None
    # Called with the number of each point, the point, and the model as it is then.
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
    """Trains and evaluates one model; `margins` and `on_point` are described in `Repetition`.

    Raises FloatingPointError if scores are not finite.
    """
    return fit_side_by_side(features, phase, settings, [Repetition(seed, margins, on_point)], device)[0]


def fit_side_by_side(
    features: FeatureSet, phase: Phase, settings: Settings, repetitions: Sequence[Repetition], device: torch.device
) -> list[Fitted]:
    """Trains and evaluates one model per repetition, all in one loop, bit-identical to training each alone.

    If this machine does not give equal bits, trains them one after the other. Raises FloatingPointError if scores of
    one of them are not finite.
    """
    plan = schedule(settings.training, len(phase.train))
    models = [build(features, phase, settings, *repetition.seed).to(device) for repetition in repetitions]
    seen, dtype = torch.from_numpy(phase.seen).to(device), DTYPES[settings.training.precision]
    if len(models) > 1:
        shape = (_batch(features, phase, settings), *features.regions.shape[1:])
        if not equal_side_by_side(models[0], seen, settings, shape, dtype, len(models)):
            return [fit_side_by_side(features, phase, settings, [one], device)[0] for one in repetitions]
    step = Step(models, seen, settings)
    reader = RegionReader(features, phase.train, settings.model.normalise_regions, dtype, device)
    labels = torch.from_numpy(phase.positions(features.labels[phase.train])).to(device)
    judge = _Judge(features, phase, settings, device)
    sequences = [
        index_batches(
            features.labels[phase.train],
            plan.steps,
            settings.training.batch_size,
            settings.training.balanced_batches,
            stream(*repetition.seed, "batches"),
        )
        for repetition in repetitions
    ]
    curves: list[list[CurvePoint]] = [[] for _ in repetitions]
    seconds, images, step_count = 0.0, 0, 0
    with closing(reader.batches(np.concatenate(parts) for parts in zip(*sequences, strict=True))) as batches:
        for index, until in enumerate(plan.points):
            started = time.perf_counter()
            losses = []
            for batch, regions in islice(batches, until - step_count):
                side_by_side = regions.view(len(models), -1, *regions.shape[1:])
                positions = torch.from_numpy(batch).to(device, non_blocking=True)
                losses.append(step(side_by_side, labels[positions].view(len(models), -1)))
                images += side_by_side.shape[1]
            means = _mean_losses(losses)
            seconds += time.perf_counter() - started
            step_count = until
            place = {"step": until, "epoch": until / plan.per_epoch, "fraction": until / plan.steps}
            margins = [one.margins[index] if one.margins is not None else None for one in repetitions]
            points = judge(models, margins)
            for one, curve, model, point, loss in zip(repetitions, curves, models, points, means, strict=True):
                curve.append(place | point | {"loss": loss})
                if one.on_point is not None:
                    one.on_point(index, curve[-1], model)
    share = seconds / len(models)
    return [Fitted(model, curve, share, images, len(models)) for model, curve in zip(models, curves, strict=True)]


def _batch(features: FeatureSet, phase: Phase, settings: Settings) -> int:
    """Number of images in a batch."""
    training = settings.training
    labels = features.labels[phase.train]
    return len(next(index_batches(labels, 1, training.batch_size, training.balanced_batches, seed=0)))


def _mean_losses(losses: Sequence[Loss]) -> list[dict[str, float | None]]:
    """The mean losses over the steps, one dict per model. Called once a point, since reading waits for the device."""

    def means(values: Sequence[Tensor | None]) -> list[float | None]:
        present = [value for value in values if value is not None]
        if not present:
            return [None] * len(losses[0].total)
        return [float(steps.mean()) for steps in torch.stack(present, dim=1).cpu()]

    total, class_loss = means([loss.total for loss in losses]), means([loss.class_loss for loss in losses])
    calibration = means([loss.self_calibration for loss in losses])
    keys = ("total", "class", "self_calibration")
    return [dict(zip(keys, values, strict=True)) for values in zip(total, class_loss, calibration, strict=True)]


class _Judge:
    """Scores the evaluation images of a phase and computes a point of the curve."""

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
        """One point per model; `validated`: the margin of each model, None: the best margin on these images."""
        if len(models) > 1:
            # Products with parts of a stacked tensor can round differently, so each model is copied first.
            models = [copy.deepcopy(model) for model in models]
        outputs = self._scores(models)
        return [self._point(*output, margin) for output, margin in zip(outputs, validated, strict=True)]

    def _point(self, scores: NDArray[np.float32], hits: int, validated: float | None) -> CurvePoint:
        evaluation = Evaluation(scores, self.labels, self.seen)
        best_margin, best_H = evaluation.best
        margin = self.test_margin
        if margin == "validated":
            margin = best_margin if validated is None else validated
        point = evaluation.at(float(margin))
        # CUB's standard split has no test images of seen classes. S and H then do not exist; they are not 0.
        seen = evaluation.is_seen.any()
        return {
            "S": point.S if seen else None,
            "U": point.U,
            "H": point.H if seen else None,
            "T1": evaluation.T1,
            "AUSUC": evaluation.AUSUC if seen else None,
            "margin": float(margin),
            "best_margin": best_margin if seen else None,
            "best_margin_H": best_H if seen else None,
            "seen_unseen": evaluation.sampled_curve() if seen else None,
            "pointing": self.pointing and self.pointing.accuracy(hits),
            "pointing_chance": self.pointing and self.pointing.chance,
            "correct": point.correct.tolist(),
            "correct_T1": evaluation.correct_T1.tolist(),
        }

    @torch.inference_mode()
    def _scores(self, models: Sequence[Model]) -> list[tuple[NDArray[np.float32], int]]:
        """For each model, (n, C) scores and the number of pointing hits."""
        scores: list[list[NDArray[np.float32]]] = [[] for _ in models]
        hits = [0 for _ in models]
        count = len(self.images)
        # Both splits are sorted, so images are read in the order of the file.
        chunks = [np.arange(start, min(start + EVALUATION_BATCH, count)) for start in range(0, count, EVALUATION_BATCH)]
        for rows, regions in self.regions.batches(chunks):
            for index, model in enumerate(models):
                output = model(regions, peaks=self.pointing is not None)
                scores[index].append(output.scores.float().cpu().numpy())
                if self.pointing is not None and output.peaks is not None:
                    hits[index] += self.pointing.hits(rows, output.peaks.cpu().numpy())
        return [(np.concatenate(parts), count) for parts, count in zip(scores, hits, strict=True)]
