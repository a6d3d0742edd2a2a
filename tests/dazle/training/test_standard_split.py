"""A split that tests unseen classes only: T1 and U are numbers, what needs seen images is None and never 0."""

import numpy as np
import torch

from benchmark.cells.records import Point
from dazle.config import Settings
from dazle.features.splits import final_phase, validation_phase
from dazle.training.fit import fit
from tests.dazle.features.small_features import TEST_SEEN, small

SETTINGS = Settings().changed({"training.epochs": 2})


def test_without_seen_test_images_S_and_H_do_not_exist() -> None:
    features = small(test_seen=TEST_SEEN[:0])
    fitted = fit(features, final_phase(features), SETTINGS, (0, "small", 0), torch.device("cpu"))
    for point in fitted.curve:
        assert [point[key] for key in ("S", "H", "AUSUC", "best_margin", "best_margin_H", "seen_unseen")] == [None] * 6
        assert 0 <= point["U"] <= point["T1"] <= 100
        assert Point.model_validate(point).H is None


def test_validation_and_T1_are_those_of_the_full_split() -> None:
    unseen_only, full = small(test_seen=TEST_SEEN[:0]), small()
    curves = [
        fit(features, validation_phase(features, 1), SETTINGS, (0, "small", 0), torch.device("cpu")).curve
        for features in (unseen_only, full)
    ]
    assert [point["H"] for point in curves[0]] == [point["H"] for point in curves[1]]
    assert not any(point["H"] is None for point in curves[0])
    tests = [
        fit(features, final_phase(features), SETTINGS, (0, "small", 0), torch.device("cpu")).curve
        for features in (unseen_only, full)
    ]
    np.testing.assert_allclose([point["T1"] for point in tests[0]], [point["T1"] for point in tests[1]])
