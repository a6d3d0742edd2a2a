"""Records of the factorial suite with given values of H."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from ablations.suites import SUITES
from ablations.variants import VARIANTS
from reports.analysis.factorial import Levels, row_levels
from tests.reports.example_records import rows

FULL = {"region attention": "dense", "attribute attention": "sigmoid", "self-calibration": "on"}


def factorial_frame(values: Callable[[dict[str, bool], str], list[float]], **more: Any) -> pd.DataFrame:
    """`values`: H by seed, from which switches are on and from the margin."""
    cells = []
    for name in SUITES["factorial"].variants:
        variant = VARIANTS[name]
        levels: Levels | None = row_levels(variant.change)
        assert levels is not None, name
        on = {factor: level == FULL[factor] for factor, level in zip(FULL, levels, strict=False)}
        cells += rows(name, values(on, levels[-1]), axis=variant.axis, change=variant.change, **more)
    return pd.DataFrame(cells)
