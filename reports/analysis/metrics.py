"""The metrics of tables, results.csv and the page: the five that every record has, and further ones of a run.

The rule a caller must know: further metrics have units and a direction of their own. The data frame of records
describes them (its column `metrics`, which comes from the manifest).
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class ReportedMetric:
    """A metric by name. `digits`: printed after the decimal point."""

    name: str
    digits: int = 1
    higher_is_better: bool = True


# In percent, with one digit, and higher is better; a test compares them with the metrics of `dazle.training.metrics`.
ACCURACIES = tuple(map(ReportedMetric, ("S", "U", "H", "T1")))
FIXED = (*ACCURACIES, ReportedMetric("AUSUC"))


def further_metrics(frame: pd.DataFrame) -> tuple[ReportedMetric, ...]:
    """The metrics beyond the five that the rows of the frame name, in the order of their first mention."""
    if "metrics" not in frame:
        return ()
    # The rows of one run share one list, and rows of a frame without the column have none.
    lists = {id(entries): entries for entries in frame["metrics"] if isinstance(entries, list)}
    metrics = {entry["name"]: ReportedMetric(**entry) for entries in lists.values() for entry in entries}
    return tuple(metrics.values())


def metric_value(point: dict[str, Any], metric: ReportedMetric) -> float | None:
    """The value of a metric at a point; None if the point has none, as in records from before the metric was added."""
    values = point if metric in FIXED else point.get("metrics") or {}
    return values.get(metric.name)
