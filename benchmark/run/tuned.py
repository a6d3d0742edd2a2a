"""`run --tuned`: rows with the settings that studies chose, beside the rows of the suite.

A tuned row is the suite's row with the best trial's settings among its changes; if that trial has the row's own
settings, the two rows share their cells. There is one study per row and dataset, all with the same budget.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmark.cells.matrix import Cell, Conditions, Origin, expand
from benchmark.cells.outcome import (
    Outcome,
    StudySummary,
    figure_folder,
    outcome_folder,
    outcome_path,
    read_outcome,
    tuned_name,
)
from dazle.errors import InputError

AXIS = "tuned"


def with_tuned_rows(
    folder: Path, cells: Sequence[Cell], conditions: Conditions
) -> tuple[list[Cell], list[StudySummary], list[str]]:
    """The cells with those of the tuned rows after each dataset; the studies in `folder`; and notes on them.

    Raises InputError, naming the first study that is missing, of other features, without a complete trial, or of
    another budget than the first one.
    """
    if not folder.is_dir():
        raise InputError(f"--tuned {folder} is no folder; give the output folder of `tune`")
    rows: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        rows.setdefault((cell.dataset.name, cell.variant.name), []).append(cell)
    outcomes = {key: _read(folder, row[0]) for key, row in rows.items()}
    _check_equal_effort(folder, list(outcomes.values()))
    all_cells: list[Cell] = []
    for name in dict.fromkeys(cell.dataset.name for cell in cells):
        all_cells += [cell for cell in cells if cell.dataset.name == name]
        for key, row in rows.items():
            all_cells += _tuned_cells(outcomes[key], row, conditions) if key[0] == name else []
    notes = [note for key, row in rows.items() for note in _notes(outcomes[key], row[0])]
    return all_cells, [outcome.summary() for outcome in outcomes.values()], notes


def copy_figures(folder: Path, out: Path, studies: Sequence[StudySummary]) -> None:
    """Copies the studies' figures into the output folder of a run, so that its report needs no other folder."""
    for study in studies:
        target = figure_folder(out, study.variant, study.dataset)
        target.mkdir(parents=True, exist_ok=True)
        for path in outcome_folder(folder, study.variant, study.dataset).glob("*.*g"):
            shutil.copy(path, target)


# Keys of `made_with` that are equal in all studies of a table, and in all studies of one dataset.
SHARED = ("seeds", "sampler", "pruner", "base_seed")
SCHEDULE = ("training.epochs", "training.precision")


def _check_equal_effort(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """InputError if the studies differ in their number of trials, or in the conditions of a trial."""
    first = outcomes[0]
    first_of_dataset: dict[str, Outcome] = {}
    for outcome in outcomes:
        # A schedule belongs to its dataset; everything else to all of them.
        same_dataset = first_of_dataset.setdefault(outcome.dataset, outcome)
        pairs = [
            ("budgets", f"{first.budget} trials", f"{outcome.budget} trials"),
            ("objectives", first.objective, outcome.objective),
            ("folds", f"{first.folds} folds", f"{outcome.folds} folds"),
            *((key, _setting(first, key), _setting(outcome, key)) for key in SHARED),
            *((key, _setting(same_dataset, key), _setting(outcome, key)) for key in SCHEDULE),
        ]
        for key, one, other in pairs:
            if one != other:
                raise InputError(
                    f"--tuned {folder}: unequal {key}: {first.variant} on {first.dataset} has {one}, "
                    f"{outcome.variant} on {outcome.dataset} {other}; run `tune` for all of them with equal options"
                )


def _setting(outcome: Outcome, key: str) -> str:
    return f"{key} {outcome.made_with.get(key)}"


def _read(folder: Path, cell: Cell) -> Outcome:
    variant, data = cell.variant.name, cell.dataset
    path = outcome_path(folder, variant, data.name)
    if not path.is_file():
        raise InputError(
            f"--tuned {folder}: no study of {variant} on {data.name} there; make it with `python -m benchmark tune "
            f"--variant {variant} --dataset {data.name} --trials N --out {folder}`, or choose other --variants"
        )
    outcome = read_outcome(path)
    if (outcome.variant, outcome.dataset) != (variant, data.name):
        raise InputError(f"{path}: holds the study of {outcome.variant} on {outcome.dataset}; run `tune` again")
    if outcome.made_with.get("features") != data.fingerprint:
        raise InputError(f"--tuned {folder}: the study of {variant} on {data.name} was made on other features")
    if outcome.best is None:
        raise InputError(f"--tuned {folder}: no trial of {variant} on {data.name} is complete; give it more --trials")
    return outcome


def _tuned_cells(outcome: Outcome, cells: Sequence[Cell], conditions: Conditions) -> list[Cell]:
    """The cells of the tuned row; `cells`: those of its row with default settings, on one dataset."""
    best, variant = outcome.best, cells[0].variant
    assert best is not None, "_read refuses a study without a complete trial"
    row = replace(
        variant,
        name=tuned_name(variant.name),
        axis=AXIS,
        label=f"{variant.label}, tuned",
        changes={**variant.changes, **best.params},
    )
    origin = Origin(outcome.study, best.number, outcome.budget)
    return [replace(cell, origin=origin) for cell in expand([row], [cells[0].dataset], len(cells), conditions)]


def _notes(outcome: Outcome, cell: Cell) -> list[str]:
    """A note for each setting, and the revision of the method, that was another in the study than in this run."""
    values = {**cell.settings.identity(), "revision": cell.identity["revision"]}
    return [
        f"{tuned_name(outcome.variant)} on {outcome.dataset} was tuned with {key} = {outcome.made_with.get(key)}; "
        f"here it is {value}"
        for key, value in values.items()
        if key not in outcome.space and outcome.made_with.get(key) != value
    ]
