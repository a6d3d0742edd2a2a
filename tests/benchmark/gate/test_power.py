"""The stated power is the power: drops of that size are found 95 times in 100, smaller ones less often."""

import numpy as np
import pytest
from scipy import stats

from benchmark.gate.accepted import Metric
from benchmark.gate.candidate import read_candidate
from benchmark.gate.power import POWER, excess_needed, smallest_drops
from benchmark.gate.verdicts import ALPHA
from tests.benchmark.example_run import read_run

VALUES = {
    "dazle": [70.0, 72.0, 71.0, 73.0, 70.5, 71.5],
    "uniform": [30.0, 33.0, 27.0, 31.0, 28.0, 31.0],
}


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory):
    return read_candidate(read_run(tmp_path_factory.mktemp("power"), VALUES)).results


def test_a_drop_of_the_stated_size_is_found_as_often_as_stated(accepted) -> None:
    power = smallest_drops(accepted)
    assert power is not None
    assert (power.repetitions, power.comparisons) == (6, 2)
    random = np.random.default_rng(1)
    for key, drop in power.one_row.items():
        spread = np.std(VALUES[key[1]], ddof=1)
        for size, low, high in ((drop, 0.93, 0.97), (0.7 * drop, 0, 0.9)):
            differences = random.normal(-size, np.sqrt(2) * spread, (20_000, 6))
            rejected = stats.ttest_1samp(differences, -0.5, axis=1, alternative="less").pvalue <= ALPHA / 2
            assert low < rejected.mean() < high


def test_a_wider_spread_needs_a_larger_drop_and_two_rows_see_more_than_one(accepted) -> None:
    power = smallest_drops(accepted)
    assert power is not None
    assert power.one_row["cub", "dazle"] < power.one_row["cub", "uniform"]
    assert power.all_rows < power.one_row["cub", "dazle"]
    assert f"the same drop of all rows is found from {power.all_rows:.1f} H on" in str(power)
    assert "found 95 % of the time in 2 of 2 rows" in str(power)


def test_rows_without_spread_are_found_right_beyond_the_tolerance() -> None:
    needed = excess_needed(np.full((1, 6), 50.0), 0.05, np.random.default_rng(0))
    assert np.quantile(needed, POWER) == 0


def test_there_is_no_power_if_no_row_is_compared_in_H(accepted) -> None:
    other = {**accepted.metrics, "H": Metric(), "T1": Metric(tolerance=0.5)}
    assert smallest_drops(accepted.model_copy(update={"metrics": other})) is None
