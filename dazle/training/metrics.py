"""The list of metrics: name, digits, direction and function of each. The judge computes all of them at every point.

The first five are fields of a record's point. Further ones come from files of `--include` and from entry points, by
`register`. A metric is no part of a cell's identity: cells that were trained before it was registered are not trained
again, and have no value of it.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dazle.training.evaluation import Evaluation

# Of the scored images and the margin of the point; None if the value does not exist.
Compute = Callable[["Evaluation", float], float | None]

MOST_DIGITS = 9
NAME = re.compile(r"[A-Za-z](?:[\w ./@%()+-]{0,30}[\w%)])?", re.ASCII)


@dataclass(frozen=True)
class Metric:
    """A number at every point of a curve. `digits`: printed after the decimal point."""

    name: str
    digits: int
    higher_is_better: bool
    compute: Compute


def _with_seen(compute: Compute) -> Compute:
    """None without test images of seen classes (CUB's standard split): the value then does not exist, it is not 0."""
    return lambda evaluation, margin: compute(evaluation, margin) if evaluation.has_seen else None


METRICS: list[Metric] = [
    Metric("S", 1, True, _with_seen(lambda evaluation, margin: evaluation.at(margin).S)),
    Metric("U", 1, True, lambda evaluation, margin: evaluation.at(margin).U),
    Metric("H", 1, True, _with_seen(lambda evaluation, margin: evaluation.at(margin).H)),
    Metric("T1", 1, True, lambda evaluation, _: evaluation.T1),
    Metric("AUSUC", 1, True, _with_seen(lambda evaluation, _: evaluation.AUSUC)),
]
# The metrics that every record has, as fields of its points.
FIELDS = tuple(metric.name for metric in METRICS)
# Names of other columns of results.csv, of tables and of the page, in lower case.
RESERVED = frozenset(
    [name.lower() for name in FIELDS]
    + ["variant", "dataset", "source", "seed", "seeds", "protocol", "epoch", "candidate", "status"]
    + ["pointing", "pointing_chance", "chance", "above chance", "margin", "best_margin_h", "loss", "seconds"]
    + ["axis", "change", "p", "h oracle", "h over seeds", "h over test classes", "images/s", "mib", "cost"]
    + ["about", "reported", "measured", "curves", "settings", "environment", "traceback", "name", "over"]
)


def register(metric: Metric) -> None:
    """Adds a metric.

    Raises ValueError if another metric or column has its name, if the name cannot be a column's, and if the digits are
    not 0 to 9.
    """
    check_name(metric.name)
    if metric.name.lower() in {other.name.lower() for other in METRICS}:
        raise ValueError(f"metric {metric.name!r} is registered already")
    if metric.digits not in range(MOST_DIGITS + 1):
        raise ValueError(f"metric {metric.name!r}: {metric.digits} digits; give 0 to {MOST_DIGITS}")
    METRICS.append(metric)


def check_name(name: str) -> str:
    """The name of a further metric; ValueError if it is another column's, or is not one short line of plain text."""
    if NAME.fullmatch(name) is None:
        raise ValueError(
            f"metric {name!r}: a name is at most 32 letters, digits, spaces and . / @ % ( ) + - _, a letter first"
        )
    if name.lower() in RESERVED:
        raise ValueError(f"metric {name!r}: another column has this name; choose another one")
    return name


def further_metrics() -> list[Metric]:
    """The metrics that were registered beyond the five."""
    return METRICS[len(FIELDS) :]


def metric_values(evaluation: "Evaluation", margin: float) -> dict[str, float | None]:
    """The value of every metric by name, in the order of the list.

    Raises RuntimeError, naming the metric, if one raises, or returns something other than a finite number or None.
    """
    return {metric.name: _value(metric, evaluation, margin) for metric in METRICS}


def _value(metric: Metric, evaluation: "Evaluation", margin: float) -> float | None:
    try:
        value = metric.compute(evaluation, margin)
        number = None if value is None else float(value)
    except Exception as error:
        raise RuntimeError(f"metric {metric.name}: {type(error).__name__}: {error}") from error
    if number is not None and not math.isfinite(number):
        raise RuntimeError(f"metric {metric.name} returned {number}; return None for a value that does not exist")
    return number
