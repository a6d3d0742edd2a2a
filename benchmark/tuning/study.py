"""A study: a variant on a dataset, what it was made with, and which of its trials count.

The rule for callers: the budget is a number of trials that count. One that failed or was pruned counts; one that died
with its worker does not, where its parameters are tried again; nor does one that found the budget used up.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna import Study
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from benchmark.cells.matrix import Cell
from benchmark.tuning.space import Space, search_space
from dazle.errors import InputError

# Attributes of a study, and of a trial: whose it is, why it ended as it did, and that it found nothing left to do.
MADE_WITH = "made with"
WORKER, WHY, SURPLUS = "worker", "why", "surplus"
# How long another process may take from making a study to saying what it is made with.
MAKING_SECONDS = 3.0
UNFINISHED = (TrialState.RUNNING, TrialState.WAITING)


@dataclass(frozen=True)
class Spec:
    """What decides the values of a study's trials. `cell`: the row's own settings and conditions (its seed is not
    used)."""

    cell: Cell
    objective: str
    sampler: str
    pruner: str
    seeds: int  # repetitions a trial
    space: Space

    @property
    def name(self) -> str:
        data = self.cell.dataset
        return f"dazle-benchmark/{data.source}/{data.name}/{self.cell.variant.name}"

    @property
    def title(self) -> str:
        return f"{self.cell.variant.name} on {self.cell.dataset.name}"

    def default(self) -> dict[str, Any]:
        """The row's own value of every setting that is tuned."""
        flat = self.cell.settings.flat()
        return {key: flat[key] for key in self.space}

    def made_with(self) -> dict[str, Any]:
        """Everything that two trials of one study must share; plain data."""
        identity = {key: value for key, value in self.cell.identity.items() if key not in ("seed", "settings")}
        return {
            **identity,
            **{key: getattr(self, key) for key in ("objective", "sampler", "pruner", "seeds")},
            **self.cell.settings.flat(),
            **{f"range of {key}": [each.low, each.high, each.log] for key, each in self.space.items()},
        }


def specify(cell: Cell, settled: Mapping[str, Any], objective: str, sampler: str, pruner: str, seeds: int) -> Spec:
    """The study of the cell's variant; `settled`: what the user set for every trial."""
    space = search_space(cell.settings, {*cell.variant.changes, *settled})
    return Spec(cell, objective, sampler, pruner, seeds, space)


def open_study(spec: Spec, storage: BaseStorage) -> Study:
    """The study as it stands, or a new one with the row's own settings as its first trial.

    Raises InputError where it was made with other settings. Two processes may call this at once.
    """
    made = None
    try:
        study = optuna.create_study(storage=storage, study_name=spec.name, direction="maximize")
    except DuplicatedStudyError:
        study = optuna.load_study(study_name=spec.name, storage=storage)
        made = _made_with(study)
    if made is None:
        study.enqueue_trial(spec.default(), user_attrs={"default": True}, skip_if_exists=True)
        study.set_user_attr(MADE_WITH, spec.made_with())
    else:
        _check_made_with(spec, made)
    return study


def _made_with(study: Study) -> Any:
    """What the study was made with. Its maker says so last; None where it has been killed before that."""
    until = time.monotonic() + MAKING_SECONDS
    while (made := study.user_attrs.get(MADE_WITH)) is None and time.monotonic() < until:
        time.sleep(0.1)
    return made


def _check_made_with(spec: Spec, made: Mapping[str, Any]) -> None:
    now = spec.made_with()
    for key in [*made, *now]:
        if made.get(key) != now.get(key):
            raise InputError(
                f"the study of {spec.title} was made with {key} = {made.get(key)}, this command has {now.get(key)}; "
                "give the same, or choose another --out (another --storage, where one was given)"
            )


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Those that the budget counts."""
    replaced = {number for trial in trials for number in trial.system_attrs.get("retry_history", [])}
    return [trial for trial in trials if trial.number not in replaced and not trial.user_attrs.get(SURPLUS)]


def finished(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Those that the budget counts and that ended."""
    return [trial for trial in counted(trials) if trial.state not in UNFINISHED]
