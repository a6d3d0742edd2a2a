"""An output folder: the manifest that says which cells a run has, and the records under `cells/`.

The manifest is written before the first cell, so what is missing can be told from what was never meant to be.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from filelock import Timeout
from pydantic import Field, NonNegativeInt, ValidationError, model_validator

from ablations.suites import find
from benchmark.cells.locks import is_running, manifest_lock
from benchmark.cells.matrix import Cell, Conditions
from benchmark.cells.records import CellId, DatasetName, Record, Strict, VariantName, read_record
from dazle.errors import InputError, problem
from dazle.files import remove_unfinished, write_atomic

if TYPE_CHECKING:
    import pandas as pd


class Entry(Strict):
    """One cell of a manifest, with what the table says of its row."""

    id: CellId
    variant: VariantName
    label: str
    axis: str | None
    change: str
    dataset: DatasetName
    seed: NonNegativeInt


class DatasetEntry(Strict):
    """One dataset of a manifest."""

    name: DatasetName
    preset: DatasetName
    source: Literal["real", "simulated"]
    backbone: str
    fingerprint: str
    published_counts: bool
    about: str  # sizes and schedule, for captions


class StudyEntry(Strict):
    """The study that a tuned row of a manifest has its settings from; values in percent."""

    study: str
    variant: VariantName
    tuned: VariantName  # the name of the row
    dataset: DatasetName
    objective: str
    folds: int
    trials: int
    pruned: int
    failed: int
    best_trial: int
    best_value: float
    default_value: float | None
    seconds: float


class Manifest(Strict):
    """What a run is meant to hold. `conditions` are the fields of `matrix.Conditions`."""

    version: Literal[1] = 1
    suite: str
    source: Literal["real", "simulated"]
    created: str
    package: str
    conditions: dict[str, Any]
    notes: list[str]
    datasets: list[DatasetEntry]
    studies: list[StudyEntry] = Field(default_factory=list)
    cells: list[Entry]

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if not self.cells:
            raise ValueError("it names no cell")
        lacking = {cell.dataset for cell in self.cells} - {data.name for data in self.datasets}
        if lacking:
            raise ValueError(f"cells name datasets that it does not describe: {', '.join(sorted(lacking))}")
        if len({(cell.variant, cell.dataset, cell.seed) for cell in self.cells}) < len(self.cells):
            raise ValueError("it names a cell twice")
        absent = {field.name for field in fields(Conditions)} - self.conditions.keys()
        if absent:
            raise ValueError(f"conditions lack {', '.join(sorted(absent))}")
        return self


def manifest_path(out: Path) -> Path:
    """Where the manifest of a run lies."""
    return out / "manifest.json"


def record_path(out: Path, cell_id: str) -> Path:
    """Where the record of a cell lies."""
    return out / "cells" / f"{cell_id}.json"


def model_path(out: Path, cell_id: str) -> Path:
    """Where the weights of a cell lie, if they were kept."""
    return out / "models" / f"{cell_id}.safetensors"


def read_manifest(out: Path) -> Manifest:
    """Raises InputError, naming the file, where there is none or it is not whole."""
    path = manifest_path(out)
    if not path.is_file():
        raise InputError(f"{out} is no output folder of a run: {path} is missing")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"{path}: {problem(error)}; use another --out") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); use another --out") from None


def make_manifest(
    suite: str,
    cells: Sequence[Cell],
    conditions: Conditions,
    notes: Sequence[str],
    studies: Sequence[StudyEntry] = (),
) -> Manifest:
    """The manifest of a run of these cells."""
    from benchmark import __version__

    datasets = {cell.dataset.name: cell.dataset for cell in cells}
    return Manifest(
        suite=suite,
        source=cells[0].dataset.source,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        package=__version__,
        conditions=conditions.as_dict(),
        notes=list(notes),
        datasets=[
            DatasetEntry(
                name=data.name,
                preset=data.preset,
                source=data.source,
                backbone=data.backbone,
                fingerprint=data.fingerprint,
                published_counts=data.published_counts,
                about=_about(next(cell for cell in cells if cell.dataset is data)),
            )
            for data in datasets.values()
        ],
        studies=list(studies),
        cells=[
            Entry(
                id=cell.id,
                variant=cell.variant.name,
                label=cell.variant.label,
                axis=cell.variant.axis,
                change=cell.variant.change,
                dataset=cell.dataset.name,
                seed=cell.seed,
            )
            for cell in cells
        ],
    )


def _about(cell: Cell) -> str:
    data, training = cell.dataset, cell.settings.training
    epochs = f"{training.epochs} epoch{'s' if training.epochs > 1 else ''}"
    return (
        f"{data.images:,} images, {data.classes[0]} seen and {data.classes[1]} unseen classes, {data.attributes} "
        f"attributes, {data.regions[0]} regions of {data.regions[1]} channels; {epochs} at learning rate "
        f"{training.learning_rate:g} in {training.precision}"
    )


def merged(old: Manifest, new: Manifest, out: Path) -> Manifest:
    """A run that continues or widens one: the old cells stay, the new ones are added in their order.

    Raises InputError where the two could not stand in one table: other conditions, source, package or features.
    """
    for key, before, now in _differences(old, new):
        raise InputError(f"{out} holds a run with {key} = {before}, this one has {now}; choose another --out")
    fresh = {cell.id for cell in new.cells}
    kept = [cell for cell in old.cells if cell.id not in fresh]
    datasets = {data.name: data for data in [*old.datasets, *new.datasets]}
    rows = list(dict.fromkeys([*find(new.suite).variants, *(cell.variant for cell in [*kept, *new.cells])]))
    names = list(datasets)
    cells = sorted(
        [*kept, *new.cells], key=lambda cell: (names.index(cell.dataset), rows.index(cell.variant), cell.seed)
    )
    notes = list(dict.fromkeys([*old.notes, *new.notes]))
    studies = {(study.tuned, study.dataset): study for study in [*old.studies, *new.studies]}
    update = {
        "created": old.created,
        "notes": notes,
        "datasets": list(datasets.values()),
        "studies": list(studies.values()),
        "cells": cells,
    }
    return new.model_copy(update=update)


def _differences(old: Manifest, new: Manifest) -> list[tuple[str, Any, Any]]:
    whole = ("suite", "source", "package")
    pairs: list[tuple[str, Any, Any]] = [(key, getattr(old, key), getattr(new, key)) for key in whole]
    pairs += [(key, old.conditions.get(key), value) for key, value in new.conditions.items()]
    before = {data.name: data.fingerprint for data in old.datasets}
    pairs += [
        (f"features of {data.name}", before[data.name][:12], data.fingerprint[:12])
        for data in new.datasets
        if data.name in before
    ]
    chosen = {(study.tuned, study.dataset): f"trial {study.best_trial} of {study.trials}" for study in old.studies}
    pairs += [
        (f"{study.tuned} on {study.dataset}", was, f"trial {study.best_trial} of {study.trials}")
        for study in new.studies
        if (was := chosen.get((study.tuned, study.dataset))) is not None
    ]
    return [pair for pair in pairs if pair[1] != pair[2]]


def enter(out: Path, manifest: Manifest) -> None:
    """Writes the manifest of a run that begins, merged with the one that is there; others may do so at the same time.

    Raises InputError where the two do not go together, or the folder cannot be written.
    """
    try:
        with manifest_lock(out):
            if manifest_path(out).exists():
                manifest = merged(read_manifest(out), manifest, out)
            remove_unfinished(manifest_path(out))
            write_manifest(out, manifest)
    except Timeout as error:
        raise InputError(f"{error.lock_file} is held by another run that does not go on; end that one first") from None
    except OSError as error:
        raise InputError(f"--out {out} cannot be written ({error.strerror}); choose another folder") from None


def write_manifest(out: Path, manifest: Manifest) -> None:
    """Atomic."""
    write_atomic(manifest_path(out), manifest.model_dump_json(indent=1))


def state(out: Path, cell_id: str) -> tuple[str, Record | None, str | None]:
    """("done" | "failed" | "running" | "missing", record, why): a record that cannot be read counts as missing."""
    path = record_path(out, cell_id)
    if path.is_file():
        try:
            record = read_record(path)
        except InputError as error:
            return "missing", None, str(error)
        return record.status, record, record.error
    return ("running" if is_running(out, cell_id) else "missing"), None, None


def frame(out: Path) -> "pd.DataFrame":
    """One row a cell of the manifest, in table order, with its curves; what `reports` reads."""
    import pandas as pd

    manifest = read_manifest(out)
    datasets = {data.name: data for data in manifest.datasets}
    return pd.DataFrame([_row(out, entry, datasets[entry.dataset]) for entry in manifest.cells])


def _row(out: Path, entry: Entry, data: DatasetEntry) -> dict[str, Any]:
    status, record, why = state(out, entry.id)
    test = record.test if record is not None else None
    return {
        **entry.model_dump(exclude={"id"}),
        "cell": entry.id,
        **data.model_dump(include={"preset", "source", "backbone", "published_counts", "about"}),
        "status": status,
        "error": why.strip().splitlines()[-1] if why else None,
        "identity": record.identity if record is not None else None,
        "traceback": why,
        "environment": record.environment if record is not None else None,
        "validation": [_curve(phase.curve) for phase in record.validation] if record is not None else [],
        "test": _curve(test.curve) if test is not None else [],
        "class_images": test.images if test is not None else [],
        "class_seen": test.seen if test is not None else [],
        "seconds": record.seconds if record is not None else float("nan"),
        "images_per_second": test.images_trained / test.train_seconds if test and test.train_seconds else float("nan"),
        "peak_memory": record.peak_memory if record is not None else None,
        "side_by_side": record.side_by_side if record is not None else None,
        "parameters": record.parameters if record is not None else None,
    }


def _curve(points: Sequence[Any]) -> list[dict[str, Any]]:
    return [point.model_dump(by_alias=True) for point in points]
