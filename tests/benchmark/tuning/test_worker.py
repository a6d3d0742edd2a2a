"""Workers share a study: no point twice, no trial lost with a worker that dies, and exactly the budget's trials."""

import os
import signal
import time
from multiprocessing import get_context
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from benchmark.tuning.outcome import make_outcome
from benchmark.tuning.storage import open_storage
from benchmark.tuning.study import open_study
from benchmark.tuning.worker import requeue_lost, worker_lock
from tests.benchmark.tuning.studies import points, spec, worker

# The imports of a spawned process would take longer than all of its trials.
FORK = get_context("fork")


def test_two_workers_try_no_point_twice(tmp_path: Path) -> None:
    open_study(spec(), open_storage(None, tmp_path))
    workers = [FORK.Process(target=_work, args=(tmp_path, 12)) for _ in range(2)]
    for process in workers:
        process.start()
    for process in workers:
        process.join()
    tried = points(tmp_path)
    assert len(tried) == len(set(tried)) == 12
    study = optuna.load_study(study_name=spec().name, storage=open_storage(None, tmp_path))
    assert len({trial.user_attrs["worker"] for trial in study.trials}) == 2


def _work(out: Path, trials: int) -> None:
    worker(out, trials, _slow).run()


def _slow(trial: optuna.Trial) -> float:
    time.sleep(0.3)
    return 1.0


def test_a_trial_of_a_killed_worker_is_tried_again(tmp_path: Path) -> None:
    study = open_study(spec(), open_storage(None, tmp_path))
    killed = FORK.Process(target=_die_at_the_second, args=(tmp_path,))
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


def test_a_trial_that_kills_its_worker_each_time_is_given_up(tmp_path: Path) -> None:
    study = open_study(spec(), open_storage(None, tmp_path))
    for _ in range(3):
        killed = FORK.Process(target=_die_at_the_first, args=(tmp_path,))
        killed.start()
        killed.join()
    worker(tmp_path, 2).run()
    assert [trial.state.name for trial in study.trials] == ["FAIL", "FAIL", "FAIL", "COMPLETE"]
    outcome = make_outcome(spec(), study.trials)
    assert outcome.budget == 2
    assert [trial.why for trial in outcome.trials] == [
        "its worker died (killed, or out of memory); tried again",
        "its worker died (killed, or out of memory); tried again",
        "its worker died (killed, or out of memory)",
        None,
    ]


def _die_at_the_first(out: Path) -> None:
    worker(out, 2, _always_deadly).run()


def _always_deadly(trial: optuna.Trial) -> float:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0.0


def test_a_trial_failed_by_one_that_died_before_queueing_it_again_is_queued(tmp_path: Path) -> None:
    study = open_study(spec(), open_storage(None, tmp_path))
    study.ask()
    study.tell(0, state=TrialState.FAIL)
    worker(tmp_path, 2).run()
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert study.trials[1].params == spec().default()


def test_a_living_worker_keeps_its_trial(tmp_path: Path) -> None:
    study = open_study(spec(), open_storage(None, tmp_path))
    (tmp_path / "workers").mkdir()
    with worker_lock(tmp_path, "other"):
        study.ask().set_user_attr("worker", "other")
        requeue_lost(study, tmp_path)
        assert [trial.state.name for trial in study.trials] == ["RUNNING"]
    requeue_lost(study, tmp_path)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "WAITING"]


def test_a_failed_trial_is_recorded_with_its_reason_and_the_study_goes_on(tmp_path: Path) -> None:
    def value(trial: optuna.Trial) -> float:
        if trial.number == 1:
            raise FloatingPointError("scores are not finite")
        if trial.number == 2:
            raise optuna.TrialPruned("pruned on fold 1 after epoch 5")
        return 50.0 + trial.number

    study = open_study(spec(), open_storage(None, tmp_path))
    worker(tmp_path, 4, value).run()
    outcome = make_outcome(spec(), study.trials)
    assert [(trial.state, trial.why) for trial in outcome.trials] == [
        ("complete", None),
        ("failed", "FloatingPointError: scores are not finite"),
        ("pruned", "pruned on fold 1 after epoch 5"),
        ("complete", None),
    ]
    assert outcome.budget == 4
    assert outcome.best is not None and outcome.best.number == 3
    assert outcome.summary().default_value == 50.0


def test_of_equal_values_the_first_is_the_best(tmp_path: Path) -> None:
    study = open_study(spec(), open_storage(None, tmp_path))
    worker(tmp_path, 3).run()
    best = make_outcome(spec(), study.trials).best
    assert best is not None and best.number == 0


def test_a_trial_beyond_the_budget_is_not_run(tmp_path: Path) -> None:
    """Two machines may ask a database at the same moment: the trial's number decides whether the budget has it."""
    study = open_study(spec(), open_storage(None, tmp_path))
    one = worker(tmp_path, 2, lambda trial: pytest.fail("it was run") if trial.number > 1 else 50.0)
    one.run()
    one._run_one()
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "PRUNED"]
    outcome = make_outcome(spec(), study.trials)
    assert outcome.budget == len(outcome.trials) == 2


def test_a_database_tells_by_its_heartbeat_that_a_worker_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    study = open_study(spec(), open_storage(url, tmp_path))
    killed = FORK.Process(target=_die_in_a_database, args=(tmp_path, url))
    killed.start()
    killed.join()
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "RUNNING"]
    monkeypatch.setattr("benchmark.tuning.storage.HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr("benchmark.tuning.storage.SILENCE_SECONDS", 2)
    # The other trials are done before the dead one is noticed, which the worker waits for.
    worker(tmp_path, 3, storage=url).run()
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    retried = next(trial for trial in study.trials if trial.system_attrs.get("retry_history") == [1])
    assert retried.params == study.trials[1].params


def _die_in_a_database(out: Path, url: str) -> None:
    worker(out, 3, _deadly, storage=url).run()
