"""Cells, from their settings to their records: the honest phases, then the final one.

Each phase is trained once and keeps its whole curve, so that every protocol is a question to the record.
"""

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark import machine as environment
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
    """What a worker has to know beside the cells; nothing here can change a result."""

    out: Path
    feature_file: Path | None  # None: simulated on the fly
    memory: int  # bytes that this worker may fill with features
    save_model: bool
    retry_failed: bool = False  # else the failure that another runner recorded meanwhile stands


def run_cells(cells: Sequence[Cell], job: Job) -> list[Record]:
    """Trains the cells, which differ in their seeds alone, side by side, and writes their records.

    Where that fails each is trained alone, so that a failure is recorded, with its traceback, of whom it concerns.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    environment.reset_peak_memory()
    results = None
    try:
        results = _train(cells, job)
    except Exception:
        failed = traceback.format_exc()
    if results is None:
        # Here, and not where it was caught: what the failed group held is free by now, and no error hangs on the next.
        if len(cells) > 1:
            return [record for cell in cells for record in run_cells([cell], job)]
        results = [{"status": "failed", "error": failed}]
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
        environment=environment.describe(cell.identity["device"]),
        tuned=cell.origin,
        started=started.isoformat(timespec="seconds"),
        seconds=seconds,
        **results,
    )


def feature_facts(cell: Cell) -> dict[str, Any]:
    """What a record says of the features that the cell was trained on."""
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
    """What the records of the cells hold beside their identity."""
    import torch

    from dazle.features.splits import final_phase, validation_phase
    from dazle.training.fit import Repetition, schedule

    one = cells[0]
    device = torch.device(one.identity["device"])
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    features = load_features(one.dataset.name, job.feature_file, job.memory)
    if features.fingerprint != one.dataset.fingerprint:
        raise RuntimeError(f"the features of {features.name} changed while the run was going on; start it again")
    seeds = [(cell.identity["base_seed"], cell.dataset.name, cell.seed) for cell in cells]
    alone = [Repetition(seed) for seed in seeds]
    folds = range(1, one.identity["folds"] + 1) if one.identity["validation"] else ()
    of_folds = [_phase(one, features, f"fold {k}", validation_phase(features, k), device, alone)[0] for k in folds]
    validations = list(zip(*of_folds, strict=True)) if of_folds else [()] * len(cells)

    phase = final_phase(features)
    fractions = schedule(one.settings.training, len(phase.train)).fractions()
    keepers = [_Keeper(_kept_point(each, fractions)) if job.save_model else None for each in validations]
    repetitions = [
        Repetition(seed, [validated_margin(each, fraction) for fraction in fractions] if each else None, keeper)
        for seed, each, keeper in zip(seeds, validations, keepers, strict=True)
    ]
    tests, fitted = _phase(one, features, "final", phase, device, repetitions)
    for cell, keeper in zip(cells, keepers, strict=True):
        if keeper is not None:
            keeper.write(model_path(job.out, cell.id), cell)
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else environment.peak_memory()
    parameters = sum(parameter.numel() for parameter in fitted.model.parameters())
    common = {"status": "done", "parameters": parameters, "peak_memory": peak, "side_by_side": fitted.side_by_side}
    return [
        common | {"validation": list(validation), "test": test}
        for validation, test in zip(validations, tests, strict=True)
    ]


def validated_margin(validation: Sequence[PhaseRecord], fraction: float) -> float:
    """Validation's best margin at this fraction of the schedule, averaged over the folds."""
    return float(np.mean([_nearest(phase, fraction).best_margin for phase in validation]))


def _kept_point(validation: Sequence[PhaseRecord], fractions: Sequence[float]) -> int:
    """The point whose weights are saved: the honest one, or the last where there is no validation."""
    from reports.analysis.protocols import PROTOCOLS

    curves = [phase.model_dump()["curve"] for phase in validation]
    chosen = PROTOCOLS["honest"].choose(curves, [{"fraction": fraction} for fraction in fractions])
    return len(fractions) - 1 if chosen is None else chosen


def _nearest(phase: PhaseRecord, fraction: float) -> Any:
    return min(phase.curve, key=lambda point: abs(point.fraction - fraction))


class _Keeper:
    """Keeps the weights of one point of the final phase."""

    def __init__(self, index: int) -> None:
        self.index, self.state = index, {}  # type: ignore[var-annotated]

    def __call__(self, index: int, point: "CurvePoint", model: "torch.nn.Module") -> None:
        if index == self.index:
            self.state = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}

    def write(self, path: Path, cell: Cell) -> None:
        """A model can be made again from its record's settings; the file names the cell and the point."""
        from safetensors.torch import save_file

        path.parent.mkdir(exist_ok=True)
        temporary = path.with_suffix(".tmp")
        save_file(self.state, temporary, metadata={"cell": cell.id, "point": str(self.index)})
        temporary.replace(path)


def _phase(
    cell: Cell,
    features: "FeatureSet",
    name: str,
    phase: "Phase",
    device: "torch.device",
    repetitions: "Sequence[Repetition]",
) -> "tuple[list[PhaseRecord], Fitted]":
    """A record of each repetition, and one of what they became; `cell`: any of them."""
    from dazle.training.fit import fit_side_by_side

    clock = time.perf_counter()
    fitted = fit_side_by_side(features, phase, cell.settings, repetitions, device)
    judged = np.concatenate([phase.eval_seen, phase.eval_unseen])
    positions = phase.positions(features.labels[judged])
    records = [
        PhaseRecord(
            name=name,
            classes=phase.classes.tolist(),
            seen=phase.seen.tolist(),
            images=np.bincount(positions, minlength=len(phase.classes)).tolist(),
            train_images=len(phase.train),
            images_trained=each.train_images,
            train_seconds=each.train_seconds,
            seconds=(time.perf_counter() - clock) / len(fitted),
            curve=each.curve,
        )
        for each in fitted
    ]
    return records, fitted[0]
