"""A study starts with the row's own settings, is continued under equal conditions alone, and counts its trials."""

import multiprocessing
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from benchmark.tuning.storage import open_storage
from benchmark.tuning.study import REPLACES, Spec, counted, finished, make_spec, open_study
from dazle.errors import InputError
from tests.benchmark.tuning.studies import cell, spec, tune_study


def test_the_first_trial_is_the_rows_own_settings(tmp_path: Path) -> None:
    study = open_study(spec(), open_storage(None, tmp_path))
    tune_study(tmp_path, 2)
    first = study.trials[0]
    assert first.params == spec().default() == {key: cell().settings.flat()[key] for key in spec().space}
    assert first.user_attrs["default"] is True
    assert study.trials[1].params != first.params
    assert "default" not in study.trials[1].user_attrs


def test_opened_twice_it_has_one_first_trial(tmp_path: Path) -> None:
    for _ in range(2):
        study = open_study(spec(), open_storage(None, tmp_path))
    assert len(study.trials) == 1


def test_opened_by_many_at_once_it_has_one_first_trial(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert pool.map(_open, [tmp_path] * 6) == [1] * 6


def _open(out: Path) -> int:
    return len(open_study(spec(), open_storage(None, out)).trials)


def test_a_maker_that_was_killed_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.tuning.study.CREATION_SECONDS", 0.0)
    storage = open_storage(None, tmp_path)
    unfinished = optuna.create_study(storage=storage, study_name=spec().name, direction="maximize")
    unfinished.enqueue_trial(spec().default())
    study = open_study(spec(), storage)
    assert len(study.trials) == 1
    assert study.user_attrs["made with"] == spec().made_with()


EPOCHS = cell().settings.flat()["training.epochs"]
OTHERS: dict[str, tuple[Spec, str]] = {
    "settings": (spec(training__epochs=3), f"training.epochs = {EPOCHS}, this command has 3"),
    "tuned settings": (spec(training__momentum=0.9), "range of training.momentum"),
    "sampler": (spec(sampler="tpe"), "sampler = random, this command has tpe"),
    "pruner": (spec(pruner="median"), "pruner = none, this command has median"),
    "folds": (spec(folds=3), "folds = 1, this command has 3"),
    "base seed": (
        make_spec(cell(base_seed=5, folds=1), {}, "H", "random", "none", 1),
        "base_seed = 214, this command has 5",
    ),
    "objective": (make_spec(cell(folds=1), {}, "T1", "random", "none", 1), "objective = H, this command has T1"),
    "seeds": (spec(seeds=2), "seeds = 1, this command has 2"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_study_made_with_other_settings_is_refused_in_one_line(tmp_path: Path, other: str) -> None:
    storage = open_storage(None, tmp_path)
    open_study(spec(), storage)
    changed, message = OTHERS[other]
    with pytest.raises(InputError) as error:
        open_study(changed, storage)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_what_the_budget_counts() -> None:
    study = optuna.create_study()
    for state, attributes in (
        (TrialState.FAIL, {}),  # 0: tried again as 2, and that as 3
        (TrialState.FAIL, {"why": "diverged"}),
        (TrialState.FAIL, {REPLACES: [0]}),
        (TrialState.COMPLETE, {REPLACES: [0, 2]}),
        (TrialState.PRUNED, {}),
        (TrialState.RUNNING, {}),
        (TrialState.WAITING, {}),
    ):
        value = 1.0 if state == TrialState.COMPLETE else None
        study.add_trial(create_trial(state=state, value=value, user_attrs=attributes))
    assert [trial.number for trial in counted(study.trials)] == [1, 3, 4, 5, 6]
    assert [trial.number for trial in finished(study.trials)] == [1, 3, 4]


def test_a_study_of_an_older_version_is_refused_in_one_line(tmp_path: Path) -> None:
    """It has the version of the package among its conditions, and not yet the revision of the method."""
    storage = open_storage(None, tmp_path)
    study = open_study(spec(), storage)
    study.set_user_attr("made with", {"package": "0.5.0", **spec().made_with()})
    with pytest.raises(InputError, match=r"was made with package = 0.5.0, this command has None; .* another --out"):
        open_study(spec(), storage)
