"""The manifest of a run: its cells in table order, the rows and datasets they belong to, and the conditions they share.

It is written before the first cell, so that a missing cell differs from one that was never planned.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, NonNegativeInt, ValidationError, model_validator

from ablations.suites import find
from benchmark.cells.matrix import Cell, Conditions, Dataset
from benchmark.cells.outcome import StudySummary
from benchmark.cells.records import CellId, DatasetName, Strict, VariantName
from dazle.errors import InputError, cannot_read, problem
from dazle.files import write_atomic
from dazle.training.metrics import MOST_DIGITS, check_name, further_metrics

REMEDY = "restore the file, or run into another folder"


class CellEntry(Strict):
    """One cell of a manifest, with the label, axis and change of its row."""

    id: CellId
    variant: VariantName
    label: str
    axis: str | None
    change: str
    dataset: DatasetName
    seed: NonNegativeInt
    method: VariantName = "dazle"
    deterministic: bool = False  # trained once, and paired with every seed of the others

    @property
    def place(self) -> tuple[str, str, int]:
        """Row, dataset and seed: the place of the cell in the table."""
        return self.variant, self.dataset, self.seed


class DatasetEntry(Strict):
    """One dataset of a manifest."""

    name: DatasetName
    preset: DatasetName
    source: Literal["real", "simulated"]
    backbone: str
    fingerprint: str
    published_counts: bool
    about: str  # sizes and schedule, for captions


class MetricEntry(Strict):
    """A metric beyond the five that every record has: reports need neither its function nor the file that has it."""

    name: Annotated[str, AfterValidator(check_name)]
    digits: Annotated[int, Field(ge=0, le=MOST_DIGITS)]
    higher_is_better: bool


class Manifest(Strict):
    """The planned content of an output folder. `conditions` are the fields of `matrix.Conditions`."""

    version: Literal[1] = 1
    suite: str
    source: Literal["real", "simulated"]
    created: str
    package: str
    conditions: dict[str, Any]
    notes: list[str]
    datasets: list[DatasetEntry]
    studies: list[StudySummary] = Field(default_factory=list)  # of the tuned rows
    metrics: list[MetricEntry] = Field(default_factory=list)
    cells: list[CellEntry]

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if not self.cells:
            raise ValueError("it names no cell")
        undescribed = {cell.dataset for cell in self.cells} - {data.name for data in self.datasets}
        if undescribed:
            raise ValueError(f"cells name datasets that it does not describe: {', '.join(sorted(undescribed))}")
        if len({cell.place for cell in self.cells}) < len(self.cells):
            raise ValueError("it names a cell twice")
        missing = {field.name for field in fields(Conditions)} - self.conditions.keys()
        if missing:
            raise ValueError(f"conditions lack {', '.join(sorted(missing))}")
        if len({metric.name for metric in self.metrics}) < len(self.metrics):
            raise ValueError("it names a metric twice")
        if any(study.best_trial is None or study.best_value is None for study in self.studies):
            raise ValueError("a study of a tuned row has no best trial")
        return self


def manifest_path(out: Path) -> Path:
    """The path of a run's manifest."""
    return out / "manifest.json"


def read_manifest(out: Path) -> Manifest:
    """Raises InputError, naming the file, if it is missing or not a whole manifest."""
    path = manifest_path(out)
    if not path.is_file() and not path.is_dir():
        remedy = "give the folder that `run --out` wrote"
        if (out / "studies").is_dir():
            remedy = "it is a folder of `tune`, its table is tuning.md, and the same `tune` command continues it"
        raise InputError(f"{out} is no output folder of a run: {path} is missing; {remedy}")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"{path}: {problem(error)}; {REMEDY}") from None
    except OSError as error:
        raise cannot_read(path, error, REMEDY) from None


def write_manifest(out: Path, manifest: Manifest) -> None:
    """Atomic."""
    write_atomic(manifest_path(out), manifest.model_dump_json(indent=1))


def make_manifest(
    suite: str,
    cells: Sequence[Cell],
    conditions: Conditions,
    notes: Sequence[str],
    studies: Sequence[StudySummary] = (),
) -> Manifest:
    """The manifest of a run of these cells."""
    from benchmark import __version__

    by_dataset: dict[str, list[Cell]] = {}
    for cell in cells:
        by_dataset.setdefault(cell.dataset.name, []).append(cell)
    return Manifest(
        suite=suite,
        source=cells[0].dataset.source,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        package=__version__,
        conditions=conditions.as_dict(),
        notes=list(notes),
        datasets=[_dataset_entry(own) for own in by_dataset.values()],
        studies=list(studies),
        metrics=[
            MetricEntry(name=m.name, digits=m.digits, higher_is_better=m.higher_is_better) for m in further_metrics()
        ],
        cells=[_cell_entry(cell) for cell in cells],
    )


