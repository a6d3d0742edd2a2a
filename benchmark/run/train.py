"""Training of cells: from the settings of a cell to its record, through the validation phases and the final phase.

The rule: each phase is trained once and its record has the whole curve, from which every protocol takes its epoch.
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
from benchmark.cells.folder import model_path, record_path
from benchmark.cells.matrix import Cell
from benchmark.cells.records import PhaseRecord, Record, write_record

if TYPE_CHECKING:
    import torch

    from dazle.features.feature_set import FeatureSet
    from dazle.features.splits import Phase
    from dazle.training.fit import CurvePoint, Fitted, Repetition


@dataclass(frozen=True)
class Job:
    """The options of a worker. None of them changes a result."""

    out: Path
    feature_file: Path | None  # None: the features are simulated
    memory: int  # bytes of features that this worker may hold
    save_model: bool
    retry_failed: bool = False  # False: a failure that another runner recorded meanwhile is kept


def run_cells(cells: Sequence[Cell], job: Job) -> list[Record]:
    """Trains the cells, which differ in their seeds alone, side by side, and writes their records.

    If that fails, each is trained alone, so that the failure and its traceback are in the record of the right cell.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    machine.reset_peak_memory()
    results = None
    try:
        results = _train(cells, job)
    except Exception:
        error = traceback.format_exc()
    if results is None:
        # Not in the handler: there the exception still holds the memory of the failed training, and would be part of
        # the next traceback.
        if len(cells) > 1:
            return [record for cell in cells for record in run_cells([cell], job)]
        results = [{"status": "failed", "error": error}]
    seconds = (time.perf_counter() - clock) / len(cells)
    records = [_record(cell, started, seconds, **result) for cell, result in zip(cells, results, strict=True)]
    for record in records:
        write_record(record_path(job.out, record.id), record)
    return records


def failed_record(cell: Cell, reason: str, seconds: float) -> Record:
    """The record of a cell whose worker could not write one."""
    return _record(cell, datetime.now(UTC), seconds, status="failed", error=reason)


def _record(cell: Cell, started: datetime, seconds: float, **results: Any) -> Record:
    return Record(
        id=cell.id,
        variant=cell.variant.name,
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
    """The features of a cell as its record describes them."""
    data = cell.dataset
    return {
        "name": data.name,
        "preset": data.preset,
        "source": data.source,
        "backbone": data.backbone,
        "fingerprint": data.fingerprint,
        "published_counts": data.published_counts,
    }


def _train(cells: Sequence[Cell], job: Job) -> list[dict[str, Any]]:
    """Trains the cells side by side; returns for each the fields of its record that training gives."""
    import torch

    from dazle.features.splits import final_phase, validation_phase
    from dazle.training.fit import Repetition, schedule

    first = cells[0]
    device = torch.device(first.identity["device"])
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    features = load_features(first.dataset.name, job.feature_file, job.memory)
    if features.fingerprint != first.dataset.fingerprint:
        raise RuntimeError(f"the features of {features.name} changed while the run was going on; start it again")
    seeds = [(cell.identity["base_seed"], cell.dataset.name, cell.seed) for cell in cells]
    repetitions = [Repetition(seed) for seed in seeds]
    folds = range(1, first.identity["folds"] + 1) if first.identity["validation"] else ()
    fold_records = [
        _train_phase(first, features, f"fold {k}", validation_phase(features, k), device, repetitions)[0] for k in folds
    ]
    validations = list(zip(*fold_records, strict=True)) if fold_records else [()] * len(cells)

    phase = final_phase(features)
    fractions = schedule(first.settings.training, len(phase.train)).fractions()
    savers = [_ModelSaver(_saved_point(records, fractions)) if job.save_model else None for records in validations]
    repetitions = [
        Repetition(seed, [validated_margin(records, fraction) for fraction in fractions] if records else None, saver)
        for seed, records, saver in zip(seeds, validations, savers, strict=True)
    ]
    tests, fitted = _train_phase(first, features, "final", phase, device, repetitions)
    for cell, saver in zip(cells, savers, strict=True):
        if saver is not None:
            saver.write(model_path(job.out, cell.id), cell)
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else machine.peak_memory()
    parameters = sum(parameter.numel() for parameter in fitted.model.parameters())
    common = {"status": "done", "parameters": parameters, "peak_memory": peak, "side_by_side": fitted.side_by_side}
    return [
        common | {"validation": list(validation), "test": test}
        for validation, test in zip(validations, tests, strict=True)
    ]


def validated_margin(validation: Sequence[PhaseRecord], fraction: float) -> float:
    """The best margin on validation at this fraction of the schedule, averaged over the folds."""
    return float(np.mean([_nearest(phase, fraction).best_margin for phase in validation]))


def _saved_point(validation: Sequence[PhaseRecord], fractions: Sequence[float]) -> int:
    """The index of the point whose weights are saved: that of the honest protocol, without validation the last."""
    from reports.analysis.protocols import PROTOCOLS

    curves = [phase.model_dump()["curve"] for phase in validation]
    index = PROTOCOLS["honest"].choose(curves, [{"fraction": fraction} for fraction in fractions])
    return len(fractions) - 1 if index is None else index


def _nearest(phase: PhaseRecord, fraction: float) -> Any:
    return min(phase.curve, key=lambda point: abs(point.fraction - fraction))


class _ModelSaver:
    """Copies the weights at one point of the final phase and writes them to a file."""

    def __init__(self, index: int) -> None:
        self.index, self.state = index, {}  # type: ignore[var-annotated]

    def __call__(self, index: int, point: "CurvePoint", model: "torch.nn.Module") -> None:
        if index == self.index:
            self.state = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}

    def write(self, path: Path, cell: Cell) -> None:
        """The file holds the weights, the id of the cell and the point; the settings are in the cell's record."""
        from safetensors.torch import save_file

        path.parent.mkdir(exist_ok=True)
        temporary = path.with_suffix(".tmp")
        save_file(self.state, temporary, metadata={"cell": cell.id, "point": str(self.index)})
        temporary.replace(path)


def _train_phase(
    cell: Cell,
    features: "FeatureSet",
    name: str,
    phase: "Phase",
    device: "torch.device",
    repetitions: "Sequence[Repetition]",
) -> "tuple[list[PhaseRecord], Fitted]":
    """The record of each repetition, and the first fitted model. `cell`: any one of them."""
    from dazle.training.fit import fit_side_by_side

    clock = time.perf_counter()
    fitted = fit_side_by_side(features, phase, cell.settings, repetitions, device)
    evaluated = np.concatenate([phase.eval_seen, phase.eval_unseen])
    positions = phase.positions(features.labels[evaluated])
    records = [
        PhaseRecord(
            name=name,
            classes=phase.classes.tolist(),
            seen=phase.seen.tolist(),
            images=np.bincount(positions, minlength=len(phase.classes)).tolist(),
            train_images=len(phase.train),
            images_trained=result.train_images,
            train_seconds=result.train_seconds,
            seconds=(time.perf_counter() - clock) / len(fitted),
            curve=result.curve,
        )
        for result in fitted
    ]
    return records, fitted[0]
