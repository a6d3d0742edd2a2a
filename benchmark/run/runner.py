"""`run`: from options to a finished output folder. Running the same options again continues it."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import ceil, inf
from pathlib import Path
from typing import Any

from ablations import suites, variants
from ablations.variants import Variant
from benchmark.cells import folder as store
from benchmark.cells.datasets import data_folder, resolve
from benchmark.cells.matrix import Cell, Conditions, Dataset, expand, lacking_semantics
from benchmark.gate.accepted import ROWS
from benchmark.machine import available_memory
from benchmark.run.side_by_side import groups, side_by_side
from benchmark.run.train import Job
from dazle.errors import InputError
from dazle.features.splits import FOLDS

MIB = 2**20
COMPLETE, INCOMPLETE = 0, 3
# More repetitions than anybody waits for are a slip of the keyboard.
MOST_SEEDS = 1000
# Of the free memory, what all workers together may fill with features where `--memory` does not say it.
FEATURE_MEMORY = 0.5


@dataclass(frozen=True)
class RunOptions:
    """What `run` was asked for. Every field is in exactly one of the two lists below; a test sees to it."""

    suite: str
    variants: Sequence[str] = ()
    datasets: Sequence[str] = ()
    seeds: int | None = None
    source: str = "auto"
    data: Path | None = None
    out: Path | None = None
    workers: int | None = None
    memory: int | None = None  # bytes
    threads: int = 1
    device: str = "auto"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    base_seed: int = 214
    folds: int = 1
    validation: bool = True
    tuned: Path | None = None
    dry_run: bool = False
    fail_fast: bool = False
    retry_failed: bool = False
    save_models: bool = False
    timeout: float | None = None  # seconds that one cell may take
    check: Path | None = None
    rows: str = "all"
    together: int | None = None  # cells trained side by side; None: as many as is faster


# What decides which cells there are and what comes out of each: all of it is in the cells' identities.
CHANGES_RESULT = frozenset(
    {"suite", "variants", "datasets", "seeds", "source", "data"}
    | {"threads", "device", "overrides", "base_seed", "folds", "validation", "tuned"}
)
# What only says how, where and whether they are run.
ONLY_RUNNING = frozenset(
    {"out", "workers", "memory", "dry_run", "fail_fast", "retry_failed", "save_models", "timeout", "check", "rows"}
    | {"together"}
)


@dataclass(frozen=True)
class Plan:
    """The matrix and where it goes; nothing has been written yet."""

    out: Path
    cells: list[Cell]
    conditions: Conditions
    notes: list[str]
    studies: list[store.StudyEntry]  # of the tuned rows
    workers: int
    memory: int  # bytes of features that all workers together may hold


def plan(options: RunOptions) -> Plan:
    """Raises InputError for an unknown name, a value out of range, or features that are not there."""
    suite = suites.find(options.suite)
    for name in ("seeds", "folds", "threads", "workers", "together"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise InputError(f"--{name} {value} is not a positive number")
    if (options.seeds or 0) > MOST_SEEDS:
        raise InputError(f"--seeds {options.seeds} are too many; up to {MOST_SEEDS:,} can be run")
    if options.rows not in ROWS:
        raise InputError(f"--rows {options.rows!r} is not one of {', '.join(ROWS)}")
    if options.timeout is not None and not 0 < options.timeout < inf:
        raise InputError(f"--timeout {options.timeout:g} is not a number of seconds above 0")
    folder = data_folder(options.data)
    if options.data is not None and options.source == "auto" and not folder.is_dir():
        raise InputError(f"--data {folder} is no folder; correct it, or ask for --source simulated")
    rows = _rows(suite, options.variants)
    datasets, notes = resolve(options.datasets or None, suite.datasets, options.source, folder)
    if options.folds > FOLDS:
        raise InputError(f"--folds {options.folds}: features have {FOLDS} class folds; use 1 to {FOLDS}")
    conditions = Conditions(
        overrides=dict(options.overrides),
        base_seed=options.base_seed,
        folds=options.folds,
        validation=options.validation,
        threads=options.threads,
        device=choose_device(options.device),
    )
    cells = expand(rows, datasets, options.seeds or suite.seeds, conditions)
    left_out = _without_semantics(rows, datasets)
    if not options.validation:
        cells, without_margins = _without_validated_margins(cells)
        left_out += without_margins
    if not cells:
        raise InputError("; ".join([*left_out, "no cell is left to run: choose other --variants"]))
    studies: list[store.StudyEntry] = []
    if options.tuned is not None:
        from benchmark.run.tuned import with_tuned_rows

        cells, studies, tuning_notes = with_tuned_rows(options.tuned, cells, conditions)
        notes += tuning_notes
    out = options.out or Path("runs") / f"{suite.name}-{datasets[0].source}"
    workers = options.workers or default_workers(conditions.device, options.threads)
    memory = _memory(options, workers, cells)
    return Plan(out, cells, conditions, [*notes, *left_out], studies, workers, memory)


def default_workers(device: str, threads: int) -> int:
    """As many as the cores carry; one on a GPU."""
    if device == "cuda":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // threads)


def _rows(suite: suites.Suite, patterns: Sequence[str]) -> list[Variant]:
    """The suite's rows, or those that a pattern matches; a variant outside the suite can be named in full."""
    if not patterns:
        return [variants.find(name) for name in suite.variants]
    chosen: dict[str, Variant] = {}
    for pattern in patterns:
        matching = [name for name in suite.variants if fnmatchcase(name, pattern)]
        if not matching:
            matching = [variants.find(pattern).name]
        chosen |= {name: variants.find(name) for name in matching}
    order = [*suite.variants, *chosen]
    return sorted(chosen.values(), key=lambda variant: order.index(variant.name))


