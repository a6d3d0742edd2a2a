"""Rows ranked over datasets: when a critical-difference diagram may be drawn, and what it would show.

The rule a caller must know: datasets are the sample here, and there are three or four of them. Such a comparison has
almost no power; it is given only where at least one difference could be found at all, and with its caveat.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, sqrt

import pandas as pd
from scipy import stats

from reports.analysis.statistics import LEVEL
from reports.table import Cell, Column, Row, Table


@dataclass(frozen=True)
class RankComparison:
    """Mean ranks (1 is best), ascending, over `datasets`; `p` of Friedman's test; ranks nearer to each other than
    `critical_difference` (Nemenyi, 5 %) are not told apart."""

    ranks: Mapping[str, float]
    datasets: tuple[str, ...]
    p: float
    critical_difference: float

    @property
    def caveat(self) -> str:
        """What has to stand beside the diagram."""
        return (
            f"Ranks over {len(self.datasets)} datasets, each counted once whatever its seeds: so few that only large "
            f"and constant differences can show. Friedman's test: p = {self.p:.2g}"
            + ("" if self.p < LEVEL else ", so no two rows may be called different")
        )


def rank_comparison(means: pd.DataFrame) -> RankComparison | str:
    """The comparison, or in one line why there is none.

    means: the metric, higher is better, of rows (index) on datasets (columns). Rows that lack a dataset are left out,
    since ranks would not be among equals.
    """
    whole = means.dropna()
    rows, datasets = whole.shape
    if rows < 3 or datasets < 2:
        return f"no ranks: {rows} rows that ran on all of {datasets} datasets; it takes 3 rows and 2 datasets"
    critical = critical_difference(rows, datasets)
    if critical >= rows - 1:
        return (
            f"no ranks: over {datasets} datasets, {rows} rows would have to be {critical:.1f} ranks apart to differ, "
            f"and no two can be more than {rows - 1} apart"
        )
    by_dataset = whole.rank(axis=0, ascending=False)
    ranks = by_dataset.mean(axis=1).sort_values()
    # Where all rows tie everywhere there is nothing to test.
    p = float(stats.friedmanchisquare(*whole.to_numpy()).pvalue) if by_dataset.nunique().max() > 1 else 1.0
    return RankComparison({str(row): float(rank) for row, rank in ranks.items()}, tuple(whole.columns), p, critical)


def critical_difference(rows: int, datasets: int) -> float:
    """Nemenyi's at 5 % (Demsar 2006): q sqrt(k (k + 1) / (6 N)) of k rows over N datasets."""
    q = stats.studentized_range.ppf(1 - LEVEL, rows, inf) / sqrt(2)
    return float(q * sqrt(rows * (rows + 1) / (6 * datasets)))


def rank_table(comparison: RankComparison, metric: str, about: str, constants: Mapping[str, str]) -> Table:
    """Rows by mean rank; `about` says of which features and protocol."""
    caption = (
        f"{about}. Mean rank in {metric} (1 is best). Nemenyi's critical difference at 5 %: "
        f"{comparison.critical_difference:.1f} ranks. {comparison.caveat}."
    )
    rows = tuple(Row(name, (Cell(text=name), Cell(rank))) for name, rank in comparison.ranks.items())
    return Table("ranks", caption, (Column("variant", kind="text"), Column("mean rank", digits=2)), rows, (), constants)
