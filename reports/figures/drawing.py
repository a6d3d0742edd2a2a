"""The figures of a run, drawn from the data frame of records alone.

One list, `FIGURES`: a function takes the results of a dataset and a protocol and gives a picture, or None where the
records have nothing to show. A failed cell is left out of a picture, never a reason for there being none.
"""

from collections.abc import Callable, Iterator

import pandas as pd

from reports.analysis.results import DatasetResults
from reports.figures.cost import cost
from reports.figures.curves import curves
from reports.figures.forest import forest
from reports.figures.seen_unseen import seen_unseen
from reports.figures.style import Picture, style

FIGURES: tuple[Callable[[DatasetResults, str], Picture | None], ...] = (forest, seen_unseen, curves, cost)


def draw(frame: pd.DataFrame, protocol: str = "honest") -> Iterator[Picture]:
    """Every figure of every dataset, in the order of the frame, as they are drawn."""
    for results in DatasetResults.of(frame):
        for figure in FIGURES:
            with style():
                picture = figure(results, protocol)
            if picture is not None:
                yield picture
