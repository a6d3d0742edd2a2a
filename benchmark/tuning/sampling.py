"""Samplers and pruners of Optuna under the names of the command line."""

from collections.abc import Callable
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from dazle.streams import stream

SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
    "gp": lambda seed: GPSampler(seed=seed),
}

# Called with the number of parts of a trial (repetitions x class folds), after each of which a pruner is asked.
PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    "median": lambda parts: MedianPruner(),
    "halving": lambda parts: SuccessiveHalvingPruner(min_resource=1),
    "hyperband": lambda parts: HyperbandPruner(1, parts),
    "none": lambda parts: NopPruner(),
}


class SeededByTrial(BaseSampler):
    """One of `SAMPLERS`, made for each trial from a random stream of its own, named by the trial's number.

    So no two trials draw from one stream, also after a restart, and a study of a single worker is reproducible.
    """

    def __init__(self, name: str, *seed: str | int) -> None:
        self.make, self.seed = SAMPLERS[name], seed
        self.number = -1
        self.current: BaseSampler = self.make(0)

    def _sampler(self, trial: FrozenTrial) -> BaseSampler:
        if trial.number != self.number:
            self.number, self.current = trial.number, self.make(stream(*self.seed, trial.number) % 2**32)
        return self.current

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._sampler(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return dict(self._sampler(trial).sample_relative(study, trial, search_space))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._sampler(trial).sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._sampler(trial).before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        self._sampler(trial).after_trial(study, trial, state, values)
