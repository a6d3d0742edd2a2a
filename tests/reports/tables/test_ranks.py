"""When rows may be ranked over datasets, and what comes out."""

import numpy as np
import pandas as pd
import pytest

from reports.tables.ranks import RankComparison, critical_difference, rank_comparison, rank_table
from reports.writers import markdown


def means(rows: int, datasets: int, seed: int = 0) -> pd.DataFrame:
    noise = np.random.default_rng(seed).normal(0, 1, (rows, datasets))
    order = -10.0 * np.arange(rows)[:, None]
    return pd.DataFrame(order + noise, [f"r{i}" for i in range(rows)], [f"d{i}" for i in range(datasets)])


@pytest.mark.parametrize(("rows", "q"), [(3, 2.343), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_that_of_demsars_table(rows: int, q: float) -> None:
    assert critical_difference(rows, 7) == pytest.approx(q * np.sqrt(rows * (rows + 1) / 42), rel=2e-3)


def test_ranks_of_rows_that_are_ordered_alike_everywhere() -> None:
    found = rank_comparison(means(5, 8))
    assert isinstance(found, RankComparison)
    assert found.ranks == {f"r{i}": i + 1.0 for i in range(5)}
    assert found.p < 0.001 and "may be called different" not in found.caveat
    assert "only large and constant differences" in found.caveat
    table = rank_table(found, "H", "SIMULATED", {})
    assert "| r0        |        1.00 |" in markdown.render(table)


def test_no_ranks_where_no_difference_could_be_found() -> None:
    why = rank_comparison(means(23, 2))
    assert isinstance(why, str) and "no two can be more than 22 apart" in why
    assert "it takes 3 rows and 2 datasets" in str(rank_comparison(means(5, 1)))


def test_rows_without_a_dataset_are_left_out() -> None:
    holes = means(6, 8)
    holes.iloc[2, 3] = float("nan")
    found = rank_comparison(holes)
    assert isinstance(found, RankComparison) and list(found.ranks) == ["r0", "r1", "r3", "r4", "r5"]


def test_rows_that_tie_everywhere_are_not_different() -> None:
    found = rank_comparison(means(5, 8) * 0)
    assert (
        isinstance(found, RankComparison) and found.p == 1.0 and "no two rows may be called different" in found.caveat
    )
