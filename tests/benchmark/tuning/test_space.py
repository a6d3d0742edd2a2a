"""A search space follows from the row: settings that the row or the user fixes, or that have no effect, are left out."""

import pytest

from ablations.methods import load_method
from ablations.variants import VARIANTS
from benchmark.tuning.space import search_space
from dazle.config import DATASETS, Settings
from dazle.errors import InputError
from tests.benchmark.tuning.studies import cell, spec

EVERY = {
    "loss.lambda", "loss.train_margin", "loss.test_margin", "training.batch_size", "training.learning_rate",
    "training.weight_decay", "training.momentum",
}  # fmt: skip
NOT_TUNED = {
    "dazle": set(),
    "uniform": set(),
    "lambda-0": {"loss.lambda", "loss.train_margin"},
    "lambda-1": {"loss.lambda"},
    "validated-margin": {"loss.test_margin"},
    "no-train-margin": {"loss.train_margin"},
    "post-hoc-validated-margin": {"loss.lambda", "loss.train_margin", "loss.test_margin"},
    "uniform-uncalibrated": {"loss.lambda", "loss.train_margin", "loss.test_margin"},
}


@pytest.mark.parametrize("variant", NOT_TUNED)
def test_what_a_row_settles_or_switches_off_is_not_tuned(variant: str) -> None:
    assert spec(variant).space.keys() == EVERY - NOT_TUNED[variant]


def test_what_the_user_sets_is_not_tuned_and_what_that_switches_off_neither() -> None:
    assert spec(loss__lambda=0.0, training__epochs=2).space.keys() == EVERY - {"loss.lambda", "loss.train_margin"}


def test_epochs_are_chosen_by_the_curve() -> None:
    assert "training.epochs" not in Settings().ranges()


def test_nothing_left_to_tune_is_refused() -> None:
    with pytest.raises(InputError, match="nothing is left to tune"):
        search_space(Settings(), EVERY)


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("variant", [name for name, variant in VARIANTS.items() if variant.method == "dazle"])
def test_the_rows_own_setting_is_in_every_range_and_both_ends_are_valid(variant: str, name: str) -> None:
    changes = VARIANTS[variant].changes
    for settings in (Settings.preset(name).changed(changes), cell("dazle", name).settings.changed(changes)):
        space = search_space(settings, changes.keys())
        assert space
        for key, limits in space.items():
            assert limits.low <= settings.flat()[key] <= limits.high
            assert not limits.log or limits.low > 0
            for end in (limits.low, limits.high):
                assert settings.changed({key: end}).flat()[key] == pytest.approx(end)


def test_a_learning_rate_is_looked_for_around_the_datasets_own() -> None:
    own = cell().settings.training.learning_rate
    limits = spec().space["training.learning_rate"]
    assert (limits.low, limits.high, limits.log) == (pytest.approx(own / 10), pytest.approx(own * 10), True)


def test_a_logarithmic_range_with_a_value_of_0_becomes_linear() -> None:
    settings = load_method("cn-zsl").Settings.preset("cub").changed({"training.weight_decay": 0.0})
    limits = search_space(settings, ())["training.weight_decay"]
    assert (limits.low, limits.log) == (0.0, False)
    assert search_space(settings, ())["training.learning_rate"].log
