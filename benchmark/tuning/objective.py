"""What a trial is worth: validation only, averaged over class folds, at the epoch that the honest protocol takes.

The rule for callers: an objective is made of features that have no test split, and makes its phases itself.
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
    """What the random streams of a tuning repetition are named by; a cell's names lack the first part."""
    return ("tuning", base_seed, dataset, repetition)


class Objective:
    """Called with a trial, trains every repetition on every fold and returns the metric in percent."""

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
        """`settings`: what holds where the space is silent; `seeds`: one a repetition, from `tuning_seed`."""
        self.features = without_test(features)
        self.phases = [validation_phase(self.features, fold) for fold in range(1, folds + 1)]
        self.settings, self.space, self.metric, self.device = settings, space, metric, device
        self.seeds = seeds

    def points(self) -> int:
        """Evaluations of a whole trial under the row's own settings."""
        training = self.settings.training
        of_phases = [len(schedule(training, len(phase.train)).points) for phase in self.phases]
        return sum(of_phases) * len(self.seeds)

    def __call__(self, trial: Trial) -> float:
        """Raises TrialPruned, saying when, and whatever training raises."""
        settings = self.settings.changed(suggest(trial, self.space))
        watch = _Watch(trial, self.metric, self.points() // (len(self.seeds) * len(self.phases)))
        for seed in self.seeds:
            for phase in self.phases:
                watch.curves.append([])
                fit(self.features, phase, settings, seed, self.device, on_point=watch)
        values = averaged(watch.curves, self.metric)
        best = max(values)
        trial.set_user_attr("epoch", watch.curves[0][values.index(best)]["epoch"])
        return best


class _Watch:
    """Reports after each evaluation the best value so far, averaged over the folds so far."""

    def __init__(self, trial: Trial, metric: str, points: int) -> None:
        """`points`: how many a fold has under the row's own settings, in whose numbers all trials report."""
        self.trial, self.metric, self.points = trial, metric, points
        self.curves: list[list[CurvePoint]] = []
        self.reported = 0

    def __call__(self, index: int, point: CurvePoint, model: Model) -> None:
        self.curves[-1].append(point)
        # Another batch size can mean another number of points; pruners compare what is equally far trained.
        step = round((len(self.curves) - 1 + point["fraction"]) * self.points)
        if step <= self.reported:
            return
        self.reported = step
        self.trial.report(max(averaged(self.curves[::-1], self.metric)), step)
        if self.trial.should_prune():
            raise TrialPruned(f"pruned on fold {len(self.curves)} after epoch {point['epoch']:g}")