def choose_device(choice: str) -> str:
    """`cpu` or `cuda`, what `auto` finds here. Raises InputError where there is no GPU, or for another word."""
    if choice not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {choice!r} is not one of auto, cpu, cuda")
    if choice == "cpu" or (choice == "auto" and not has_gpu_driver()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if choice == "cuda":
        raise InputError("--device cuda: torch finds no GPU here; use --device cpu or install a CUDA build of torch")
    return "cpu"


def has_gpu_driver() -> bool:
    """Whether torch has to be asked for a GPU: Linux has none without one of these, and torch loads for long."""
    drivers = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
    return sys.platform != "linux" or any(Path(driver).exists() for driver in drivers)


def _without_validated_margins(cells: Sequence[Cell]) -> tuple[list[Cell], list[str]]:
    needs = list(dict.fromkeys(c.variant.name for c in cells if c.settings.loss.test_margin == "validated"))
    kept = [cell for cell in cells if cell.variant.name not in needs]
    return kept, [f"{name} is left out: its margin needs the validation phase" for name in needs]


def _without_semantics(rows: Sequence[Variant], datasets: Sequence[Dataset]) -> list[str]:
    """A line for each row that starts from attribute vectors which not all datasets have."""
    lines = []
    for row in rows:
        without = [data.name for data in datasets if lacking_semantics(row, data)]
        if without:
            vectors = row.changes["model.semantics"]
            lines.append(
                f"{row.name} is left out on {', '.join(without)}: no attribute vectors {vectors!r} there "
                "(data add-semantics brings them)"
            )
    return lines


def _memory(options: RunOptions, workers: int, cells: Sequence[Cell]) -> int:
    """Bytes of features for all workers. InputError where they need more to read the files batch by batch."""
    asked = options.memory
    if asked is None:
        return int(FEATURE_MEMORY * available_memory())
    for cell in {cell.dataset.name: cell for cell in cells}.values():
        least = least_memory(cell, options.together)
        if asked // workers < least:
            raise InputError(
                f"--memory {ceil(asked / MIB)}MiB: {workers} workers need {ceil(workers * least / MIB)}MiB to read "
                f"{cell.dataset.name} batch by batch; give more, or fewer --workers"
            )
    return asked


def least_memory(cell: Cell, together: int | None) -> int:
    """Bytes of features that a worker holds at least while it reads from the disk; 0 for what is made on the fly."""
    from dazle.training.fit import EVALUATION_BATCH

    data = cell.dataset
    regions, channels = data.regions
    # In units of one batch of float16: as it is computed with 2, as it was read 1, those read ahead 2.
    images = min(
        data.images, 5 * max(EVALUATION_BATCH, cell.settings.training.batch_size * (together or side_by_side(cell)))
    )
    return images * regions * (channels * 2 + 4) if data.file is not None else 0


def job_of(cell: Cell, options: RunOptions, chosen: Plan) -> Job:
    """How this machine runs the cell."""
    return Job(
        out=chosen.out,
        feature_file=cell.dataset.file,
        memory=chosen.memory // chosen.workers,
        save_model=options.save_models,
        retry_failed=options.retry_failed,
    )


def run(options: RunOptions) -> int:
    """Trains what is not done, writes the report, checks it where that is asked for, and returns the exit code."""
    from benchmark.run.display import Display
    from benchmark.run.pools import Processes

    chosen = plan(options)
    if options.check is not None:
        # Loads pandas and scipy, which the first cell need not wait for.
        from benchmark.gate.check import check_usage

        check_usage(options.check, options.rows)
    store.enter(
        chosen.out,
        store.make_manifest(options.suite, chosen.cells, chosen.conditions, chosen.notes, chosen.studies),
    )
    pending = [cell for cell in chosen.cells if _is_pending(chosen.out, cell, options.retry_failed)]
    if options.tuned is not None:
        from benchmark.run.tuned import copy_figures

        copy_figures(options.tuned, chosen.out, chosen.studies)
    executor = Processes(chosen.workers, options.threads, options.timeout)
    done = sum(store.state(chosen.out, cell.id)[0] == "done" for cell in chosen.cells)
    with Display(chosen.cells, pending, done, chosen.workers, executor.running) as display:
        for line in chosen.notes:
            display.say(line)
        together = groups(pending, chosen.workers, options.together)
        for ended in executor.run([(cells, job_of(cells[0], options, chosen)) for cells in together]):
            display.update(ended)
            if options.fail_fast and ended and ended.record and ended.record.status == "failed":
                display.say("stopping at the first failure, as --fail-fast asks")
                break
    return _closing(options, chosen)


def _closing(options: RunOptions, chosen: Plan) -> int:
    """The report, the check, and the exit code."""
    from benchmark.gate.check import check_run
    from benchmark.reporting.report import write_report

    write_report(chosen.out)
    states = [store.state(chosen.out, cell.id)[0] for cell in chosen.cells]
    print(f"{states.count('done')} of {len(states)} cells done")
    print(f"the table is in {chosen.out / 'report.md'}, the page is {chosen.out / 'report.html'}")
    if options.check is not None:
        return check_run(chosen.out, options.check, options.rows)
    return COMPLETE if states.count("done") == len(states) else INCOMPLETE


def _is_pending(out: Path, cell: Cell, retry_failed: bool) -> bool:
    status = store.state(out, cell.id)[0]
    return status in ("missing", "running") or (status == "failed" and retry_failed)
