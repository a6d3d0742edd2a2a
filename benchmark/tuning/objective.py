"""The objective of a trial: the validation metric, averaged over class folds, at the epoch of the honest protocol.

It removes the test split from the features that it is given and makes the phases itself.
"""

from collections.abc import Sequence

import torch
from optuna import Trial, TrialPruned

from benchmark.tuning.space import Space, suggest
from dazle.config import Settings
from dazle.features.feature_set import FeatureSet
from dazle.features.splits import validation_phase, without_test
from dazle.method.model import Model
from dazle.training.fit import CurvePoint, fit, schedule
from reports.analysis.protocols import averaged

METRICS = ("H", "T1", "AUSUC")


def tuning_seed(base_seed: int, dataset: str, repetition: int) -> tuple[str | int, ...]:
    """The names of a tuning repetition's random streams; the first part keeps them apart from those of cells."""
    return ("tuning", base_seed, dataset, repetition)


class Objective:
    """A function of a trial: trains every repetition on every fold and returns the metric in percent."""

    def __init__(
        self,
        features: FeatureSet,
        settings: Settings,
        space: Space,
        metric: str,
        folds: int,
        seeds: Sequence[tuple[str | int, ...]],
        device: torch.device,
    ) -> None:
        """`settings`: the row's own, for all that `space` leaves out; `seeds`: one a repetition, from `tuning_seed`."""
        self.features = without_test(features)
        self.phases = [validation_phase(self.features, fold) for fold in range(1, folds + 1)]
        self.settings, self.space, self.metric, self.device = settings, space, metric, device
        self.seeds = seeds

    def points(self) -> int:
        """Number of evaluations of a whole trial under the row's own settings."""
        training = self.settings.training
        counts = [len(schedule(training, len(phase.train)).points) for phase in self.phases]
        return sum(counts) * len(self.seeds)

    def __call__(self, trial: Trial) -> float:
        """Raises TrialPruned, with fold and epoch, and the errors of training."""
        settings = self.settings.changed(suggest(trial, self.space))
        progress = _Progress(trial, self.metric, self.points() // (len(self.seeds) * len(self.phases)))
        for seed in self.seeds:
            for phase in self.phases:
                progress.curves.append([])
                fit(self.features, phase, settings, seed, self.device, on_point=progress)
        values = averaged(progress.curves, self.metric)
        best = max(values)
        trial.set_user_attr("epoch", progress.curves[0][values.index(best)]["epoch"])
        return best


class _Progress:
    """Reports after each evaluation the best value so far, averaged over the folds so far, and prunes."""

    def __init__(self, trial: Trial, metric: str, points: int) -> None:
        """`points`: evaluations a fold under the row's own settings; the steps of all trials are in this unit."""
        self.trial, self.metric, self.points = trial, metric, points
        self.curves: list[list[CurvePoint]] = []
        self.reported = 0

    def __call__(self, index: int, point: CurvePoint, model: Model) -> None:
        self.curves[-1].append(point)
        # Another batch size can mean another number of points; pruners compare equal fractions of training.
        step = round((len(self.curves) - 1 + point["fraction"]) * self.points)
        if step <= self.reported:
            return
        self.reported = step
        self.trial.report(max(averaged(self.curves[::-1], self.metric)), step)
        if self.trial.should_prune():
            raise TrialPruned(f"pruned on fold {len(self.curves)} after epoch {point['epoch']:g}")
