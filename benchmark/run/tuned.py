"""`run --tuned`: the settings that studies chose, as rows beside those of the suite.

A tuned row is the suite's row with the best trial's settings among its changes; where that is the row's own settings,
the two are the same cells. A study a row and dataset, all with the same budget, or none.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ablations.variants import Variant
from benchmark.cells.folder import StudyEntry
from benchmark.cells.matrix import Cell, Conditions, Origin, expand
from benchmark.cells.outcome import Outcome, outcome_folder, read_outcome
from dazle.errors import InputError

AXIS = "tuned"


def tuned_name(variant: str) -> str:
    """The name of a variant's tuned row."""
    return f"{variant}-tuned"


def with_tuned_rows(
    folder: Path, cells: Sequence[Cell], conditions: Conditions
) -> tuple[list[Cell], list[StudyEntry], list[str]]:
    """The cells and, after those of a dataset, as many of each of its tuned rows; their studies; and notes on them.

    Raises InputError, naming the first study that is missing, made of other features, without a complete trial, or
    with another budget than the first one.
    """
    by_row: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        by_row.setdefault((cell.dataset.name, cell.variant.name), []).append(cell)
    outcomes = {key: _read(folder, of_row[0]) for key, of_row in by_row.items()}
    _check_alike(folder, list(outcomes.values()))
    found: list[Cell] = []
    for name in dict.fromkeys(cell.dataset.name for cell in cells):
        found += [cell for cell in cells if cell.dataset.name == name]
        for key, of_row in by_row.items():
            found += _tuned_cells(outcomes[key], of_row, conditions) if key[0] == name else []
    notes = [line for key, of_row in by_row.items() for line in _notes(outcomes[key], of_row[0])]
    return found, [entry(outcome) for outcome in outcomes.values()], notes


def entry(outcome: Outcome) -> StudyEntry:
    """What a manifest says of a study that has a complete trial."""
    best = outcome.best
    assert best is not None and best.value is not None
    return StudyEntry(
        study=outcome.study,
        variant=outcome.variant,
        tuned=tuned_name(outcome.variant),
        dataset=outcome.dataset,
        objective=outcome.objective,
        folds=outcome.folds,
        trials=outcome.budget,
        pruned=outcome.count("pruned"),
        failed=outcome.count("failed"),
        best_trial=best.number,
        best_value=best.value,
        default_value=outcome.default_value,
        seconds=outcome.seconds,
    )


def figure_folder(out: Path, variant: str, dataset: str) -> Path:
    """Where a run keeps the figures of a study."""
    return out / "figures" / "tuning" / dataset / variant


def copy_figures(folder: Path, out: Path, studies: Sequence[StudyEntry]) -> None:
    """Into the run, so that its report needs nothing outside it."""
    for study in studies:
        target = figure_folder(out, study.variant, study.dataset)
        target.mkdir(parents=True, exist_ok=True)
        for path in outcome_folder(folder, study.variant, study.dataset).glob("*.*g"):
            shutil.copy(path, target)


# Of what a study was made with: equal in all studies that stand in one table, and in all of one dataset.
SHARED = ("seeds", "sampler", "pruner", "base_seed", "package")
SCHEDULE = ("training.epochs", "training.precision")


def _check_alike(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """InputError where the studies were not given the same: trials, and what a trial is worth and costs."""
    first_of: dict[str, Outcome] = {}
    for outcome in outcomes:
        first = outcomes[0]
        # A schedule belongs to its dataset; everything else to all of them.
        of_dataset = first_of.setdefault(outcome.dataset, outcome)
        pairs = [
            ("budgets", f"{first.budget} trials", f"{outcome.budget} trials"),
            ("objectives", first.objective, outcome.objective),
            ("folds", f"{first.folds} folds", f"{outcome.folds} folds"),
            *((key, *(f"{key} {each.made_with.get(key)}" for each in (first, outcome))) for key in SHARED),
            *((key, *(f"{key} {each.made_with.get(key)}" for each in (of_dataset, outcome))) for key in SCHEDULE),
        ]
        for what, one, other in pairs:
            if one != other:
                raise InputError(
                    f"--tuned {folder}: unequal {what}: {first.variant} on {first.dataset} has {one}, "
                    f"{outcome.variant} on {outcome.dataset} {other}; run `tune` for all of them alike"
                )


def _read(folder: Path, cell: Cell) -> Outcome:
    variant, data = cell.variant.name, cell.dataset
    path = outcome_folder(folder, variant, data.name) / "study.json"
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


def _tuned_cells(outcome: Outcome, own: Sequence[Cell], conditions: Conditions) -> list[Cell]:
    best = outcome.best
    assert best is not None
    variant = own[0].variant
    row = Variant(
        name=tuned_name(variant.name),
        axis=AXIS,
        label=f"{variant.label}, tuned",
        changes={**variant.changes, **best.params},
    )
    origin = Origin(outcome.study, best.number, outcome.budget)
    return [replace(cell, origin=origin) for cell in expand([row], [own[0].dataset], len(own), conditions)]


def _notes(outcome: Outcome, cell: Cell) -> list[str]:
    """A line for each setting that the trials shared and that is another one in this run, and for the version."""
    here = {**cell.settings.flat(), "package": cell.identity["package"]}
    return [
        f"{tuned_name(outcome.variant)} on {outcome.dataset} was tuned with {key} = {outcome.made_with.get(key)}; "
        f"here it is {value}"
        for key, value in here.items()
        if key not in outcome.space and outcome.made_with.get(key) != value
    ]
