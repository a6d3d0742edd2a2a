"""The rows of the suites: the factorial design is complete, and `everything` has each row of the tables once."""

from collections import Counter

import pytest

from ablations.suites import SUITES
from ablations.variants import VARIANTS
from dazle.config import PRESETS, Settings

SELF_CALIBRATION = {("all", 0.1, 1.0): "on", ("seen", 0.0, 0.0): "off"}
FACTORS = {
    "model.region_attention",
    "model.attribute_attention",
    "loss.ce_classes",
    "loss.lambda",
    "loss.train_margin",
    "loss.test_margin",
}


def levels(settings: Settings) -> tuple[object, ...]:
    model, loss = settings.model, settings.loss
    calibration = SELF_CALIBRATION[loss.ce_classes, loss.lambda_, loss.train_margin]
    return model.region_attention, model.attribute_attention, calibration, loss.test_margin


@pytest.mark.parametrize("preset", PRESETS)
def test_the_factorial_has_every_combination_of_levels_once_and_changes_nothing_else(preset: str) -> None:
    base = Settings.preset(preset)
    rows = [base.changed(VARIANTS[name].changes) for name in SUITES["factorial"].variants]
    counts = [Counter(column) for column in zip(*map(levels, rows), strict=True)]
    assert len(set(map(levels, rows))) == len(rows) == 24
    assert counts == [
        {"dense": 12, "uniform": 12},
        {"sigmoid": 12, "none": 12},
        {"on": 12, "off": 12},
        {0.0: 8, 1.0: 8, "validated": 8},
    ]
    for row in rows:
        assert {key for key, value in row.flat().items() if value != base.flat()[key]} <= FACTORS


def test_the_factorial_has_eight_trainings_and_starts_with_the_full_model() -> None:
    settings = [Settings().changed(VARIANTS[name].changes) for name in SUITES["factorial"].variants]
    assert len({item.changed({"loss.test_margin": 0.0}) for item in settings}) == 8
    assert SUITES["factorial"].variants[0] == "dazle" and SUITES["factorial"].seeds == 6


def test_rows_that_were_there_before_the_factorial_keep_their_names() -> None:
    assert set(SUITES["factorial"].variants) >= {
        "dazle",
        "no-test-margin",
        "validated-margin",
        "uniform",
        "dense-calibrated",
        "dense-gated-uncalibrated",
        "post-hoc-margin",
        "post-hoc-validated-margin",
        "dense-uncalibrated",
        "uniform-calibrated",
        "uniform-uncalibrated",
    }


def test_everything_has_each_row_of_the_other_suites_once() -> None:
    names = SUITES["everything"].variants
    assert names[0] == "dazle" and len(set(names)) == len(names)
    assert set(names) == set().union(*(suite.variants for name, suite in SUITES.items() if name != "everything"))
