"""Which row of a column is the best, and which rows cannot be told from it.

The rule a caller must know: only rows with as many seeds as the fullest row compete, since a mean over fewer seeds is
not a mean over the same splits.
"""

from collections.abc import Mapping

import pandas as pd

from reports.analysis.statistics import LEVEL, holm, paired_difference
from reports.table import Mark


def best_marks(values: Mapping[str, pd.Series]) -> dict[str, tuple[Mark, ...]]:
    """Row -> its marks. values: row -> the metric by seed, higher is better, NaN where there is none.

    The best mean is BEST; TIED is every row whose paired t test against it, after Holm over the rows, is not below
    5 %, or whose differences to it are all 0. With one seed there is no test, and nobody is TIED.
    """
    seeds = {row: int(series.notna().sum()) for row, series in values.items()}
    most = max(seeds.values(), default=0)
    whole = {row: series for row, series in values.items() if seeds[row] == most and most > 0}
    if len(whole) < 2:
        return dict.fromkeys(values, ())
    best = max(whole, key=lambda row: float(whole[row].mean()))
    others = [row for row in whole if row != best]
    against = {row: paired_difference(whole[row], whole[best]) for row in others}
    adjusted = dict(zip(others, holm([against[row].p for row in others]), strict=True))
    tied = {row for row, p in adjusted.items() if (p is not None and p >= LEVEL) or against[row].mean == 0}
    return {row: (Mark.BEST,) if row == best else (Mark.TIED,) if row in tied else () for row in values}
