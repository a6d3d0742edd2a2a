"""Accuracy on seen against accuracy on unseen classes as the margin sweeps (Chao et al. 2016), and where a row stands.

Curves of several seeds are averaged at the same U, the way ROC curves are averaged vertically.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports import captions
from reports.figures.style import Picture, finish, look, new_figure
from reports.results import FULL_MODEL, DatasetResults
from reports.selection import chosen_points
from reports.statistics import summarise
from reports.table import slug

MOST_ROWS = 8
GRID = 101


def seen_unseen(results: DatasetResults, protocol: str) -> Picture | None:
    """None where no record keeps a curve."""
    used = results.used(protocol)
    traced = {variant: _traces(results.done(variant), used) for variant in _rows(results, used)}
    traced = {variant: traces for variant, traces in traced.items() if traces}
    if not traced:
        return None
    figure = new_figure(height=3.2)
    axes = figure.subplots()
    for index, (variant, traces) in enumerate(traced.items()):
        unseen, seen = mean_curve(traces)
        how = look(index)
        area = summarise(results.values(variant, "AUSUC", used)).mean
        axes.plot(unseen, seen, color=how["color"], linestyle=how["linestyle"], label=f"{variant} ({area:.1f})")
        operating = (results.values(variant, "U", used), results.values(variant, "S", used))
        axes.plot(*operating, color=how["color"], marker=how["marker"], linestyle="", markeredgecolor="white",
                  markeredgewidth=0.4)  # fmt: skip
    axes.set_xlabel("U: accuracy on unseen classes [%]")
    axes.set_ylabel("S: accuracy on seen classes [%]")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside lower center", ncols=2, title="row (AUSUC)", title_fontsize=7)
    title = f"{results.name}: seen against unseen"
    return finish(
        figure, slug("seen-unseen", results.name), title, _caption(results, protocol), results.source, results.name
    )


def mean_curve(traces: list[list[tuple[float, float]]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(U, S) of the mean over several curves of (S, U) pairs, from U = 0 to the end that all of them reach."""
    grid = np.linspace(0, min(trace[-1][1] for trace in traces), GRID)
    curves = []
    for trace in traces:
        seen, unseen = np.array(trace).T
        curves.append(np.interp(grid, unseen, seen))
    return grid, np.mean(curves, axis=0)


def _rows(results: DatasetResults, used: str) -> list[str]:
    """All of them where they can be told apart; else the full model and, of each axis, the row whose AUSUC differs most
    from it."""
    if len(results.variants) <= MOST_ROWS or FULL_MODEL not in results.variants:
        return results.variants[:MOST_ROWS]
    areas = {variant: summarise(results.values(variant, "AUSUC", used)).mean for variant in results.variants}
    full = areas[FULL_MODEL]
    if full is None:
        return results.variants[:MOST_ROWS]
    farthest: dict[str, tuple[float, str]] = {}
    for variant in results.variants:
        area, axis = areas[variant], results.axis(variant)
        if axis and area is not None and abs(area - full) > farthest.get(axis, (-1.0, ""))[0]:
            farthest[axis] = (abs(area - full), variant)
    return [FULL_MODEL, *(variant for _, variant in farthest.values())][:MOST_ROWS]


def _traces(cells: pd.DataFrame, used: str) -> list[list[tuple[float, float]]]:
    points = chosen_points(cells, used) if len(cells) else []
    return [trace for point in points if point and (trace := point.get("seen_unseen"))]


def _caption(results: DatasetResults, protocol: str) -> str:
    which = (
        f" Of {len(results.variants)} rows: {FULL_MODEL}, and of each axis the one whose AUSUC differs most from it."
        if len(results.variants) > MOST_ROWS
        else ""
    )
    return (
        f"{captions.features(results)}; {captions.protocol(results, protocol)}. Curve: mean over seeds at the same U "
        "as the margin sweeps, in parentheses the area under it (AUSUC, percent); marks: where each seed "
        f"stands.{which}"
    )
