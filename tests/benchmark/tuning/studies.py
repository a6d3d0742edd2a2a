"""Small studies for tests: the row `dazle` on simulated cub, and trials whose value is computed, not trained."""

from pathlib import Path
from typing import Any

import optuna

from ablations.variants import find
from benchmark.cells.datasets import resolve
from benchmark.cells.matrix import Cell, Conditions, Dataset, expand
from benchmark.tuning.storage import open_storage
from benchmark.tuning.study import Spec, specify
from benchmark.tuning.worker import Work, Worker

CONDITIONS: dict[str, Any] = {
    "overrides": {}, "base_seed": 214, "folds": 3, "validation": True, "threads": 1, "device": "cpu"
}  # fmt: skip


def dataset(name: str = "cub") -> Dataset:
    return resolve([name], (), "simulated", Path("nowhere"))[0][0]


def cell(variant: str = "dazle", name: str = "cub", **changes: Any) -> Cell:
    return expand([find(variant)], [dataset(name)], 1, Conditions(**CONDITIONS | changes))[0]


def spec(variant: str = "dazle", sampler: str = "random", pruner: str = "none", **overrides: Any) -> Spec:
    """The study of a row; `overrides` with `__` for the dot."""
    settled = {key.replace("__", "."): value for key, value in overrides.items()}
    return specify(cell(variant, overrides=settled), settled, "H", sampler, pruner, 1)


def worker(out: Path, trials: int, value: Any = lambda trial: 50.0, storage: str | None = None, **of: Any) -> Worker:
    """A worker in this process whose trials are worth what `value` says of them."""
    made = Worker(Work(spec(**of), trials, storage, out, 2**30))
    points = made.objective.points()

    class Valued:
        """In place of the objective."""

        def points(self) -> int:
            return points

        def __call__(self, trial: Any) -> float:
            return value(trial)

    made.objective = Valued()  # type: ignore[assignment]
    return made


def points(out: Path) -> list[tuple[float, ...]]:
    """What each trial tried."""
    study = optuna.load_study(study_name=spec().name, storage=open_storage(None, out))
    return [tuple(trial.params[key] for key in sorted(trial.params)) for trial in study.trials]
