"""Accuracy on seen against accuracy on unseen classes as the margin sweeps (Chao et al. 2016), and where a row stands.

Curves of several seeds end at different places on the axes, so they are averaged along rays from the origin.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.analysis.protocols import chosen_points
from reports.analysis.results import FULL_MODEL, DatasetResults
from reports.analysis.statistics import summarise
from reports.figures.style import Picture, finish, look, new_figure
from reports.table import slug
from reports.tables import captions

MOST_ROWS = 8
GRID = 101
# Points on each straight piece of a curve, so that a ray meets it where it is.
FINER = 20


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
    """(U, S) of the mean over several curves of (S, U) pairs: of how far each reaches along the same rays."""
    angles = np.linspace(0, np.pi / 2, GRID)
    reach = []
    for trace in traces:
        # From the end on the axis of U to that on the axis of S; between two points the curve is a straight line.
        seen, unseen = np.array([trace[0], *trace, trace[-1]])[::-1].T
        steps = np.linspace(0, 1, FINER, endpoint=False)
        fine_seen, fine_unseen = ((each[:-1, None] + np.outer(np.diff(each), steps)).ravel() for each in (seen, unseen))
        reach.append(np.interp(angles, np.arctan2(fine_seen, fine_unseen), np.hypot(fine_seen, fine_unseen)))
    radius = np.mean(reach, axis=0)
    return radius * np.cos(angles), radius * np.sin(angles)


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
        f"{captions.features(results)}; {captions.protocol(results, protocol)}. Curve: mean over seeds, along rays "
        "from the origin, as the margin sweeps; in parentheses the area under it (AUSUC, percent); marks: where each "
        f"seed stands.{which}"
    )
