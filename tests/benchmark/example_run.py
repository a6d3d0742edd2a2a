"""An example of an output folder: the cells of a real run, with records of given values and without training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.cells.folder import OutputFolder, record_path
from benchmark.cells.manifest import make_manifest, write_manifest
from benchmark.cells.matrix import Cell
from benchmark.cells.records import PhaseRecord, Point, Record, write_record
from benchmark.run.cell_jobs import CellJobs, shared_trainings
from benchmark.run.options import RunOptions
from benchmark.run.plan import plan
from tests.benchmark.thread_pool import Threads

ENVIRONMENT = {"commit": None, "python": "3.11", "versions": {"torch": "2"}, "processor": "made", "device": None}


def make_run(
    out: Path,
    values: Mapping[str, Sequence[float | None]],
    environment: Mapping[str, Any] = ENVIRONMENT,
    **options: Any,
) -> Path:
    """`values`: H by repetition for variants of `smoke` on simulated cub; None leaves the cell without a record."""
    run_plan = plan(run_options(values, **options))
    write_manifest(out, make_manifest("smoke", run_plan.cells, run_plan.conditions, run_plan.notes))
    for cell in run_plan.cells:
        H = values[cell.variant.name][cell.seed]
        if H is not None:
            write_record(record_path(out, cell.id), record(cell, H, environment))
    return out


def run_options(values: Mapping[str, Sequence[float | None]], **options: Any) -> RunOptions:
    """The options of the run that `make_run` writes."""
    seeds = len(next(iter(values.values())))
    return RunOptions(**{"suite": "smoke", "variants": tuple(values), "seeds": seeds, "source": "simulated"} | options)


def read_run(out: Path, values: Mapping[str, Sequence[float | None]], **options: Any) -> OutputFolder:
    """`make_run`, read."""
    return OutputFolder.read(make_run(out, values, **options))


def record(cell: Cell, H: float, environment: Mapping[str, Any] = ENVIRONMENT) -> Record:
    """A done record of one epoch: S = U = H, and T1 five points above."""
    return Record(
        id=cell.id, status="done", variant=cell.variant.name, method=cell.variant.method, dataset=cell.dataset.name,
        seed=cell.seed, identity=dict(cell.identity), features={}, environment=dict(environment), started="2000-01-01T00:00:00+00:00",
        seconds=1.0, validation=[phase("fold 1", H)] if cell.identity["validation"] else [], test=phase("final", H),
    )  # fmt: skip


def phase(name: str, H: float) -> PhaseRecord:
    point = Point(
        step=1, epoch=1.0, fraction=1.0, S=H, U=H, H=H, T1=min(H + 5, 100), AUSUC=None, margin=1.0, best_margin=None,
        best_margin_H=None, pointing=None, loss={"total": 1.0, "class": 1.0, "self_calibration": None},
        correct=[], correct_T1=[],
    )  # fmt: skip
    return PhaseRecord(
        name=name, classes=[], seen=[], images=[], train_images=1, images_trained=1, train_seconds=1.0, seconds=1.0,
        curve=[point],
    )  # fmt: skip


def train_here(out: Path, cells: Sequence[Cell], workers: int = 1, memory: int = 2**30, **options: Any) -> list[Record]:
    """Trains the cells in threads of this process, which a patch reaches, and writes their records into `out`.

    `options` are those of `CellJobs`; the records are in the order of `cells`.
    """
    jobs = CellJobs(out, Threads(workers), memory, **options)
    records = {ended.cell.id: ended.record for ended in jobs.run(shared_trainings(cells)) if ended and ended.record}
    return [records[cell.id] for cell in cells]


def weights(path: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    """The metadata and the tensors of a saved model; a file has its metadata in any order."""
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        return file.metadata(), {name: file.get_tensor(name).tobytes() for name in sorted(file.keys())}
