"""One job of a run: cells that differ in their margin at test time alone are trained once, and evaluated with each.

The rule for callers: a job runs in a worker and writes nothing; the driver writes what it returns
(`benchmark/run/cell_jobs.py`).
"""

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark import machine
from benchmark.cells.datasets import load_features
from benchmark.cells.matrix import Cell
from benchmark.cells.records import PhaseRecord, Record

if TYPE_CHECKING:
    import torch

    from dazle.features.feature_set import FeatureSet
    from dazle.features.splits import Phase
    from dazle.training.judge import Curve, Evaluations


@dataclass(frozen=True)
class TrainOptions:
    """How a worker trains; nothing here can change a result."""

    feature_file: Path | None  # None: simulated features, made when they are needed
    memory: int  # bytes of features that this worker may hold
    save_model: bool = False


@dataclass(frozen=True)
class TrainedCell:
    """A cell's record and, with `save_model`, its weights as the bytes of a safetensors file."""

    record: Record
    model: bytes | None = None


def train_cells(cells: Sequence[Cell], options: TrainOptions) -> list[TrainedCell]:
    """Trains once for all of `cells`; if that fails, the record of each is `failed`, with the traceback."""
    started, clock = datetime.now(UTC), time.perf_counter()
    machine.reset_peak_memory()
    try:
        results = _train(cells, options)
    except Exception:
        results = [({"status": "failed", "error": traceback.format_exc()}, None) for _ in cells]
    # A share for each, so that the seconds of all records add up to the time spent.
    seconds = (time.perf_counter() - clock) / len(cells)
    return [
        TrainedCell(_record(cell, started, seconds, **result), model)
        for cell, (result, model) in zip(cells, results, strict=True)
    ]


def failed_record(cell: Cell, reason: str, seconds: float) -> Record:
    """The record of a cell whose worker returned none."""
    return _record(cell, datetime.now(UTC), seconds, status="failed", error=reason)


def _record(cell: Cell, started: datetime, seconds: float, **results: Any) -> Record:
    return Record(
        id=cell.id,
        variant=cell.variant.name,
        method=cell.variant.method,
        dataset=cell.dataset.name,
        seed=cell.seed,
        identity=dict(cell.identity),
        features=feature_facts(cell),
        environment=machine.describe(cell.identity["device"]),
        tuned=cell.origin,
        started=started.isoformat(timespec="seconds"),
        seconds=seconds,
        **results,
    )


def feature_facts(cell: Cell) -> dict[str, Any]:
    """The facts about the features of a cell that its record states."""
    data = cell.dataset
    return {
        "name": data.name,
        "preset": data.preset,
        "source": data.source,
        "backbone": data.backbone,
        "fingerprint": data.fingerprint,
        "published_counts": data.published_counts,
    }


def _train(cells: Sequence[Cell], options: TrainOptions) -> list[tuple[dict[str, Any], bytes | None]]:
    """For each cell the results of its record, and its weights."""
    import torch

    from dazle.features.splits import final_phase, validation_phase

    cell = cells[0]
    device = torch.device(cell.identity["device"])
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    features = load_features(cell.dataset.name, options.feature_file, options.memory)
    if features.fingerprint != cell.dataset.fingerprint:
        raise RuntimeError(f"the features of {features.name} changed during the run; start it again")
    folds = range(1, cell.identity["folds"] + 1) if cell.identity["validation"] else ()
    trainings = [_phase(cells, f"fold {fold}", features, validation_phase(features, fold), device) for fold in folds]
    # For each cell, its curve of each fold.
    validation = [[evaluations.curves[index] for evaluations, _ in trainings] for index in range(len(cells))]
    evaluations, tests = _phase(
        cells, "final", features, final_phase(features), device, 
        # The best margin of a point is the same whatever margin a cell uses.
        validation=validation[0],
        states_at=[_honest_fraction(curves) for curves in validation] if options.save_model else (),
    )  # fmt: skip
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else machine.peak_memory()
    return [
        (
            {
                "status": "done",
                "parameters": evaluations.parameters,
                "peak_memory": peak,
                "validation": [phases[index] for _, phases in trainings],
                "test": tests[index],
            },
            _weights(evaluations, index, cell) if options.save_model else None,
        )
        for index, cell in enumerate(cells)
    ]


def _phase(
    cells: Sequence[Cell],
    name: str,
    features: "FeatureSet",
    phase: "Phase",
    device: "torch.device",
    **options: Any,
) -> "tuple[Evaluations, list[PhaseRecord]]":
    """One training, and for each cell its record of this phase."""
    from ablations.methods import load_method
    from dazle.training.train import train

    clock, cell = time.perf_counter(), cells[0]
    seed = (cell.identity["base_seed"], cell.dataset.name, cell.seed)
    rules = [cell.settings.test_margin for cell in cells]
    method = load_method(cell.variant.method)
    evaluations = train(method, features, phase, cell.settings, seed, device, rules, **options)
    seconds = time.perf_counter() - clock
    positions = phase.positions(features.labels[np.concatenate([phase.eval_seen, phase.eval_unseen])])
    return evaluations, [
        PhaseRecord(
            name=name,
            classes=phase.classes.tolist(),
            seen=phase.seen.tolist(),
            images=np.bincount(positions, minlength=len(phase.classes)).tolist(),
            train_images=len(phase.train),
            images_trained=evaluations.images_trained,
            train_seconds=evaluations.train_seconds,
            seconds=seconds,
            curve=curve,
        )
        for curve in evaluations.curves
    ]


def _honest_fraction(curves: "Sequence[Curve]") -> float | None:
    """The fraction of the schedule that validation chooses; None, for the last point, without validation."""
    from reports.analysis.protocols import PROTOCOLS

    point = PROTOCOLS["honest"].choose(curves, curves[0]) if curves else None
    return None if point is None else curves[0][point]["fraction"]


def _weights(evaluations: "Evaluations", index: int, cell: Cell) -> bytes:
    """The state nearest the honest point as a safetensors file, which names the cell and the point."""
    from safetensors.torch import save

    return save(evaluations.states[index], metadata={"cell": cell.id, "point": str(evaluations.state_points[index])})
