"""How the reported epoch of a cell is chosen: one tiny class a protocol.

A cell keeps its whole validation and test curves; nothing but this module decides which point is reported.
The rule a caller must know: `Honest` never looks at a test number, `Oracle` looks at nothing else.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

Point = dict[str, Any]
Curve = Sequence[Point]

KEY = ["variant", "dataset", "source", "seed"]
RESULT = ["epoch", "S", "U", "H", "T1", "AUSUC"]
FURTHER = ["pointing", "pointing_chance", "margin", "best_margin_H"]


class Protocol:
    """A rule that picks one point of the test curve."""

    name: str
    title: str  # printed above tables

    def choose(self, validation: Sequence[Curve], test: Curve) -> int | None:
        """The index into `test` of the reported point, None where the rule has nothing to go by.

        validation: one curve a fold, empty without a validation phase; test: the curve of the test phase.
        """
        raise NotImplementedError


class Honest(Protocol):
    """The epoch at which the validation H, averaged over folds, is first at its best."""

    name = "honest"
    title = "honest protocol: the epoch that validation chose"

    def choose(self, validation: Sequence[Curve], test: Curve) -> int | None:
        folds = [fold for fold in validation if fold]
        if not folds or not test:
            return None
        best = _first_best(averaged(folds, "H"))
        return _nearest(test, folds[0][best]["fraction"])


class Last(Protocol):
    """The last epoch of the schedule."""

    name = "last"
    title = "last epoch, nothing selected"

    def choose(self, validation: Sequence[Curve], test: Curve) -> int | None:
        return len(test) - 1 if test else None


class Oracle(Protocol):
    """The epoch with the best test H, as the reference code reports: an upper bound, not a result.

    Where no seen class is tested there is no H, and T1 takes its place, as in the reference too.
    """

    name = "oracle"
    title = "oracle protocol: the epoch with the best test H"

    def choose(self, validation: Sequence[Curve], test: Curve) -> int | None:
        return _first_best([point["T1"] if point["H"] is None else point["H"] for point in test]) if test else None


PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (Honest(), Last(), Oracle())}


def averaged(curves: Sequence[Curve], metric: str) -> list[float]:
    """The metric at each point of the first curve, averaged over all of them where they are equally far trained."""
    matched = [[curve[_nearest(curve, point["fraction"])][metric] for curve in curves] for point in curves[0]]
    return [float(value) for value in np.array(matched, dtype=float).mean(axis=1)]


def select(frame: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """One row a cell, in the order of `frame`: its key, the protocol and the chosen test point (percent).

    Values are NaN for a cell that is not done and where the protocol chooses nothing.
    Raises ValueError for an unknown protocol.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}: choose one of {', '.join(PROTOCOLS)}")
    records = frame.to_dict("records")
    rows = [_reported(record, PROTOCOLS[protocol]) for record in records]
    chosen = pd.DataFrame(rows, columns=[*KEY, "protocol", *RESULT, *FURTHER, "status"])
    return chosen.astype(dict.fromkeys([*RESULT, *FURTHER], float))


def chosen_points(frame: pd.DataFrame, protocol: str) -> list[Point | None]:
    """The whole chosen point of every cell, in the order of `frame`: per-class counts too."""
    return [_chosen(record, PROTOCOLS[protocol]) for record in frame.to_dict("records")]


def results(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a cell and protocol, cell by cell: what is written as results.csv (NaN becomes empty there)."""
    every = pd.concat([select(frame, protocol) for protocol in PROTOCOLS]).sort_index(kind="stable")
    return every.reset_index(drop=True)[[*KEY, "protocol", *RESULT, "status", *FURTHER]]


def _reported(record: dict[Any, Any], protocol: Protocol) -> dict[str, Any]:
    row = {column: record[column] for column in [*KEY, "status"]} | {"protocol": protocol.name}
    point = _chosen(record, protocol) or {}
    return row | {column: point.get(column) for column in [*RESULT, *FURTHER]}


def _chosen(record: dict[Any, Any], protocol: Protocol) -> Point | None:
    # A failed cell may have left part of a curve; it never counts as done.
    chosen = protocol.choose(record["validation"], record["test"]) if record["status"] == "done" else None
    return None if chosen is None else record["test"][chosen]


def _nearest(curve: Curve, fraction: float) -> int:
    return int(np.argmin([abs(point["fraction"] - fraction) for point in curve]))


def _first_best(values: Any) -> int:
    # A diverged point (NaN) must not win, as it would in a plain arg-max.
    return int(np.argmax(np.nan_to_num(np.array(values, dtype=float), nan=-1.0)))
