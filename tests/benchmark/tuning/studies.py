"""Small studies for tests: the row `dazle` on simulated cub, and trials with given values, without training."""

import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import optuna

from ablations.variants import find
from benchmark.cells.datasets import resolve
from benchmark.cells.matrix import Cell, Conditions, Dataset, expand
from benchmark.cells.outcome import Outcome
from benchmark.run.jobs import Jobs
from benchmark.run.pools.pool import Job, JobError, WorkerDied
from benchmark.tuning.outcome import make_outcome
from benchmark.tuning.owner import ownership
from benchmark.tuning.storage import open_storage
from benchmark.tuning.study import Spec, make_spec, open_study
from benchmark.tuning.trials import Trials

CONDITIONS: dict[str, Any] = {
    "overrides": {}, "base_seed": 214, "folds": 3, "validation": True, "threads": 1, "device": "cpu"
}  # fmt: skip
# From the parameters of a trial, the repetition and the class fold to the value of that part.
Value = Callable[[dict[str, Any], int, int], float]


def dataset(name: str = "cub") -> Dataset:
    return resolve([name], (), "simulated", Path("nowhere"))[0][0]


def cell(variant: str = "dazle", name: str = "cub", **changes: Any) -> Cell:
    return expand([find(variant)], [dataset(name)], 1, Conditions(**CONDITIONS | changes))[0]


def spec(
    variant: str = "dazle", sampler: str = "random", pruner: str = "none", seeds: int = 1, folds: int = 1,
    **overrides: Any,
) -> Spec:  # fmt: skip
    """The study of a row; `overrides` with `__` for the dot."""
    settings = {key.replace("__", "."): value for key, value in overrides.items()}
    return make_spec(cell(variant, overrides=settings, folds=folds), settings, "H", sampler, pruner, seeds)


class Immediate:
    """A pool that runs each job in this process when it is submitted. WorkerDied in a job is the worker's death."""

    def __init__(self, workers: int = 1, prepare: object = None) -> None:
        self.workers = workers

    def submit(self, job: Job) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(job.function(*job.arguments))
        except WorkerDied as error:
            future.set_exception(error)
        except Exception:
            future.set_exception(JobError(traceback.format_exc()))
        return future

    def started(self, future: "Future[Any]") -> float | None:
        return time.monotonic()

    def kill(self, future: "Future[Any]") -> None:
        pass

    def slots(self) -> int:
        return self.workers

    def close(self) -> None:
        pass


def constant(params: dict[str, Any], repetition: int, fold: int) -> float:
    return 50.0


@contextmanager
def given_values(value: Value = constant) -> Iterator[None]:
    """Parts have these values, in place of training."""

    def part(cell: Cell, params: dict[str, Any], repetition: int, fold: int, memory: int) -> Any:
        return [{"fraction": 1.0, "epoch": 1.0, "H": value(params, repetition, fold)}]

    with patch("benchmark.tuning.trials.train_part", part):
        yield


def tune_study(
    out: Path, trials: int, value: Value = constant, workers: int = 1, storage: str | None = None, **study: Any
) -> Outcome:
    """Runs a study in this process; `study`: arguments of `spec`."""
    study_spec = spec(**study)
    opened = open_study(study_spec, open_storage(storage, out))
    with (
        given_values(value), ownership(opened, study_spec.title, study_spec.default()),
        Jobs[int](Immediate(workers)) as jobs,
    ):  # fmt: skip
        running = Trials(study_spec, opened, trials, jobs, 0)
        while running.advance():
            pass
    return make_outcome(study_spec, opened.trials)


def read_trials(out: Path) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=spec().name, storage=open_storage(None, out)).trials


def points(out: Path) -> list[tuple[float, ...]]:
    """The parameters of each trial."""
    return [tuple(trial.params[key] for key in sorted(trial.params)) for trial in read_trials(out)]
