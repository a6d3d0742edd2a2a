"""`--dry-run`: the matrix and the expected time.

The time is measured: a few steps and evaluations of the full model on random regions of the run's own shapes, times the
number of steps. It is an upper estimate, as some rows cost less than the full model.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable

import numpy as np

from ablations.methods import METHODS
from benchmark.cells.folder import CellState, check_continues, read_states
from benchmark.cells.manifest import make_manifest, manifest_path
from benchmark.cells.matrix import Cell
from benchmark.progress import duration
from benchmark.run.cell_jobs import shared_trainings
from benchmark.run.plan import Plan
from dazle.config import Settings

IMAGES = 50
REPEATS = 3


def print_plan(plan: Plan, suite: str) -> None:
    """Prints rows, datasets and seeds, how many cells are done, and the expected time of the others.

    Raises InputError, as the run would, if the output folder cannot be continued.
    """
    cells = plan.cells
    rows = dict.fromkeys(cell.variant.name for cell in cells)
    datasets = {cell.dataset.name: cell.dataset for cell in cells}
    seeds = len({cell.seed for cell in cells})
    states: dict[str, CellState] = {}
    if manifest_path(plan.out).exists():
        manifest = make_manifest(suite, cells, plan.conditions, plan.notes, plan.studies)
        _, states, _ = check_continues(plan.out, manifest, cells)
    states |= read_states(plan.out, (cell.id for cell in cells if cell.id not in states))
    print(f"{len(cells)} cells: {len(rows)} variants, {len(datasets)} datasets, {seeds} seeds, into {plan.out}")
    for note in [*(f"--set {key} = {value}" for key, value in plan.conditions.overrides.items()), *plan.notes]:
        print(f"  {note}")
    for name in rows:
        change = next(cell.variant.change for cell in cells if cell.variant.name == name)
        print(f"  {name:26} {change or 'the full model'}")
    for data in datasets.values():
        print(f"  {data.name}: {data.source}, {data.images:,} images of {data.regions[0]} x {data.regions[1]}")
    pending = [cell for cell in cells if states[cell.id].status in ("missing", "running")]
    failed = sum(states[cell.id].status == "failed" for cell in cells)
    print(f"{len(cells) - len(pending) - failed} done, {failed} failed (--retry-failed runs them again)")
    print(f"{len(pending)} to run with {plan.workers} workers")
    on_regions = [cell for cell in pending if METHODS[cell.variant.method].reads == "regions"]
    if pending:
        expected = expected_seconds(on_regions) / plan.workers
        others = "" if len(on_regions) == len(pending) else "; methods on pooled features are left out"
        print(f"expected time: up to {duration(expected)} (the full model's steps, timed now, for every row{others})")


def expected_seconds(cells: list[Cell]) -> float:
    """Seconds of one worker for all of `cells`."""
    examples = {cell.dataset.name: cell for cell in cells}
    counts = Counter(group[0].dataset.name for group in shared_trainings(cells))
    return sum(count * cell_seconds(examples[name]) for name, count in counts.items())


def cell_seconds(cell: Cell) -> float:
    """Seconds of the full model under its schedule for the cell's dataset, all phases."""
    training, data = _settings(cell).training, cell.dataset
    step_seconds, image_seconds = _time(cell)
    phases = 1 + (cell.identity["folds"] if cell.identity["validation"] else 0)
    steps = training.epochs * max(1, data.images // training.batch_size)
    points = training.epochs if training.evaluate_every is None else steps // training.evaluate_every + 1
    return phases * (steps * step_seconds + points * data.images / 2 * image_seconds)


def _settings(cell: Cell) -> Settings:
    """Those of the full model on the cell's dataset, with the cell's schedule if the cell trains that method too."""
    preset = Settings.preset(cell.dataset.preset, simulated=cell.dataset.file is None)
    if not isinstance(cell.settings, Settings):
        return preset
    flat = cell.settings.flat()
    return preset.changed({key: value for key, value in flat.items() if key.startswith("training.")})


def _time(cell: Cell) -> tuple[float, float]:
    """Seconds of a training step, and seconds of scoring one image."""
    import torch

    from ablations.methods import load_method
    from dazle.training.task import made_up_task

    torch.set_num_threads(cell.identity["threads"])
    data, settings, method = cell.dataset, _settings(cell), load_method("dazle")
    task = made_up_task(data.regions, data.attributes, data.classes, IMAGES, precision=settings.precision)
    step = method.step(task, settings)
    (_, regions), *_ = task.reader().batches([np.arange(IMAGES)])
    labels = torch.from_numpy(task.labels)
    scorer = method.scorer(step.model.state_dict(), task, settings)

    @torch.inference_mode()
    def score() -> None:
        scorer(regions)

    return _median(lambda: step(regions, labels)), _median(score) / IMAGES


def _median(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
