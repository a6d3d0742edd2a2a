"""Tables of tuning: the validation values of each study, and the test values of tuned rows beside the default settings.

The rule for callers: the best validation value of a study is the highest of its trials, so it overestimates; the test
columns are of seeds that no trial was trained with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from reports.analysis.results import DatasetResults
from reports.table import Column, Table, TableCell, TableRow, gap
from reports.tables import captions

MINUTES = "minutes: of all trials together, however many ran side by side"

# variant, tuned (the name of its row in a run), dataset, objective, folds, trials, pruned, failed, best_trial,
# best_value and default_value (percent; None without such a complete trial), seconds.
Study = Mapping[str, Any]


def studies_table(studies: Sequence[Study], source: str) -> Table:
    """Budget, best and default validation value, and the time spent: one row per study.

    Raises ValueError if the studies differ in objective or folds.
    """
    objective, folds = _objective(studies)
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
    caption = f"{_simulated(source)}Studies of {_validation_value(objective, folds)}."
    notes = (
        "validation alone: no test image is read; the best is the highest of all trials, so it flatters",
        "trials: the budget, failed and pruned ones included",
        MINUTES,
    )
    return Table("studies", caption, columns, tuple(map(_study_row, studies)), notes, {"source": source})


def _study_row(study: Study) -> TableRow:
    columns = ("trials", "pruned", "failed", "default_value", "best_value", "best_trial")
    numbers = (TableCell(study[column]) for column in columns)
    return TableRow(_title(study), (*_names(study), *numbers, TableCell(study["seconds"] / 60)))


def _title(study: Study) -> str:
    return f"{study['variant']} on {study['dataset']}"


def _names(study: Study) -> tuple[TableCell, TableCell]:
    return TableCell(text=study["dataset"]), TableCell(text=study["variant"])


def tuned_table(frame: pd.DataFrame, studies: Sequence[Study], protocol: str = "honest") -> Table:
    """Each tuned row of a run beside the same row with its own settings: one row per study.

    frame: one row per cell. Raises ValueError for an unknown protocol, or if the studies differ
    in objective or folds.
    """
    (objective, folds), source = _objective(studies), frame["source"].iloc[0]
    results = {dataset.name: dataset for dataset in DatasetResults.per_dataset(frame)}
    shown = captions.protocol_title(results[studies[0]["dataset"]], protocol)
    caption = f"{_simulated(source)}Tuned rows beside the same rows with their own settings; {shown}."
    notes = (
        f"settings were chosen by {_validation_value(objective, folds)}, as the best of all trials, so it flatters",
        "test columns: the same seeds for both, and none that a trial was trained with; ± is the sample standard "
        f"deviation over seeds, [ ] {captions.INTERVAL}",
        MINUTES,
    )
    rows = tuple(_tuned_row(results[study["dataset"]], study, protocol) for study in studies)
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


def _tuned_row(results: DatasetResults, study: Study, protocol: str) -> TableRow:
    default_is_best = study["best_value"] == study["default_value"]
    note = ("the best trial was that of the row's own settings",) if default_is_best else ()
    used = results.available_protocol(protocol)
    both = (study["variant"], study["tuned"])
    complete = all(variant in results.variants for variant in both)
    paired = results.difference(study["tuned"], study["variant"], "H", used) if complete else None
    cells = (
        *_names(study),
        TableCell(study["trials"]),
        TableCell(study["default_value"]),
        TableCell(study["best_value"], notes=note),
        *(_mean(results, variant, "H", used) for variant in both),
        captions.difference_cell(paired) if paired else gap(),
        *(_mean(results, variant, "T1", used) for variant in both),
        TableCell(study["seconds"] / 60),
    )
    return TableRow(_title(study), cells)


def _mean(results: DatasetResults, variant: str, column: str, used: str) -> TableCell:
    """Mean and spread; with a footnote if seeds are missing, a dash if all are."""
    if variant not in results.variants:
        return gap(f"{variant} on {results.name} is not in the run")
    cell = captions.mean_cell(results, variant, column, used)
    reason = captions.missing_reason(results, variant, used)
    return replace(cell, notes=tuple(dict.fromkeys([*cell.notes, *([reason] if reason else [])])))


def _simulated(source: str) -> str:
    return f"{captions.SIMULATED}. " if source == "simulated" else ""


def _validation_value(objective: str, folds: int) -> str:
    return (
        f"validation {objective}, percent, averaged over {folds} class fold{'s' if folds > 1 else ''}, at the epoch "
        "where it is best"
    )


def _objective(studies: Sequence[Study]) -> tuple[str, int]:
    """The objective and the number of folds of all of them."""
    objectives = {(study["objective"], study["folds"]) for study in studies}
    if len(objectives) != 1:
        raise ValueError(f"a table holds studies of one objective and one number of folds, not {sorted(objectives)}")
    return objectives.pop()
