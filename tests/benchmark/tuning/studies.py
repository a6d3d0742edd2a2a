"""Small studies for tests: the row `dazle` on simulated cub, and trials with given values, without training."""

from pathlib import Path
from typing import Any

import optuna

from ablations.variants import find
from benchmark.cells.datasets import resolve
from benchmark.cells.matrix import Cell, Conditions, Dataset, expand
from benchmark.tuning.storage import open_storage
from benchmark.tuning.study import Spec, make_spec
from benchmark.tuning.worker import TuningJob, Worker

CONDITIONS: dict[str, Any] = {
    "overrides": {}, "base_seed": 214, "folds": 3, "validation": True, "threads": 1, "device": "cpu"
}  # fmt: skip


def dataset(name: str = "cub") -> Dataset:
    return resolve([name], (), "simulated", Path("nowhere"))[0][0]


def cell(variant: str = "dazle", name: str = "cub", **changes: Any) -> Cell:
    return expand([find(variant)], [dataset(name)], 1, Conditions(**CONDITIONS | changes))[0]


def spec(variant: str = "dazle", sampler: str = "random", pruner: str = "none", **overrides: Any) -> Spec:
    """The study of a row; `overrides` with `__` for the dot."""
    settings = {key.replace("__", "."): value for key, value in overrides.items()}
    return make_spec(cell(variant, overrides=settings), settings, "H", sampler, pruner, 1)


def worker(out: Path, trials: int, value: Any = lambda trial: 50.0, storage: str | None = None, **study: Any) -> Worker:
    """A worker in this process; `value`: from a trial to its value. `study`: arguments of `spec`."""
    worker = Worker(TuningJob(spec(**study), trials, storage, out, 2**30))
    points = worker.objective.points()

    class Valued:
        """In place of the objective."""

        def points(self) -> int:
            return points

        def __call__(self, trial: Any) -> float:
            return value(trial)

    worker.objective = Valued()  # type: ignore[assignment]
    return worker


def points(out: Path) -> list[tuple[float, ...]]:
    """The parameters of each trial."""
    study = optuna.load_study(study_name=spec().name, storage=open_storage(None, out))
    return [tuple(trial.params[key] for key in sorted(trial.params)) for trial in study.trials]
