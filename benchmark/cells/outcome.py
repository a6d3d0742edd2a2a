"""What a study leaves for everybody but `tune`: one JSON a study, raw values of every trial.

`run --tuned` and the reports read these and no storage, so a database can be gone by then.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from optuna.trial import FrozenTrial, TrialState
from pydantic import Field, FiniteFloat, NonNegativeInt, ValidationError

from benchmark.cells.records import Percent, Strict
from benchmark.tuning.study import SURPLUS, WHY, Spec, counted
from dazle.errors import InputError, problem
from dazle.files import write_atomic

STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


class TrialOutcome(Strict):
    """One trial. `value` in percent, of a pruned one the last it reported; `epoch`: the one validation chose."""

    number: NonNegativeInt
    state: Literal["complete", "pruned", "failed", "running", "waiting"]
    counts: bool  # against the budget
    default: bool  # the row's own settings
    value: Percent | None
    epoch: FiniteFloat | None
    seconds: FiniteFloat | None
    params: dict[str, int | FiniteFloat]
    why: str | None

    @property
    def ended(self) -> bool:
        return self.counts and self.state in ("complete", "pruned", "failed")


class Outcome(Strict):
    """A study as it stood when `tune` left it. `made_with`: all that its trials share."""

    version: Literal[1] = 1
    study: str
    variant: str
    dataset: str
    source: Literal["real", "simulated"]
    objective: Literal["H", "T1", "AUSUC"]
    folds: NonNegativeInt
    made_with: dict[str, Any]
    space: dict[str, Annotated[list[Any], Field(min_length=3, max_length=3)]]  # low, high, log
    trials: list[TrialOutcome]

    @property
    def budget(self) -> int:
        """Trials that count and ended."""
        return sum(trial.ended for trial in self.trials)

    @property
    def seconds(self) -> float:
        """Of all trials, whoever ran them side by side."""
        return sum(trial.seconds or 0.0 for trial in self.trials)

    @property
    def best(self) -> TrialOutcome | None:
        """The complete trial of the highest value, the first of equals."""
        complete = [trial for trial in self.trials if trial.counts and trial.state == "complete"]
        return max(complete, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)

    @property
    def default_value(self) -> float | None:
        """What the row's own settings reached; None where their trial is not complete."""
        own = [trial for trial in self.trials if trial.counts and trial.default and trial.state == "complete"]
        return own[0].value if own else None

    def count(self, state: str) -> int:
        return sum(trial.ended and trial.state == state for trial in self.trials)


def outcome_folder(out: Path, variant: str, dataset: str) -> Path:
    """Where the outcome of a study and its figures lie; both names have been checked."""
    return out / "studies" / dataset / variant


def make_outcome(spec: Spec, trials: Sequence[FrozenTrial]) -> Outcome:
    """From the trials that the storage has."""
    cell = spec.cell
    counting = {trial.number for trial in counted(trials)}
    return Outcome(
        study=spec.name,
        variant=cell.variant.name,
        dataset=cell.dataset.name,
        source=cell.dataset.source,
        objective=spec.objective,
        folds=cell.identity["folds"],
        made_with=spec.made_with(),
        space={key: [each.low, each.high, each.log] for key, each in spec.space.items()},
        trials=[_trial(trial, trial.number in counting) for trial in trials if not trial.user_attrs.get(SURPLUS)],
    )


def _trial(trial: FrozenTrial, counts: bool) -> TrialOutcome:
    attributes = trial.user_attrs
    why = attributes.get(WHY)
    if trial.state == TrialState.FAIL and why is None:
        again = "" if counts else "; tried again"
        why = f"its worker died (killed, or out of memory){again}"
    return TrialOutcome(
        number=trial.number,
        state=STATES[trial.state],
        counts=counts,
        default=bool(attributes.get("default")),
        value=trial.value,
        epoch=attributes.get("epoch"),
        seconds=trial.duration.total_seconds() if trial.duration else None,
        params=trial.params,
        why=why,
    )


def write_outcome(out: Path, outcome: Outcome) -> Path:
    """Atomic; returns the study's folder."""
    folder = outcome_folder(out, outcome.variant, outcome.dataset)
    write_atomic(folder / "study.json", outcome.model_dump_json(indent=1))
    return folder


def read_outcome(path: Path) -> Outcome:
    """Raises InputError, naming file and key, where it is not a whole outcome."""
    try:
        return Outcome.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"{path}: {problem(error)}; run `tune` again to write it") from None
