"""From the options of `run` to its plan: the cells, where they go, and with which workers. Nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import ceil, inf
from pathlib import Path
from typing import Any

from ablations import suites, variants
from ablations.variants import Variant
from benchmark.cells.datasets import data_folder, resolve
from benchmark.cells.matrix import Cell, Conditions, Dataset, expand, lacks_semantics
from benchmark.cells.outcome import StudySummary
from benchmark.gate.accepted import ROWS
from benchmark.machine import available_memory, choose_device, default_workers
from benchmark.run.side_by_side import side_by_side
from dazle.errors import InputError
from dazle.features.splits import FOLDS

MIB = 2**20
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
    studies: list[StudySummary]  # of the tuned rows
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
    studies: list[StudySummary] = []
    if options.tuned is not None:
        from benchmark.run.tuned import with_tuned_rows

        cells, studies, tuning_notes = with_tuned_rows(options.tuned, cells, conditions)
        notes += tuning_notes
    out = options.out or Path("runs") / f"{suite.name}-{datasets[0].source}"
    workers = options.workers or default_workers(conditions.device, options.threads)
    memory = _memory(options, workers, cells)
    return Plan(out, cells, conditions, [*notes, *left_out], studies, workers, memory)


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


def _without_validated_margins(cells: Sequence[Cell]) -> tuple[list[Cell], list[str]]:
    needs = list(dict.fromkeys(c.variant.name for c in cells if c.settings.loss.test_margin == "validated"))
    kept = [cell for cell in cells if cell.variant.name not in needs]
    return kept, [f"{name} is left out: its margin needs the validation phase" for name in needs]


def _without_semantics(rows: Sequence[Variant], datasets: Sequence[Dataset]) -> list[str]:
    """A line for each row that starts from attribute vectors which not all datasets have."""
    lines = []
    for row in rows:
        without = [data.name for data in datasets if lacks_semantics(row, data)]
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
