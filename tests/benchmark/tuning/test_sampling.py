"""A sampler that is opened again draws no point twice; pruners by name."""

from pathlib import Path

import optuna
import pytest

from benchmark.tuning.sampling import PRUNERS, SAMPLERS, SeededByTrial
from tests.benchmark.tuning.studies import points, tune_study


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_reopened_sampler_does_not_repeat_its_points(tmp_path: Path, sampler: str) -> None:
    for trials in (3, 6, 9):
        tune_study(tmp_path, trials, lambda params, *part: 10.0 * params["training.momentum"], sampler=sampler)
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
    for name, stops in (("at once", (14,)), ("in steps", (1, 2, 12, 14))):
        for trials in stops:
            tune_study(tmp_path / name, trials, lambda params, *part: 50 * params["loss.lambda"], sampler="tpe")
    assert points(tmp_path / "at once") == points(tmp_path / "in steps")


def test_settings_of_one_trial_are_drawn_one_after_another() -> None:
    """A new sampler for each setting would draw the same fraction of every range."""
    study = optuna.create_study(sampler=SeededByTrial("random", "test"))
    trial = study.ask()
    assert trial.suggest_float("x", 0, 1) != trial.suggest_float("y", 0, 1)


@pytest.mark.parametrize("parts", [2, 3, 9])
@pytest.mark.parametrize("pruner", PRUNERS)
def test_pruners_by_name(pruner: str, parts: int) -> None:
    """The first trial runs to its end; of many worse ones, some are pruned, but by `none`."""

    def value(trial: optuna.Trial) -> float:
        for part in range(1, parts):
            trial.report(50.0 - trial.number, part)
            if trial.should_prune():
                raise optuna.TrialPruned
        return 50.0

    study = optuna.create_study(direction="maximize", pruner=PRUNERS[pruner](parts))
    study.optimize(value, n_trials=25)
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in study.trials)
    assert (pruned == 0) == (pruner == "none")
    assert study.trials[0].state == optuna.trial.TrialState.COMPLETE
