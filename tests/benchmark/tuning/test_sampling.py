"""A sampler that is opened again draws no point twice; pruners by name."""

from pathlib import Path

import optuna
import pytest

from benchmark.tuning.sampling import PRUNERS, SAMPLERS, SeededByTrial
from benchmark.tuning.storage import open_storage
from benchmark.tuning.study import open_study
from tests.benchmark.tuning.studies import points, spec, worker


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_reopened_sampler_does_not_repeat_its_points(tmp_path: Path, sampler: str) -> None:
    open_study(spec(sampler=sampler), open_storage(None, tmp_path))
    for trials in (3, 6, 9):
        worker(tmp_path, trials, lambda trial: 10.0 * trial.params["training.momentum"], sampler=sampler).run()
    tried = points(tmp_path)
    assert len(tried) == 9
    assert len(set(tried)) == 9
    columns = list(zip(*tried, strict=True))
    assert all(len(set(column)) > 5 for column in columns)


def test_optunas_own_sampler_does_repeat_them_when_it_is_given_its_seed_again() -> None:
    """The reason for `SeededByTrial`."""
    study = optuna.create_study()
    for _ in range(2):
        study.sampler = SAMPLERS["random"](1)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert study.trials[0].params == study.trials[1].params


def test_a_study_of_one_worker_is_the_same_however_often_it_was_stopped(tmp_path: Path) -> None:
    for name, stops in (("at once", (6,)), ("in steps", (1, 2, 4, 6))):
        open_study(spec(sampler="tpe"), open_storage(None, tmp_path / name))
        for trials in stops:
            worker(tmp_path / name, trials, lambda trial: 50.0 + trial.number, sampler="tpe").run()
    assert points(tmp_path / "at once") == points(tmp_path / "in steps")


def test_settings_of_one_trial_are_drawn_one_after_another() -> None:
    """A new sampler for each setting would draw the same fraction of every range."""
    study = optuna.create_study(sampler=SeededByTrial("random", "test"))
    trial = study.ask()
    assert trial.suggest_float("x", 0, 1) != trial.suggest_float("y", 0, 1)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_pruners_by_name(pruner: str) -> None:
    """The first trials run to their end; of many worse ones, some are pruned, but by `none`."""

    def value(trial: optuna.Trial) -> float:
        for step in range(1, 31):
            trial.report(float(step + (50 if trial.number < 6 else 0)), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return 50.0

    study = optuna.create_study(direction="maximize", pruner=PRUNERS[pruner](30, 3))
    study.optimize(value, n_trials=25)
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in study.trials)
    assert (pruned == 0) == (pruner == "none")
    assert study.trials[0].state == optuna.trial.TrialState.COMPLETE
