"""Tables of tuning: what each study found on validation classes, and what the tuned rows reach on test beside their own
settings.

The rule a caller must know: a validation value is the best of its study's trials, so it flatters; the test columns are
of fresh seeds and do not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from reports.analysis.results import DatasetResults
from reports.table import Column, Table, TableCell, TableRow, gap
from reports.tables import captions

MINUTES = "minutes: of all trials together, however many ran side by side"


@dataclass(frozen=True)
class StudySummary:
    """One study; values in percent, None where the trial in question is not complete. `tuned`: its row in a run."""

    variant: str
    tuned: str
    dataset: str
    source: str
    objective: str
    folds: int
    trials: int
    pruned: int
    failed: int
    best_trial: int | None
    best_value: float | None
    default_value: float | None
    seconds: float


def studies_table(studies: Sequence[StudySummary]) -> Table:
    """Budget, best validation value, the default's, and the time spent: one row a study. All share an objective."""
    objective, folds, source = _only(studies)
    columns = (
        Column("dataset", kind="text", grouped=True),
        Column("variant", kind="text"),
        Column("trials", digits=0),
        Column("pruned", digits=0),
        Column("failed", digits=0),
        Column("default", group=f"validation {objective}"),
        Column("best", group=f"validation {objective}"),
        Column("best trial", digits=0),
        Column("minutes"),
    )
    caption = f"{_simulated(source)}Studies of {_of_folds(objective, folds)}."
    notes = (
        "validation alone: no test image is read; the best is the highest of all trials, so it flatters",
        "trials: the budget, failed and pruned ones included",
        MINUTES,
    )
    return Table("studies", caption, columns, tuple(map(_study_row, studies)), notes, {"source": source})


def _study_row(study: StudySummary) -> TableRow:
    numbers = (study.trials, study.pruned, study.failed, study.default_value, study.best_value, study.best_trial)
    cells = [TableCell(text=study.dataset), TableCell(text=study.variant), *(TableCell(value) for value in numbers)]
    return TableRow(f"{study.variant} on {study.dataset}", (*cells, TableCell(study.seconds / 60)))


def tuned_table(frame: pd.DataFrame, studies: Sequence[StudySummary], protocol: str = "honest") -> Table:
    """Each tuned row of a run beside the same row with its own settings: one row a study.

    frame: a row a cell, as the store gives it. Raises ValueError for an unknown protocol.
    """
    objective, folds, source = _only(studies)
    results = {each.name: each for each in DatasetResults.per_dataset(frame)}
    shown = captions.protocol_title(results[studies[0].dataset], protocol)
    caption = f"{_simulated(source)}Tuned rows beside the same rows with their own settings; {shown}."
    notes = (
        f"settings were chosen by {_of_folds(objective, folds)}, as the best of all trials, so it flatters",
        "test columns: the same seeds for both, and none that a trial was trained with; ± is the sample standard "
        f"deviation over seeds, [ ] {captions.INTERVAL}",
        MINUTES,
    )
    rows = tuple(_tuned_row(results[study.dataset], study, protocol) for study in studies)
    constants = {"source": source, "protocol": protocol}
    return Table("tuned", caption, _tuned_columns(objective), rows, notes, constants)


def _tuned_columns(objective: str) -> tuple[Column, ...]:
    return (
        Column("dataset", kind="text", grouped=True),
        Column("variant", kind="text"),
        Column("trials", digits=0),
        Column("default", group=f"validation {objective}"),
        Column("tuned", group=f"validation {objective}"),
        Column("default", group="test H"),
        Column("tuned", group="test H"),
        Column("tuned - default [95 %]", group="test H", signed=True),
        Column("default", group="test T1"),
        Column("tuned", group="test T1"),
        Column("minutes"),
    )


def _tuned_row(results: DatasetResults, study: StudySummary, protocol: str) -> TableRow:
    note = ("the best trial was that of the row's own settings",) if study.best_value == study.default_value else ()
    used = results.available_protocol(protocol)
    both = (study.variant, study.tuned)
    complete = all(variant in results.variants for variant in both)
    paired = results.difference(study.tuned, study.variant, "H", used) if complete else None
    cells = (
        TableCell(text=study.dataset),
        TableCell(text=study.variant),
        TableCell(study.trials),
        TableCell(study.default_value),
        TableCell(study.best_value, notes=note),
        *(_mean(results, variant, "H", used) for variant in both),
        captions.difference_cell(paired) if paired else gap(),
        *(_mean(results, variant, "T1", used) for variant in both),
        TableCell(study.seconds / 60),
    )
    return TableRow(f"{study.variant} on {study.dataset}", cells)


def _mean(results: DatasetResults, variant: str, column: str, used: str) -> TableCell:
    """Mean and spread; a footnote where seeds are missing, a dash where all are."""
    if variant not in results.variants:
        return gap(f"{variant} on {results.name} is not in the run")
    cell = captions.mean_cell(results, variant, column, used)
    why = captions.missing_reason(results, variant, used)
    return replace(cell, notes=tuple(dict.fromkeys([*cell.notes, *([why] if why else [])])))


def _simulated(source: str) -> str:
    return f"{captions.SIMULATED}. " if source == "simulated" else ""


def _of_folds(objective: str, folds: int) -> str:
    return (
        f"validation {objective}, percent, averaged over {folds} class fold{'s' if folds > 1 else ''}, at the epoch "
        "where it is best"
    )


def _only(studies: Iterable[StudySummary]) -> tuple[str, int, str]:
    shared = {(study.objective, study.folds, study.source) for study in studies}
    if len(shared) != 1:
        raise ValueError(f"studies of one objective, one number of folds and one source a table, found {shared}")
    return shared.pop()
