"""The protocols, which pick the reported epoch of a cell (honest, last, oracle), and the rows of `results.csv`.

A record keeps the whole validation and test curves; only this module picks the point that is reported.
The rule a caller must know: `Honest` reads no test number, `Oracle` reads nothing else.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from reports.analysis.metrics import FIXED, further_metrics, metric_value

Point = dict[str, Any]
Curve = Sequence[Point]

# The columns of results.csv are KEY, `protocol`, RESULT, `status`, FURTHER, CANDIDATE and the run's further metrics
# (`result_rows`).
KEY = ["variant", "dataset", "source", "seed"]
RESULT = ["epoch", *(metric.name for metric in FIXED)]
FURTHER = ["pointing", "pointing_chance", "margin", "best_margin_H"]
# A regulariser as text, if the curve of the method runs over candidates.
CANDIDATE = "candidate"


class Protocol:
    """A rule that picks one point of the test curve."""

    name: str
    title: str  # printed above tables

    def choose(self, validation: Sequence[Curve], test: Curve) -> int | None:
        """The index into `test` of the reported point; None if the curves that the rule reads are empty.

        validation: one curve a fold, empty without a validation phase; test: the curve of the test phase.
        """
        raise NotImplementedError


class Honest(Protocol):
    """The first epoch, or candidate regulariser, with the best validation H, averaged over folds."""

    name = "honest"
    title = "honest protocol: the epoch, or regulariser, that validation chose"

    def choose(self, validation: Sequence[Curve], test: Curve) -> int | None:
        folds = [fold for fold in validation if fold]
        if not folds or not test:
            return None
        best = _first_best(averaged(folds, "H"))
        return _nearest(test, folds[0][best]["fraction"])


class Last(Protocol):
    """The last epoch of the schedule. A curve over candidate regularisers has no last epoch, and so no value."""

    name = "last"
    title = "last epoch, nothing selected"

    def choose(self, validation: Sequence[Curve], test: Curve) -> int | None:
        return len(test) - 1 if test and not test[-1].get(CANDIDATE) else None


class Oracle(Protocol):
    """The epoch with the best test H, as in the reference code: an upper bound, not a result.

    If no seen class is tested, there is no H and the best T1 decides, as in the reference code.
    """

    name = "oracle"
    title = "oracle protocol: the epoch with the best test H"

    def choose(self, validation: Sequence[Curve], test: Curve) -> int | None:
        return _first_best([point["T1"] if point["H"] is None else point["H"] for point in test]) if test else None


PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (Honest(), Last(), Oracle())}


def check_protocol(name: str) -> None:
    """Raises ValueError for an unknown protocol."""
    if name not in PROTOCOLS:
        raise ValueError(f"unknown protocol {name!r}: choose one of {', '.join(PROTOCOLS)}")


def averaged(curves: Sequence[Curve], metric: str) -> list[float]:
    """The mean of the metric over all curves at each point of the first curve, paired by fraction of the schedule.

    NaN if the nearest point of any curve has no value.
    """
    values = [[curve[_nearest(curve, point["fraction"])][metric] for curve in curves] for point in curves[0]]
    return [float(mean) for mean in np.array(values, dtype=float).mean(axis=1)]


def select(frame: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """One row a cell, in the order of `frame`: its key, the protocol and the reported test point (percent).

    Values are NaN if the cell is not done or the protocol picks no point. Raises ValueError for an unknown protocol.
    """
    points, metrics = reported_points(frame, protocol), further_metrics(frame)
    names = [metric.name for metric in metrics]
    cells = frame[[*KEY, "status"]].to_dict("records")
    rows = [
        cell
        | {"protocol": protocol, CANDIDATE: candidate_text(point)}
        | {column: point.get(column) for column in [*RESULT, *FURTHER]}
        | {metric.name: metric_value(point, metric) for metric in metrics}
        for cell, point in zip(cells, points, strict=True)
    ]
    selection = pd.DataFrame(rows, columns=[*KEY, "protocol", *RESULT, *FURTHER, CANDIDATE, "status", *names])
    return selection.astype(dict.fromkeys([*RESULT, *FURTHER, *names], float))


def reported_points(frame: pd.DataFrame, protocol: str) -> list[Point]:
    """The reported point of every cell with all its values, in the order of `frame`; empty if there is none.

    Raises ValueError for an unknown protocol.
    """
    check_protocol(protocol)
    choose = PROTOCOLS[protocol].choose
    columns = (frame[name] for name in ("status", "validation", "test"))
    points: list[Point] = []
    for status, validation, test in zip(*columns, strict=True):
        # A failed cell may have left a part of its curve; such a part is not a result.
        index = choose(validation, test) if status == "done" else None
        points.append({} if index is None else test[index])
    return points


def result_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The content of results.csv: one row per cell and protocol, cell by cell; NaN is written as an empty field."""
    selections = pd.concat([select(frame, protocol) for protocol in PROTOCOLS]).sort_index(kind="stable")
    columns = [*KEY, "protocol", *RESULT, "status", *FURTHER, CANDIDATE]
    return selections.reset_index(drop=True)[columns + [metric.name for metric in further_metrics(frame)]]


def candidate_text(point: Point) -> str | None:
    """The regulariser of a point, as `name=value ..`; None for a point of a curve over epochs."""
    return " ".join(f"{name}={value:g}" for name, value in (point.get(CANDIDATE) or {}).items()) or None


def at_edge(point: Point, curve: Curve) -> list[str]:
    """The regularisers of a point whose value is the smallest or largest candidate: a better one may lie beyond.

    A regulariser with fewer than three candidates has no inside, and is not named.
    """
    names = []
    for name, value in (point.get(CANDIDATE) or {}).items():
        values = sorted({other[CANDIDATE][name] for other in curve})
        if len(values) > 2 and value in (values[0], values[-1]):
            names.append(name)
    return names


def _nearest(curve: Curve, fraction: float) -> int:
    return int(np.argmin([abs(point["fraction"] - fraction) for point in curve]))


def _first_best(values: Sequence[float | None]) -> int:
    # A diverged point is NaN, which a plain arg-max would return.
    return int(np.argmax(np.nan_to_num(np.array(values, dtype=float), nan=-1.0)))
