"""Evaluation while a method trains: the judge owns the evaluation images, their labels and places, and the margins.

It returns nothing to the method, so that no method can look at an evaluation image before a protocol has chosen its
point: a method is given the function `Evaluations.judge`, and not this object. One training is evaluated under
several margin rules at once: each rule has a curve of its own.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dazle.features.feature_set import FeatureSet
from dazle.features.splits import Phase
from dazle.training.batches import ImageReader
from dazle.training.evaluation import Evaluation
from dazle.training.metrics import FIELDS, metric_values
from dazle.training.pointing import Pointing
from dazle.training.scorer import Scorer
from dazle.training.task import DTYPES, Reads, images_of

EVALUATION_BATCH = 128

CurvePoint = dict[str, Any]
Curve = list[CurvePoint]
State = dict[str, Tensor]
# A margin that is added to unseen and taken from seen scores; `validated`: the best one on validation classes.
MarginRule = float | Literal["validated"]


class Judge(Protocol):
    """What a method is given."""

    def __call__(
        self,
        scorer: Scorer,
        state: Mapping[str, Tensor],
        fraction: float,
        losses: Mapping[str, float | None] | None = None,
        *,
        step: int = 0,
        epoch: float | None = None,
        candidate: Mapping[str, float] | None = None,
    ) -> None:
        """A point of the curve, at `fraction` (0 to 1) of the schedule; `losses`: means since the point before.

        `candidate`: the regulariser of this point by name, if the curve runs over regularisers and not over epochs.
        Raises FloatingPointError where scores are not finite.
        """


class Evaluations:
    """The evaluation of one training: its curves and states, and the judge that adds to them.

    Training time counts from the making of this object, less the time of the judge's calls.
    """

    def __init__(
        self,
        features: FeatureSet,
        phase: Phase,
        rules: Sequence[MarginRule],
        device: torch.device,
        precision: str = "float32",
        *,
        reads: Reads = "regions",
        validation: Sequence[Curve] = (),
        states_at: Sequence[float | None] = (),
        on_point: Callable[[CurvePoint], None] | None = None,
    ) -> None:
        """`reads`: what the scorers take. `validation`: a curve for each class fold, from which validated margins are
        taken; none in validation itself, where each point takes its own best margin. `states_at`: for each rule the
        fraction of the schedule whose state is wanted; None for the last. `on_point` is called with each point of the
        first rule.
        """
        self._images = np.concatenate([phase.eval_seen, phase.eval_unseen])
        self._features, self._device, self._dtype = features, device, DTYPES[precision]
        self._source = images_of(features, reads)
        self._labels, self._seen = phase.positions(features.labels[self._images]), phase.seen
        self._readers: dict[bool, ImageReader] = {}
        self._pointing: Pointing | None = None
        self._validation, self._on_point, self._states_at = validation, on_point, states_at
        self._distances = [np.inf] * len(states_at)
        self.rules = tuple(rules)
        self.curves: list[Curve] = [[] for _ in rules]
        self.states: list[State] = [{} for _ in states_at]
        self.state_points = [0] * len(states_at)
        self.parameters = 0
        self.train_seconds = 0.0
        self.images_trained = 0
        self._since = time.perf_counter()

        # A function in place of this object: its attributes give a method neither curves nor images. Python keeps no
        # method from taking a closure apart; the contract test with noise finds one that does.
        def judge(
            scorer: Scorer,
            state: Mapping[str, Tensor],
            fraction: float,
            losses: Mapping[str, float | None] | None = None,
            *,
            step: int = 0,
            epoch: float | None = None,
            candidate: Mapping[str, float] | None = None,
        ) -> None:
            regulariser = dict(candidate) if candidate is not None else None
            common = {"step": step, "epoch": epoch, "fraction": fraction, "candidate": regulariser}
            self._add_point(scorer, state, common, dict(losses) if losses is not None else None)

        self.judge: Judge = judge

    def _add_point(
        self, scorer: Scorer, state: Mapping[str, Tensor], common: CurvePoint, loss: dict[str, float | None] | None
    ) -> None:
        fraction = common["fraction"]
        self.train_seconds += time.perf_counter() - self._since
        self.parameters = scorer.parameters
        self._check_candidate(common)
        evaluation, hits = self._evaluate(scorer)
        for rule, curve in zip(self.rules, self.curves, strict=True):
            curve.append(
                common | self._point(evaluation, hits, self._margin(rule, evaluation, fraction)) | {"loss": loss}
            )
        self._keep(state, fraction)
        if self._on_point is not None:
            self._on_point(self.curves[0][-1])
        self._since = time.perf_counter()

    def _check_candidate(self, common: CurvePoint) -> None:
        """Raises ValueError if the candidate of this place in the curve is another one in validation."""
        for curve in self._validation:
            other = nearest(curve, common["fraction"]).get("candidate")
            if other != common["candidate"]:
                raise ValueError(
                    f"candidate {common['candidate']} at fraction {common['fraction']:g}, in validation it is {other}: "
                    "a method has the same candidates in the same order in every phase"
                )

    def _margin(self, rule: MarginRule, evaluation: Evaluation, fraction: float) -> float:
        if rule != "validated":
            return float(rule)
        if not self._validation:
            return evaluation.best[0]
        return float(np.mean([nearest(curve, fraction)["best_margin"] for curve in self._validation]))

    def _point(self, evaluation: Evaluation, hits: int | None, margin: float) -> CurvePoint:
        values = metric_values(evaluation, margin)
        best_margin, best_H = evaluation.best
        seen = evaluation.has_seen
        pointing = None if hits is None else self._pointing
        return {
            **{name: values.pop(name) for name in FIELDS},
            "metrics": values,
            "margin": margin,
            "best_margin": best_margin if seen else None,
            "best_margin_H": best_H if seen else None,
            "seen_unseen": evaluation.sampled_curve() if seen else None,
            "pointing": None if pointing is None or hits is None else pointing.accuracy(hits),
            "pointing_chance": None if pointing is None else pointing.chance,
            "correct": evaluation.at(margin).correct.tolist(),
            "correct_T1": evaluation.correct_T1.tolist(),
        }

    def _keep(self, state: Mapping[str, Tensor], fraction: float) -> None:
        for index, wanted in enumerate(self._states_at):
            distance = -fraction if wanted is None else abs(fraction - wanted)
            if distance < self._distances[index]:
                self._distances[index] = distance
                self.states[index] = {name: value.detach().cpu().clone() for name, value in state.items()}
                self.state_points[index] = len(self.curves[0]) - 1

    @torch.inference_mode()
    def _evaluate(self, scorer: Scorer) -> tuple[Evaluation, int | None]:
        """All evaluation images scored, and how many present attributes the peak regions hit, if there are peaks."""
        values: list[NDArray[np.float32]] = []
        hits: int | None = None
        places = self._features.places
        for rows, regions in self._batches(scorer.normalise):
            scores = scorer(regions, peaks=places is not None)
            values.append(scores.values.float().cpu().numpy())
            if places is not None and scores.peaks is not None:
                if self._pointing is None:
                    self._pointing = Pointing(places, self._images, self._features.grid)
                hits = (hits or 0) + self._pointing.hits(rows, scores.peaks.cpu().numpy())
        return Evaluation(np.concatenate(values), self._labels, self._seen), hits

    def _batches(self, normalise: bool) -> Any:
        if normalise not in self._readers:
            self._readers[normalise] = ImageReader(self._source, self._images, normalise, self._dtype, self._device)
        count = len(self._images)
        # Each of the two splits is sorted, so this is the order of the file.
        chunks = [np.arange(start, min(start + EVALUATION_BATCH, count)) for start in range(0, count, EVALUATION_BATCH)]
        return self._readers[normalise].batches(chunks)


def nearest(curve: Sequence[CurvePoint], fraction: float) -> CurvePoint:
    """The point of the curve that is nearest to this fraction of the schedule, the first of equally near ones."""
    return min(curve, key=lambda point: abs(point["fraction"] - fraction))
