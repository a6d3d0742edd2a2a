"""Trials as jobs of a pool: no trial is lost with a process that ends, and exactly the budget's trials are run."""

import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from benchmark.run.pools.pool import WorkerDied
from benchmark.tuning.storage import open_storage
from benchmark.tuning.study import REPLACES, open_study
from benchmark.tuning.trials import RETRIES
from tests.benchmark.tuning.studies import Immediate, points, read_trials, spec, tune_study

# The imports of a spawned process would take longer than all of its trials.
FORK = get_context("fork")


def states(out: Path) -> list[str]:
    return [trial.state.name for trial in read_trials(out)]


def in_order(*values: Any) -> Callable[..., float]:
    """Gives one value for each part; raises those that are exceptions."""
    left = iter(values)

    def value(params: dict[str, Any], repetition: int, fold: int) -> float:
        part = next(left)
        if isinstance(part, BaseException):
            raise part
        return float(part)

    return value


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_budget_is_run_and_no_point_twice(tmp_path: Path, workers: int) -> None:
    outcome = tune_study(tmp_path, 5, workers=workers)
    assert outcome.budget == len(outcome.trials) == 5
    assert len(set(points(tmp_path))) == 5


def test_as_many_trials_run_at_once_as_there_are_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = []
    submit = Immediate.submit

    def watched(self: Immediate, job: Any) -> Any:
        running.append(sum(state == "RUNNING" for state in states(tmp_path)))
        return submit(self, job)

    monkeypatch.setattr(Immediate, "submit", watched)
    tune_study(tmp_path, 6, workers=3, folds=2)
    assert max(running) == 3


def test_a_part_for_each_repetition_and_fold_and_their_mean(tmp_path: Path) -> None:
    parts = []

    def value(params: dict[str, Any], repetition: int, fold: int) -> float:
        parts.append((repetition, fold))
        return 10.0 * repetition + fold

    outcome = tune_study(tmp_path, 1, value, seeds=2, folds=3)
    assert parts == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]
    assert outcome.trials[0].value == pytest.approx(7.0)


@pytest.mark.parametrize("pruner", ["median", "halving", "hyperband"])
def test_a_trial_behind_the_others_ends_between_two_folds(tmp_path: Path, pruner: str) -> None:
    folds = []

    def value(params: dict[str, Any], repetition: int, fold: int) -> float:
        folds.append(fold)
        return 50.0 - len(folds)

    outcome = tune_study(tmp_path, 12, value, pruner=pruner, folds=3)
    pruned = [trial for trial in outcome.trials if trial.state == "pruned"]
    assert outcome.trials[0].state == "complete"
    assert pruned
    for trial in pruned:
        assert trial.why in [f"pruned after class fold {fold} of repetition 0" for fold in (1, 2)]
        assert trial.value is not None and trial.counts
    assert len(folds) == sum(3 if trial.why is None else int(trial.why.split()[4]) for trial in outcome.trials)
    assert outcome.budget == 12


def test_a_trial_of_one_part_is_never_pruned(tmp_path: Path) -> None:
    outcome = tune_study(tmp_path, 10, in_order(*range(50, 40, -1)), pruner="median")
    assert {trial.state for trial in outcome.trials} == {"complete"}


def test_a_failed_trial_is_recorded_with_its_reason_and_the_study_goes_on(tmp_path: Path) -> None:
    error = FloatingPointError("scores are not finite")
    outcome = tune_study(tmp_path, 4, in_order(50, error, float("nan"), 53))
    assert [(trial.state, trial.why) for trial in outcome.trials] == [
        ("complete", None),
        ("failed", "FloatingPointError: scores are not finite"),
        ("failed", "no value: H does not exist in validation"),
        ("complete", None),
    ]
    assert outcome.budget == 4
    assert outcome.best is not None and outcome.best.number == 3
    assert outcome.summary().default_value == 50.0


def test_of_equal_values_the_first_is_the_best(tmp_path: Path) -> None:
    best = tune_study(tmp_path, 3).best
    assert best is not None and best.number == 0


