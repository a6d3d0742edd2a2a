"""The effects of the factorial experiment: exact on values of known effects, and left out where a row is incomplete."""

import numpy as np
import pandas as pd
import pytest

from ablations.suites import SUITES
from ablations.variants import VARIANTS
from reports.analysis.factorial import (
    FULL_LEVELS,
    Effect,
    effect_weights,
    factorial_effects,
    factorial_rows,
    planned_effects,
    row_levels,
)
from reports.analysis.results import DatasetResults
from reports.analysis.statistics import holm, paired_difference
from tests.reports.example_records import failed
from tests.reports.factorial_records import factorial_frame

SEEDS = np.array([-1.0, 0.5, 0.2])
REGION, ATTRIBUTE, CALIBRATION = "region attention", "attribute attention", "self-calibration"


def known(on: dict[str, bool], margin: str) -> list[float]:
    """Region +10, attribute +2 without and -1 with self-calibration, margin 1 +4, +3 more without self-calibration."""
    h = 40.0 + 10 * on[REGION] + (-1 if on[CALIBRATION] else 2) * on[ATTRIBUTE]
    h += {"0": 0.0, "1": 4.0, "validated": 5.0}[margin] + 3 * (margin != "0" and not on[CALIBRATION])
    # Seeds move the effect of region attention.
    return list(h + SEEDS * (1 + on[REGION]))


def effects(frame: pd.DataFrame) -> dict[str, Effect]:
    found = factorial_effects(DatasetResults(frame), "honest")
    names = {effect.name: effect for effect in found}
    assert len(names) == len(found)
    return names


def test_known_effects_come_out() -> None:
    found = effects(factorial_frame(known))
    means = {name: effect.difference.mean for name, effect in found.items()}
    expected = {
        f"{ATTRIBUTE} × {CALIBRATION}": -3.0,
        f"{CALIBRATION} × margin 1 vs 0": -3.0,
        REGION: 10.0 + SEEDS.mean(),
        ATTRIBUTE: -1.0,
        # Without it: +3 of the attribute attention, +3 of the margin.
        CALIBRATION: -6.0,
        "margin 1 vs 0": 4.0,
        "margin validated vs 1": 1.0,
    }
    assert means == pytest.approx(dict.fromkeys(means, 0.0) | expected, abs=1e-9)


def test_an_effect_is_tested_seed_by_seed() -> None:
    found = effects(factorial_frame(known))
    region = paired_difference(pd.Series(10 + SEEDS), pd.Series([0.0, 0.0, 0.0]))
    assert (found[REGION].difference.low, found[REGION].difference.high) == (
        pytest.approx(region.low),
        pytest.approx(region.high),
    )
    assert found[ATTRIBUTE].difference.without_spread and found[ATTRIBUTE].p is None
    random = np.random.default_rng(3)
    noisy = effects(factorial_frame(lambda on, margin: list(np.array(known(on, margin)) + random.normal(0, 1, 3))))
    p_values = [effect.difference.p for effect in noisy.values()]
    assert [effect.p for effect in noisy.values()] == holm(p_values) and None not in p_values


def test_interactions_come_first_and_those_of_most_factors_lead() -> None:
    sizes = [len(contrasts) for contrasts, _ in planned_effects()]
    assert sizes == [4] * 2 + [3] * 7 + [2] * 9 + [1] * 5
    assert [at for _, at in planned_effects() if at] == [FULL_LEVELS] * 5


@pytest.mark.parametrize("planned", list(planned_effects()), ids=lambda planned: str(planned)[:40])
def test_weights_sum_to_zero_and_are_equal_in_size(planned) -> None:
    contrasts, at = planned
    weights = np.array([*effect_weights(contrasts, at).values()])
    assert weights.sum() == pytest.approx(0) and np.ptp(np.abs(weights)) == pytest.approx(0)
    # A difference of k differences: each of its 2^k means has weight 1.
    assert np.abs(weights).sum() == pytest.approx(2 ** len(contrasts))


def test_levels_are_those_of_the_settings() -> None:
    assert row_levels("") == FULL_LEVELS
    assert row_levels(VARIANTS["uniform-calibrated"].change) == ("uniform", "none", "on", "1")
    assert row_levels(VARIANTS["post-hoc-validated-margin"].change) == ("dense", "sigmoid", "off", "validated")
    others = [name for name in SUITES["everything"].variants if row_levels(VARIANTS[name].change) is None]
    assert set(others) == set(SUITES["everything"].variants) - set(SUITES["factorial"].variants)


def test_names_do_not_matter_and_other_rows_do_not_disturb() -> None:
    frame = factorial_frame(known)
    renamed = frame.assign(variant=frame["variant"].map(lambda name: f"row-{name[::-1]}"))
    more = frame[frame["variant"] == "dazle"].assign(variant="random-vectors", change="model.semantics = random")
    assert effects(renamed) == effects(frame) == effects(pd.concat([frame, more]))


def test_without_all_rows_there_are_no_effects() -> None:
    frame = factorial_frame(known)
    part = DatasetResults(frame[frame["variant"] != "uniform-margin-0"])
    assert factorial_rows(part) is None and factorial_effects(part, "honest") == []


def test_an_incomplete_row_leaves_out_the_effects_that_need_it() -> None:
    frame = factorial_frame(known)
    row = frame["variant"] == "uniform-margin-0"
    change = VARIANTS["uniform-margin-0"].change
    planted = pd.DataFrame([failed("uniform-margin-0", 1, error="E: planted", change=change)])
    found = effects(pd.concat([frame[~(row & (frame["seed"] == 1))], planted]))
    complete = {name for name, effect in found.items() if not effect.incomplete}
    assert {REGION, ATTRIBUTE, CALIBRATION, "margin 1 vs 0", "margin validated vs 1"} <= complete
    # Margin 0 has no part in a contrast of the other two.
    assert f"{REGION} × margin validated vs 1" in complete
    lost = found[f"{REGION} × {CALIBRATION}"]
    assert (lost.difference.mean, lost.p, lost.incomplete) == (None, None, ("uniform-margin-0",))
