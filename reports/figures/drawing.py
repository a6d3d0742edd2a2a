"""All figures of a run, drawn from the data frame of records alone.

`FIGURES` lists a function for each figure. It takes the results of a dataset and a protocol, and returns a picture, or
None if the records lack its values. A failed cell is left out of a picture and does not prevent it.
"""

from collections.abc import Callable, Iterator

import pandas as pd

from reports.analysis.results import DatasetResults
from reports.figures.cost import cost
from reports.figures.curves import curves
from reports.figures.forest import forest
from reports.figures.interactions import interactions
from reports.figures.seen_unseen import seen_unseen
from reports.figures.style import Picture, style

Figure = Callable[[DatasetResults, str], Picture | None]
FIGURES: tuple[Figure, ...] = (interactions, forest, seen_unseen, curves, cost)


def draw(frame: pd.DataFrame, protocol: str = "honest") -> Iterator[Picture]:
    """Every figure of every dataset, in the order of the frame. Yields each figure when it is ready."""
    for results in DatasetResults.per_dataset(frame):
        for figure in FIGURES:
            with style():
                picture = figure(results, protocol)
            if picture is not None:
                yield picture