def test_a_part_whose_worker_died_is_trained_again(tmp_path: Path) -> None:
    died = WorkerDied("the worker died")
    outcome = tune_study(tmp_path, 2, in_order(10, *[died] * RETRIES, 30, 50, 50), folds=2)
    assert [(trial.state, trial.value) for trial in outcome.trials] == [("complete", 20.0), ("complete", 50.0)]


def test_a_trial_that_kills_its_worker_each_time_fails_by_name(tmp_path: Path) -> None:
    outcome = tune_study(tmp_path, 2, in_order(*[WorkerDied("the worker died")] * (RETRIES + 1), 50))
    assert [(trial.state, trial.why) for trial in outcome.trials] == [
        ("failed", "its worker died 3 times (killed, or out of memory)"),
        ("complete", None),
    ]
    assert outcome.budget == 2


def test_a_trial_of_a_killed_process_is_tried_again(tmp_path: Path) -> None:
    killed = FORK.Process(target=_die_at_the_second, args=(tmp_path,))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert states(tmp_path) == ["COMPLETE", "RUNNING"]
    outcome = tune_study(tmp_path, 3)
    assert states(tmp_path) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert (outcome.trials[1].why, outcome.trials[1].counts) == ("`tune` ended while it ran; tried again", False)
    tried = points(tmp_path)
    assert tried[1] == tried[2]
    assert len(set(tried)) == outcome.budget == 3


def _die_at_the_second(out: Path) -> None:
    tune_study(out, 3, lambda params, *part: 1.0 if params == spec().default() else os.kill(os.getpid(), 9) or 0.0)


def test_a_trial_that_was_interrupted_often_is_still_tried_again(tmp_path: Path) -> None:
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            tune_study(tmp_path, 2, in_order(KeyboardInterrupt()))
    outcome = tune_study(tmp_path, 2)
    assert states(tmp_path) == ["FAIL"] * 4 + ["COMPLETE"] * 2
    assert [trial.counts for trial in outcome.trials] == [False] * 4 + [True] * 2
    assert outcome.trials[4].default
    assert outcome.trials[4].params == spec().default()


def test_a_trial_that_ended_before_it_had_parameters_is_tried_again(tmp_path: Path) -> None:
    study = open_study(spec(), open_storage(None, tmp_path))
    study.ask()
    study.ask()
    outcome = tune_study(tmp_path, 3)
    assert states(tmp_path) == ["FAIL", "FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert outcome.trials[2].params == spec().default()
    assert outcome.budget == 3


def test_a_kill_between_the_two_steps_of_queueing_again_leaves_one_replacement(tmp_path: Path) -> None:
    study = open_study(spec(), open_storage(None, tmp_path))
    study.ask()
    study.enqueue_trial(spec().default(), user_attrs={"default": True, REPLACES: [0]})
    outcome = tune_study(tmp_path, 2)
    assert states(tmp_path) == ["FAIL", "COMPLETE", "COMPLETE"]
    assert outcome.budget == 2
    assert outcome.trials[1].params != outcome.trials[2].params


def test_a_queued_trial_beyond_a_smaller_budget_waits(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        tune_study(tmp_path, 4, in_order(1, 2, KeyboardInterrupt()))
    assert tune_study(tmp_path, 2).budget == 2
    assert [trial.state for trial in read_trials(tmp_path)][-1] == TrialState.WAITING
    assert tune_study(tmp_path, 4).budget == 4


def test_a_study_in_a_database_goes_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    with pytest.raises(KeyboardInterrupt):
        tune_study(tmp_path, 3, in_order(1, KeyboardInterrupt()), storage=url)
    outcome = tune_study(tmp_path, 3, storage=url)
    assert [trial.state for trial in outcome.trials] == ["complete", "failed", "complete", "complete"]
    assert outcome.trials[1].params == outcome.trials[2].params
    assert not (tmp_path / "journal.log").exists()