def _cell_entry(cell: Cell) -> CellEntry:
    variant = cell.variant
    return CellEntry(
        id=cell.id,
        variant=variant.name,
        label=variant.label,
        axis=variant.axis,
        change=variant.change,
        dataset=cell.dataset.name,
        seed=cell.seed,
        method=variant.method,
        deterministic=cell.deterministic,
    )


def _dataset_entry(cells: Sequence[Cell]) -> DatasetEntry:
    """The dataset of these cells, under the schedule of the first and of each method that has another one."""
    data = cells[0].dataset
    return DatasetEntry(
        name=data.name,
        preset=data.preset,
        source=data.source,
        backbone=data.backbone,
        fingerprint=data.fingerprint,
        published_counts=data.published_counts,
        about="; ".join([_sizes(data), *_schedules(cells)]),
    )


def _sizes(data: Dataset) -> str:
    return (
        f"{data.images:,} images, {data.classes[0]} seen and {data.classes[1]} unseen classes, {data.attributes} "
        f"attributes, {data.regions[0]} regions of {data.regions[1]} channels"
    )


def _schedules(cells: Sequence[Cell]) -> list[str]:
    first = _schedule(cells[0])
    others = {cell.variant.method: _schedule(cell) for cell in cells if cell.variant.method != cells[0].variant.method}
    return [first, *(f"{method}: {text}" for method, text in others.items() if text != first and "epoch" in text)]


def _schedule(cell: Cell) -> str:
    settings = cell.settings.flat()
    epochs, rate = settings.get("training.epochs"), settings.get("training.learning_rate")
    if epochs is None or rate is None:
        return f"trained in {cell.settings.precision}"
    return f"{epochs} epoch{'s' if epochs > 1 else ''} at learning rate {rate:g} in {cell.settings.precision}"


def check_conditions(out: Path, old: Manifest, new: Manifest) -> None:
    """InputError if two runs cannot share a table: other suite, source, conditions, features or studies."""
    for key, before, now in _differences(old, new):
        name = "--set" if key == "overrides" else key
        raise InputError(f"{out} holds a run with {name} = {before}, this one has {now}; choose another --out")


def merge(old: Manifest, new: Manifest, edited: Collection[str] = ()) -> Manifest:
    """The manifest of a run that continues or widens another one: old cells stay, new ones join in table order.

    The caller has checked that both have equal conditions, and that their common cells have equal settings. Old cells
    of the `edited` methods go: a row never has cells of two codes.
    """
    new_ids = {cell.id for cell in new.cells}
    old_cells = (cell for cell in old.cells if cell.id not in new_ids and cell.method not in edited)
    cells = [*old_cells, *new.cells]
    datasets = {data.name: data for data in [*old.datasets, *new.datasets]}
    rows = list(dict.fromkeys([*find(new.suite).variants, *(cell.variant for cell in cells)]))
    names = list(datasets)
    studies = {(study.tuned, study.dataset): study for study in [*old.studies, *new.studies]}
    metrics = {metric.name: metric for metric in [*old.metrics, *new.metrics]}
    update = {
        "created": old.created,
        "notes": list(dict.fromkeys([*old.notes, *new.notes])),
        "datasets": list(datasets.values()),
        "studies": list(studies.values()),
        "metrics": list(metrics.values()),
        "cells": sorted(cells, key=lambda cell: (names.index(cell.dataset), rows.index(cell.variant), cell.seed)),
    }
    # Validated: a manifest that the next command refuses must not be written.
    return Manifest(**{**dict(new), **update})


def _differences(old: Manifest, new: Manifest) -> list[tuple[str, Any, Any]]:
    """(key, old value, new value) of everything that must be equal in both and is not."""
    pairs: list[tuple[str, Any, Any]] = [(key, getattr(old, key), getattr(new, key)) for key in ("suite", "source")]
    pairs += [(key, old.conditions.get(key), value) for key, value in new.conditions.items()]
    pairs += _common(
        {f"features of {data.name}": data.fingerprint[:12] for data in old.datasets},
        {f"features of {data.name}": data.fingerprint[:12] for data in new.datasets},
    )
    pairs += _common(_best_trials(old), _best_trials(new))
    return [(key, before, now) for key, before, now in pairs if before != now]


def _common(old: Mapping[str, str], new: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(key, old value, new value) of the keys in both."""
    return [(key, old[key], value) for key, value in new.items() if key in old]


def _best_trials(manifest: Manifest) -> dict[str, str]:
    return {
        f"{study.tuned} on {study.dataset}": f"trial {study.best_trial} of {study.trials}" for study in manifest.studies
    }
