"""The cells of a run as JSON for the page, small enough for pages with hundreds of cells.

Settings, environments and tracebacks that several cells share are written once and numbered; percentages are rounded to
a tenth. A missing value is None.
"""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.analysis.metrics import ACCURACIES, FIXED, ReportedMetric, further_metrics, metric_value
from reports.analysis.protocols import PROTOCOLS, check_protocol, reported_points, select

TEXTS = ("dataset", "variant", "status")
EPOCH_DIGITS, MARGIN_DIGITS, LOSS_DIGITS, SECONDS_DIGITS = 3, 2, 3, 1
MIB = 2**20


def cell_data(frame: pd.DataFrame, protocol: str) -> dict[str, Any]:
    """The content of the page's `data` element: columns, metrics, cells in the order of `frame`, values they share.

    frame: one row per cell, the columns of `OutputFolder.frame`. The numbers of a cell are those of `protocol`.
    Raises ValueError for an unknown protocol.
    """
    check_protocol(protocol)
    selections = {name: select(frame, name) for name in PROTOCOLS}
    points = selections[protocol].to_dict("records")
    metrics = (*FIXED, *further_metrics(frame))
    reported = {name: reported_points(frame, name) for name in PROTOCOLS}
    settings, environments, tracebacks = _SharedValues(), _SharedValues(), _SharedValues()
    cells = []
    for index, (row, point) in enumerate(zip(frame.to_dict("records"), points, strict=True)):
        cell = {key: row[key] for key in TEXTS} | {"seed": int(row["seed"])}
        cell |= {"epoch": _rounded(point["epoch"], EPOCH_DIGITS), "seconds": _rounded(row["seconds"], SECONDS_DIGITS)}
        cell |= {metric.name: _rounded(point[metric.name], metric.digits) for metric in _listed(metrics)}
        cell |= {
            "about": _about(row),
            "reported": {
                name: _place(reported[name][index], row["test"]) for name in PROTOCOLS if reported[name][index]
            },
            "measured": _measurements(row),
            "curves": _curves(row, metrics),
            "settings": settings.number(row["identity"] and row["identity"]["settings"]),
            "environment": environments.number(row["environment"]),
            "traceback": tracebacks.number(row["traceback"]),
        }
        cells.append(cell)
    return {
        "columns": _columns(metrics),
        "metrics": [{"name": metric.name, "digits": metric.digits} for metric in metrics],
        "cells": cells,
        "settings": settings.values,
        "environments": environments.values,
        "tracebacks": tracebacks.values,
    }


def _listed(metrics: Sequence[ReportedMetric]) -> list[ReportedMetric]:
    """The metrics with a column in the table of cells."""
    return [metric for metric in metrics if metric not in FIXED or metric in ACCURACIES]


def _columns(metrics: Sequence[ReportedMetric]) -> list[dict[str, Any]]:
    digits = {metric.name: metric.digits for metric in _listed(metrics)}
    keys = ("dataset", "variant", "seed", "status", "epoch", *digits, "seconds")
    digits["seconds"] = SECONDS_DIGITS
    return [{"key": key, "kind": "text" if key in TEXTS else "number", "digits": digits.get(key)} for key in keys]


class _SharedValues:
    """Distinct values, numbered in the order of their first use."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, value: Any) -> int | None:
        """The number of the value; None for a missing one."""
        if pd.isna(value):
            return None
        key = json.dumps(value, sort_keys=True)
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]


def _about(row: dict[Any, Any]) -> str:
    state = row["status"] if pd.isna(row["error"]) else f"{row['status']}: {row['error']}"
    change = f"{row['label']}: {row['change']}" if row["change"] else "full model"
    return f"{state} · {change}"


def _measurements(row: dict[Any, Any]) -> dict[str, Any]:
    peak, parameters = row["peak_memory"], row["parameters"]
    return {
        "id of the cell": row["cell"],
        "seconds": _rounded(row["seconds"], SECONDS_DIGITS),
        "training images a second": _rounded(row["images_per_second"], 0),
        "peak memory, MiB": None if pd.isna(peak) else round(peak / MIB),
        "parameters": None if pd.isna(parameters) else int(parameters),
    }


def _curves(row: dict[Any, Any], metrics: Sequence[ReportedMetric]) -> list[dict[str, Any]]:
    """The curves of the validation folds, then of the test; empty for a cell that is not done."""
    if row["status"] != "done":
        return []
    folds = [(f"validation, fold {number}", fold) for number, fold in enumerate(row["validation"], start=1)]
    return [_curve(name, points, metrics) for name, points in [*folds, ("test", row["test"])]]


def _curve(name: str, points: Sequence[dict[str, Any]], metrics: Sequence[ReportedMetric]) -> dict[str, Any]:
    columns = {"epoch": [_place(point, points) for point in points]}
    columns |= {
        metric.name: [_rounded(metric_value(point, metric), metric.digits) for point in points] for metric in metrics
    }
    columns["margin"] = [_rounded(point["margin"], MARGIN_DIGITS) for point in points]
    losses = [_rounded((point["loss"] or {}).get("total"), LOSS_DIGITS) for point in points]
    over = "candidate" if points and points[0]["epoch"] is None else "epoch"
    return {"name": name, "over": over, **columns, "loss": losses}


def _place(point: dict[str, Any], curve: Sequence[dict[str, Any]]) -> float | None:
    """The epoch of a point; in a curve over candidate regularisers its number, from 1."""
    if point["epoch"] is None:
        return next(number for number, other in enumerate(curve, 1) if other["fraction"] == point["fraction"])
    return _rounded(point["epoch"], EPOCH_DIGITS)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or pd.isna(value) else round(float(value), digits)
