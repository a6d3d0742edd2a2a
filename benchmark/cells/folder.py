"""The output folder of a run: its manifest, and the state and record of each of its cells.

`OutputFolder.read` and `start` read and validate each record once; the object is handed on, and only its methods
`refresh`, `read` and `start` touch the disk.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from filelock import Timeout

from benchmark.cells.locks import is_running, manifest_lock
from benchmark.cells.manifest import (
    REMEDY,
    CellEntry,
    DatasetEntry,
    Manifest,
    check_conditions,
    manifest_path,
    merge,
    read_manifest,
    write_manifest,
)
from benchmark.cells.matrix import Cell, identity_hash
from benchmark.cells.records import Point, Record, read_record
from dazle.errors import InputError
from dazle.files import remove_unfinished

if TYPE_CHECKING:
    import pandas as pd


class CellState(NamedTuple):
    """The state of a cell. `reason`: the traceback of a failed one, or why a record cannot be read (then missing)."""

    status: Literal["done", "failed", "running", "missing"]
    record: Record | None = None
    reason: str | None = None

    @property
    def last_line(self) -> str | None:
        """The last line of the reason: the error itself."""
        lines = (self.reason or "").strip().splitlines()
        return lines[-1] if lines else None


def record_path(out: Path, cell_id: str) -> Path:
    """The path of a cell's record."""
    return out / "cells" / f"{cell_id}.json"


def model_path(out: Path, cell_id: str) -> Path:
    """The path of a cell's weights, which `--save-models` writes."""
    return out / "models" / f"{cell_id}.safetensors"


def read_state(out: Path, cell_id: str) -> CellState:
    """The state of a cell on the disk now; validates its record."""
    path = record_path(out, cell_id)
    if path.parent.exists() and not path.parent.is_dir():
        return CellState("missing", None, f"{path.parent} is no folder; move it away and run again")
    if path.is_file() or path.is_dir():
        try:
            record = read_record(path)
        except InputError as error:
            return CellState("missing", None, str(error))
        return CellState(record.status, record, record.error)
    return CellState("running" if is_running(out, cell_id) else "missing")


def read_states(out: Path, cell_ids: Iterable[str]) -> dict[str, CellState]:
    """The states of these cells, by id, each read once."""
    return {cell_id: read_state(out, cell_id) for cell_id in dict.fromkeys(cell_ids)}


@dataclass
class OutputFolder:
    """A manifest with the states of its cells, by id, as they were read or added."""

    path: Path
    manifest: Manifest
    states: dict[str, CellState]
    _frame: "pd.DataFrame | None" = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """A cell with a damaged record is missing. Raises InputError, naming the file, without a whole manifest, and
        for an entry whose record is of another dataset or seed."""
        manifest = read_manifest(path)
        folder = cls(path, manifest, read_states(path, (cell.id for cell in manifest.cells)))
        folder._check_entries()
        return folder

    @classmethod
    def start(cls, path: Path, manifest: Manifest, cells: Sequence[Cell]) -> Self:
        """Writes the manifest of these cells, merged with the manifest already in the folder.

        Others may start in the same folder at the same time. Raises InputError, before anything is written, if the
        two cannot share a folder, and if the folder cannot be written.
        """
        states: dict[str, CellState] = {}
        try:
            _check_records(path, cells)
            with manifest_lock(path):
                if manifest_path(path).exists():
                    old, states, edited = check_continues(path, manifest, cells)
                    manifest = merge(old, manifest, edited)
                remove_unfinished(manifest_path(path))
                write_manifest(path, manifest)
        except Timeout as error:
            raise InputError(
                f"{error.lock_file} is held by another run that does not go on; end that one first"
            ) from None
        except OSError as error:
            raise InputError(f"--out {path} cannot be written ({error.strerror}); choose another folder") from None
        others = (cell.id for cell in manifest.cells if cell.id not in states)
        return cls(path, manifest, states | read_states(path, others))

    def add(self, record: Record) -> None:
        """Takes the record of a cell that ended, in place of the cell's state so far."""
        self.states[record.id] = CellState(record.status, record, record.error)
        self._frame = None

    def refresh(self) -> None:
        """Reads the manifest again and each cell that is not done: other runs may have written to both."""
        self.manifest = read_manifest(self.path)
        not_done = [cell.id for cell in self.manifest.cells if self.status(cell.id) != "done"]
        self.states |= read_states(self.path, not_done)
        self._check_entries()
        self._frame = None

    def _check_entries(self) -> None:
        """InputError if the record of a cell is of another dataset or seed than the manifest's entry.

        The variants may differ: rows with equal settings share a record.
        """
        for entry in self.manifest.cells:
            record = self.states[entry.id].record
            if record is not None and (record.dataset, record.seed) != (entry.dataset, entry.seed):
                raise InputError(
                    f"{manifest_path(self.path)}: cell {entry.id} is {entry.dataset}, seed {entry.seed}, but its "
                    f"record is of {record.dataset}, seed {record.seed}; {REMEDY}"
                )

    def status(self, cell_id: str) -> str:
        """done, failed, running or missing."""
        return self.states[cell_id].status if cell_id in self.states else "missing"

    def frame(self) -> "pd.DataFrame":
        """One row per cell of the manifest, in table order, with its curves; made once, and not to be changed."""
        if self._frame is None:
            import pandas as pd

            datasets = {data.name: data for data in self.manifest.datasets}
            shared = {"metrics": [metric.model_dump() for metric in self.manifest.metrics]}
            cells = self.manifest.cells
            rows = [_row(cell, datasets[cell.dataset], self.states[cell.id]) | shared for cell in cells]
            self._frame = pd.DataFrame(rows)
        return self._frame


