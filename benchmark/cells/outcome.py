"""The outcome of a tuning study: one JSON per study with the raw values of every trial, and the summary drawn from it.

`run --tuned` and the reports read these files and no storage, so the database of a study may be gone by then.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, NonNegativeInt, ValidationError

from benchmark.cells.records import DatasetName, Percent, Strict, VariantName
from dazle.errors import InputError, problem
from dazle.files import write_atomic


class StudySummary(Strict):
    """Numbers of a study, as stored in the manifest and shown in tables; values in percent.

    A value is None if no such trial is complete. `tuned`: the name of its row in a run.
    """

    study: str
    variant: VariantName
    tuned: VariantName
    dataset: DatasetName
    objective: str
    folds: int
    trials: int
    pruned: int
    failed: int
    best_trial: int | None
    best_value: float | None
    default_value: float | None
    seconds: float


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
    why: str | None  # the reason of a failed or pruned one

    @property
    def ended(self) -> bool:
        return self.counts and self.state in ("complete", "pruned", "failed")


class Outcome(Strict):
    """A study as `tune` left it. `made_with`: the conditions and settings that all its trials share."""

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
        """Number of trials that count and ended."""
        return sum(trial.ended for trial in self.trials)

    @property
    def best(self) -> TrialOutcome | None:
        """The complete trial of the highest value, the first of equals."""
        complete = [
            trial for trial in self.trials if trial.ended and trial.state == "complete" and trial.value is not None
        ]
        return max(complete, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)

    def summary(self) -> StudySummary:
        """Its numbers; `seconds` is the sum over all trials, also of those that ran at the same time."""
        best, ended = self.best, [trial for trial in self.trials if trial.ended]
        default_values = [trial.value for trial in ended if trial.default and trial.state == "complete"]
        return StudySummary(
            study=self.study,
            variant=self.variant,
            tuned=tuned_name(self.variant),
            dataset=self.dataset,
            objective=self.objective,
            folds=self.folds,
            trials=len(ended),
            pruned=sum(trial.state == "pruned" for trial in ended),
            failed=sum(trial.state == "failed" for trial in ended),
            best_trial=best.number if best else None,
            best_value=best.value if best else None,
            default_value=default_values[0] if default_values else None,
            seconds=sum(trial.seconds or 0.0 for trial in self.trials),
        )


def tuned_name(variant: str) -> str:
    """The name of a variant's tuned row."""
    return f"{variant}-tuned"


def outcome_folder(out: Path, variant: str, dataset: str) -> Path:
    """The folder of a study's outcome and figures in the --out of `tune`; both names have been checked."""
    return out / "studies" / dataset / variant


def outcome_path(out: Path, variant: str, dataset: str) -> Path:
    """The path of a study's outcome in the --out of `tune`."""
    return outcome_folder(out, variant, dataset) / "study.json"


def figure_folder(out: Path, variant: str, dataset: str) -> Path:
    """The folder of a study's figures in the output folder of a run with tuned rows."""
    return out / "figures" / "tuning" / dataset / variant


def write_outcome(out: Path, outcome: Outcome) -> Path:
    """Atomic; returns the study's folder."""
    folder = outcome_folder(out, outcome.variant, outcome.dataset)
    write_atomic(outcome_path(out, outcome.variant, outcome.dataset), outcome.model_dump_json(indent=1))
    return folder


def read_outcome(path: Path) -> Outcome:
    """Raises InputError, naming file and key, if it is not a whole outcome."""
    try:
        return Outcome.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"{path}: {problem(error)}; run `tune` again to write it") from None
