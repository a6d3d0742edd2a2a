"""Workers share a study: no point twice, nothing lost with a worker that dies, the budget kept to the trial."""

import os
import signal
import time
from multiprocessing import get_context
from pathlib import Path

import optuna

from benchmark.tuning.storage import open_storage
from benchmark.tuning.study import open_study
from tests.benchmark.tuning.studies import points, spec, worker


def test_two_workers_try_no_point_twice(tmp_path: Path) -> None:
    open_study(spec(), open_storage(None, tmp_path))
    workers = [get_context("spawn").Process(target=_work, args=(tmp_path, 12)) for _ in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    found = points(tmp_path)
    assert len(found) == len(set(found)) == 12
    study = optuna.load_study(study_name=spec().name, storage=open_storage(None, tmp_path))
    assert len({trial.user_attrs["worker"] for trial in study.trials}) == 2


def _work(out: Path, trials: int) -> None:
    worker(out, trials, _slow).run()


def _slow(trial: optuna.Trial) -> float:
    time.sleep(0.3)
    return 1.0


def test_a_trial_of_a_killed_worker_is_tried_again(tmp_path: Path) -> None:
    study = open_study(spec(), open_storage(None, tmp_path))
    killed = get_context("spawn").Process(target=_die_at_the_second, args=(tmp_path,))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "RUNNING"]
    worker(tmp_path, 3).run()
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert study.trials[2].params == study.trials[1].params
    assert len(set(points(tmp_path))) == 3


def _die_at_the_second(out: Path) -> None:
    worker(out, 3, _deadly).run()


def _deadly(trial: optuna.Trial) -> float:
    if trial.number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return 1.0