def check_continues(
    path: Path, manifest: Manifest, cells: Sequence[Cell]
) -> tuple[Manifest, dict[str, CellState], set[str]]:
    """The manifest in the folder, the states of its cells, and the methods whose included code was edited since.

    Raises InputError if a run of `cells` cannot continue it.
    """
    old = read_manifest(path)
    check_conditions(path, old, manifest)
    states = read_states(path, (cell.id for cell in old.cells))
    return old, states, _check_settings(path, old, states, cells)


def _check_records(path: Path, cells: Sequence[Cell]) -> None:
    """InputError if the records of these cells cannot be written: another thing is in their place."""
    records = [record_path(path, cell.id) for cell in cells]
    if records and records[0].parent.exists() and not records[0].parent.is_dir():
        raise InputError(f"{records[0].parent} is no folder; move it away, or choose another --out")
    for record in records:
        if record.is_dir():
            raise InputError(f"{record} is a folder, not a file; move it away, or choose another --out")


def _check_settings(path: Path, manifest: Manifest, states: Mapping[str, CellState], cells: Sequence[Cell]) -> set[str]:
    """The methods whose code alone differs from that of the manifest's cells: these are trained again.

    Raises InputError if a cell of the manifest has other settings or semantics now: its row would stand for both. The
    line names the setting if one of these cells has a record, which holds the settings of then.
    """
    # Also of rows that this run does not have: a table never mixes two meanings of a record.
    meanings = {cell.variant.method: (cell.identity["identity"], cell.identity["revision"]) for cell in cells}
    for old in filter(None, (state.record for state in states.values())):
        meaning = (old.identity.get("identity"), old.identity.get("revision"))
        if old.method in meanings and meaning != meanings[old.method]:
            raise InputError(
                f"{path} holds cells of {old.method} of package {manifest.package}, which this version reads but "
                "cannot continue; choose another --out"
            )
    old_ids = {entry.place: entry.id for entry in manifest.cells}
    differ = [cell for cell in cells if old_ids.get(cell.place, cell.id) != cell.id]
    # An id is the hash of an identity, so with the old code in it the id tells whether anything else differs.
    codes = {state.record.method: state.record.identity.get("code") for state in states.values() if state.record}
    changed = [cell for cell in differ if _id_with(cell, codes.get(cell.variant.method)) != old_ids[cell.place]]
    for cell in changed:
        record = states[old_ids[cell.place]].record
        difference = _first_difference(record.identity, cell.identity) if record is not None else None
        if difference is not None:
            key, before, now = difference
            raise InputError(
                f"{path} holds {cell.variant.name} on {cell.dataset.name} with {key} = {before}, this run has {now}; "
                "choose another --out"
            )
    if changed:
        raise InputError(
            f"{path} holds {changed[0].variant.name} on {changed[0].dataset.name} with other settings or semantics "
            "than this run; choose another --out"
        )
    return {cell.variant.method for cell in differ}


def _id_with(cell: Cell, code: str | None) -> str:
    """The id of the cell if the code of its method were this one."""
    return identity_hash({**cell.identity, "code": code}) if "code" in cell.identity else cell.id


def _first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """(key, old value, new value) of two identities, settings first; hashes are cut to 12 digits."""
    before, now = _flat(old), _flat(new)
    for key in [*now, *before]:
        if before.get(key) != now.get(key):
            digits = 12 if key in ("features", "semantics") else None
            return key, f"{before.get(key)}"[:digits], f"{now.get(key)}"[:digits]
    return None


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    settings = identity.get("settings")
    return {**(settings if isinstance(settings, Mapping) else {}), **identity, "settings": None}


def _row(cell: CellEntry, data: DatasetEntry, state: CellState) -> dict[str, Any]:
    record = state.record
    test = record.test if record is not None else None
    return {
        **cell.model_dump(exclude={"id"}),
        "cell": cell.id,
        **data.model_dump(include={"preset", "source", "backbone", "published_counts", "about"}),
        "status": state.status,
        "error": state.last_line,
        "identity": record.identity if record is not None else None,
        "traceback": state.reason,
        "environment": record.environment if record is not None else None,
        "validation": [_curve(phase.curve) for phase in record.validation] if record is not None else [],
        "test": _curve(test.curve) if test is not None else [],
        "class_images": test.images if test is not None else [],
        "class_seen": test.seen if test is not None else [],
        "seconds": record.seconds if record is not None else float("nan"),
        "images_per_second": test.images_trained / test.train_seconds if test and test.train_seconds else float("nan"),
        "peak_memory": record.peak_memory if record is not None else None,
        "parameters": record.parameters if record is not None else None,
    }


def _curve(points: Sequence[Point]) -> list[dict[str, Any]]:
    return [point.model_dump(by_alias=True) for point in points]
