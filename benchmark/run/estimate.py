"""`--dry-run`: the matrix, and how long it would take.

The time is measured, not guessed: a few steps and evaluations of the full model on made-up regions of the run's own
shapes, one thread, times the number of steps. Rows cheaper than the full model make it an upper estimate.
"""

import time
from collections import Counter
from collections.abc import Callable

import numpy as np

from benchmark.cells import folder as store
from benchmark.cells.matrix import Cell
from benchmark.progress import duration
from benchmark.run.plan import Plan

IMAGES = 50
REPEATS = 3


def print_plan(chosen: Plan) -> None:
    """Prints rows, datasets and seeds, what is done already, and the expected time of the rest."""
    cells = chosen.cells
    rows = dict.fromkeys(cell.variant.name for cell in cells)
    datasets = {cell.dataset.name: cell.dataset for cell in cells}
    seeds = len({cell.seed for cell in cells})
    states = {cell.id: store.state(chosen.out, cell.id)[0] for cell in cells}
    print(f"{len(cells)} cells: {len(rows)} variants, {len(datasets)} datasets, {seeds} seeds, into {chosen.out}")
    for line in chosen.notes:
        print(f"  {line}")
    for name in rows:
        change = next(cell.variant.change for cell in cells if cell.variant.name == name)
        print(f"  {name:26} {change or 'the full model'}")
    for data in datasets.values():
        print(f"  {data.name}: {data.source}, {data.images:,} images of {data.regions[0]} x {data.regions[1]}")
    pending = [cell for cell in cells if states[cell.id] in ("missing", "running")]
    failed = sum(state == "failed" for state in states.values())
    print(f"{len(cells) - len(pending) - failed} done, {failed} failed (--retry-failed runs them again)")
    print(f"{len(pending)} to run with {chosen.workers} workers")
    if pending:
        expected = expected_seconds(pending) / chosen.workers
        print(f"expected time: up to {duration(expected)} (the full model's steps, timed now, for every row)")


def expected_seconds(cells: list[Cell]) -> float:
    """Seconds of one worker for all of `cells`."""
    full = {cell.dataset.name: cell for cell in cells}
    counts = Counter(cell.dataset.name for cell in cells)
    return sum(count * seconds_of(full[name]) for name, count in counts.items())


def seconds_of(cell: Cell) -> float:
    """Seconds of the full model under the cell's schedule, all phases."""
    training, data = cell.settings.training, cell.dataset
    step, judged = _timed(cell)
    phases = 1 + (cell.identity["folds"] if cell.identity["validation"] else 0)
    steps = training.epochs * max(1, data.images // training.batch_size)
    points = training.epochs if training.evaluate_every is None else steps // training.evaluate_every + 1
    return phases * (steps * step + points * data.images / 2 * judged)


def _timed(cell: Cell) -> tuple[float, float]:
    """Seconds of a training step, and of scoring one image."""
    import torch

    from dazle.method.model import Model
    from dazle.training.fit import DTYPES
    from dazle.training.step import Step

    data, settings = cell.dataset, cell.dataset.settings
    torch.set_num_threads(cell.identity["threads"])
    attributes = torch.rand(sum(data.classes), data.attributes)
    model = Model(settings.model, torch.randn(data.attributes, 300), attributes, data.regions[1], "estimate")
    regions = torch.rand(IMAGES, *data.regions).to(DTYPES[cell.settings.training.precision])
    seen = torch.arange(sum(data.classes)) < data.classes[0]
    labels = torch.zeros(IMAGES, dtype=torch.long)
    step = Step([model], seen, settings)

    @torch.inference_mode()
    def judge() -> None:
        model(regions)

    return _median(lambda: step(regions[None], labels[None])), _median(judge) / IMAGES


def _median(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return float(np.median(times))
