"""A study: one variant on one dataset, with the conditions of all its trials and the trials that its budget counts.

A trial that failed or was pruned counts. One that was left by a process that ended does not: its parameters were queued
again.
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

# The attribute of a study with its conditions, and those of a trial: the reason that it has no value, and the numbers
# of the trials with the same parameters that it replaces, since their process ended while they ran.
MADE_WITH = "made with"
REASON, REPLACES = "why", "replaces"
# How long another process may take from creating a study to setting its conditions.
CREATION_SECONDS = 3.0
UNFINISHED = (TrialState.RUNNING, TrialState.WAITING)


@dataclass(frozen=True)
class Spec:
    """Everything that decides the values of a study's trials.

    `cell`: any of the row's, for its settings and conditions; its seed is not used.
    """

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
        """The row's own values of the settings that are tuned."""
        flat = self.cell.settings.flat()
        return {key: flat[key] for key in self.space}

    def made_with(self) -> dict[str, Any]:
        """The conditions and settings that all trials of the study share, as plain data."""
        identity = {key: value for key, value in self.cell.identity.items() if key not in ("seed", "settings")}
        return {
            **identity,
            **{key: getattr(self, key) for key in ("objective", "sampler", "pruner", "seeds")},
            **self.cell.settings.identity(),
            **{f"range of {key}": [limits.low, limits.high, limits.log] for key, limits in self.space.items()},
        }


def make_spec(cell: Cell, overrides: Mapping[str, Any], objective: str, sampler: str, pruner: str, seeds: int) -> Spec:
    """The study of the cell's variant; `overrides`: settings that the user fixed for every trial (--set)."""
    space = search_space(cell.settings, {*cell.variant.changes, *overrides})
    return Spec(cell, objective, sampler, pruner, seeds, space)


def open_study(spec: Spec, storage: BaseStorage) -> Study:
    """The study in the storage, or a new one with the row's own settings as its first trial.

    Raises InputError if its trials have other conditions or settings. Two processes may call this at once.
    """
    made_with = None
    try:
        study = optuna.create_study(storage=storage, study_name=spec.name, direction="maximize")
    except DuplicatedStudyError:
        study = optuna.load_study(study_name=spec.name, storage=storage)
        made_with = _wait_for_conditions(study)
    if made_with is None:
        study.enqueue_trial(spec.default(), user_attrs={"default": True}, skip_if_exists=True)
        study.set_user_attr(MADE_WITH, spec.made_with())
    else:
        _check_conditions(spec, made_with)
    return study


def _wait_for_conditions(study: Study) -> Any:
    """The conditions of the study, which its creator sets last; None if the creator was killed before."""
    until = time.monotonic() + CREATION_SECONDS
    while (made_with := study.user_attrs.get(MADE_WITH)) is None and time.monotonic() < until:
        time.sleep(0.1)
    return made_with


def _check_conditions(spec: Spec, old: Mapping[str, Any]) -> None:
    new = spec.made_with()
    for key in [*old, *new]:
        if old.get(key) != new.get(key):
            raise InputError(
                f"the study of {spec.title} was made with {key} = {old.get(key)}, this command has {new.get(key)}; "
                "give the same, or choose another --out (another --storage, if one was given)"
            )


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that the budget counts."""
    replaced = {number for trial in trials for number in trial.user_attrs.get(REPLACES, [])}
    return [trial for trial in trials if trial.number not in replaced]


def finished(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that the budget counts and that ended."""
    return [trial for trial in counted(trials) if trial.state not in UNFINISHED]
