"""The plan of a run: from its options to the cells, the output folder and the workers. Nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from ablations import outside, suites, variants
from benchmark.cells.datasets import data_folder, resolve, user_folder
from benchmark.cells.matrix import Cell, Conditions, expand, rows_without_keys, rows_without_semantics
from benchmark.cells.outcome import StudySummary
from benchmark.machine import available_memory, choose_device, default_workers
from benchmark.run.options import RunOptions
from dazle.errors import InputError

MIB = 2**20
# Share of the free memory that all workers together may fill with features, unless `--memory` is given.
FEATURE_MEMORY = 0.5


@dataclass(frozen=True)
class Plan:
    """The cells of a run and where they go."""

    out: Path
    cells: list[Cell]
    conditions: Conditions
    notes: list[str]
    studies: list[StudySummary]  # of the tuned rows
    workers: int
    memory: int  # bytes of features that all workers together may hold
    included: list[outside.Included]


def plan(options: RunOptions) -> Plan:
    """Raises InputError for an unknown name, or features that do not exist."""
    outside.load_entry_points()
    included = outside.include(options.include)
    suite = suites.find(options.suite)
    folder = data_folder(options.data)
    if user_folder(options.data) is not None and options.source == "auto" and not folder.is_dir():
        raise InputError(f"--data {folder} is no folder; correct it, or use --source simulated")
    rows = variants.select(options.variants, suite.variants)
    datasets, notes = resolve(options.datasets or None, suite.datasets, options.source, folder)
    conditions = Conditions(
        overrides=dict(options.overrides),
        base_seed=options.base_seed,
        folds=options.folds,
        validation=options.validation,
        threads=options.threads,
        device=choose_device(options.device),
    )
    cells = expand(rows, datasets, options.seeds or suite.seeds, conditions)
    left_out = [*rows_without_semantics(rows, datasets), *rows_without_keys(rows, options.overrides)]
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
    return Plan(out, cells, conditions, [*notes, *left_out], studies, workers, memory, included)


def _without_validated_margins(cells: Sequence[Cell]) -> tuple[list[Cell], list[str]]:
    names = list(dict.fromkeys(c.variant.name for c in cells if c.settings.test_margin == "validated"))
    others = [cell for cell in cells if cell.variant.name not in names]
    return others, [f"{name} is left out: its margin needs the validation phase" for name in names]


def _memory(options: RunOptions, workers: int, cells: Sequence[Cell]) -> int:
    """The memory in bytes that all workers together may use for features.

    Raises InputError if reading the files batch by batch needs more than `--memory`.
    """
    if options.memory is None:
        return int(FEATURE_MEMORY * available_memory())
    for cell in {cell.dataset.name: cell for cell in cells}.values():
        least = least_memory(cell)
        if options.memory // workers < least:
            raise InputError(
                f"--memory {ceil(options.memory / MIB)}MiB: {workers} workers need {ceil(workers * least / MIB)}MiB "
                f"to read {cell.dataset.name} batch by batch; give more, or fewer --workers"
            )
    return options.memory


def least_memory(cell: Cell) -> int:
    """The least bytes of features that a worker needs to read from the disk; 0 for features made on the fly."""
    from dazle.training.judge import EVALUATION_BATCH

    data = cell.dataset
    regions, channels = data.regions
    # In units of one float16 batch: 2 for the batch in use (float32), 1 for the batch as read, 2 for those read ahead.
    images = min(data.images, 5 * max(EVALUATION_BATCH, cell.settings.flat().get("training.batch_size", 0)))
    return images * regions * (channels * 2 + 4) if data.file is not None else 0
