"""The figure of the seen-unseen curve (Chao et al. 2016): accuracy on seen against unseen classes over all margins.

Curves of several seeds end at different points of the axes, so they are averaged along rays from the origin.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.analysis.protocols import reported_points
from reports.analysis.results import FULL_MODEL, DatasetResults
from reports.analysis.statistics import summarise
from reports.figures.style import Picture, finish, new_figure, series_look
from reports.table import slug
from reports.tables import captions

MOST_ROWS = 8
GRID = 101
# Points that are added on each straight piece of a curve, so that rays meet the piece itself.
FINER = 20


def seen_unseen(results: DatasetResults, protocol: str) -> Picture | None:
    """None if no record has a curve."""
    available = results.available_protocol(protocol)
    traces_by_variant = {
        variant: traces
        for variant in _variants(results, available)
        if (traces := _traces(results.finished_cells(variant), available))
    }
    if not traces_by_variant:
        return None
    figure = new_figure(height=3.2)
    axes = figure.subplots()
    for index, (variant, traces) in enumerate(traces_by_variant.items()):
        unseen, seen = mean_curve(traces)
        look = series_look(index)
        area = summarise(results.values(variant, "AUSUC", available)).mean
        axes.plot(unseen, seen, color=look["color"], linestyle=look["linestyle"], label=f"{variant} ({area:.1f})")
        points = (results.values(variant, "U", available), results.values(variant, "S", available))
        axes.plot(*points, color=look["color"], marker=look["marker"], linestyle="", markeredgecolor="white",
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
    """(U, S) of the mean curve: the mean distance from the origin at which the curves of (S, U) pairs meet each ray."""
    angles = np.linspace(0, np.pi / 2, GRID)
    distances = []
    for trace in traces:
        # From the axis of U to the axis of S; the curve is a straight line between two points.
        seen, unseen = np.array([trace[0], *trace, trace[-1]])[::-1].T
        steps = np.linspace(0, 1, FINER, endpoint=False)
        fine_seen, fine_unseen = (
            (values[:-1, None] + np.outer(np.diff(values), steps)).ravel() for values in (seen, unseen)
        )
        distances.append(np.interp(angles, np.arctan2(fine_seen, fine_unseen), np.hypot(fine_seen, fine_unseen)))
    radius = np.mean(distances, axis=0)
    return radius * np.cos(angles), radius * np.sin(angles)


def _variants(results: DatasetResults, protocol: str) -> list[str]:
    """All variants if there are few; else the full model and, of each axis, the variant whose AUSUC differs most."""
    if len(results.variants) <= MOST_ROWS or FULL_MODEL not in results.variants:
        return results.variants[:MOST_ROWS]
    areas = {variant: summarise(results.values(variant, "AUSUC", protocol)).mean for variant in results.variants}
    full = areas[FULL_MODEL]
    if full is None:
        return results.variants[:MOST_ROWS]
    farthest: dict[str, tuple[float, str]] = {}
    for variant in results.variants:
        area, axis = areas[variant], results.axis(variant)
        if axis and area is not None and abs(area - full) > farthest.get(axis, (-1.0, ""))[0]:
            farthest[axis] = (abs(area - full), variant)
    return [FULL_MODEL, *(variant for _, variant in farthest.values())][:MOST_ROWS]


def _traces(cells: pd.DataFrame, protocol: str) -> list[list[tuple[float, float]]]:
    return [trace for point in reported_points(cells, protocol) if (trace := point.get("seen_unseen"))]


def _caption(results: DatasetResults, protocol: str) -> str:
    selection = (
        f" Of {len(results.variants)} rows: {FULL_MODEL}, and of each axis the one whose AUSUC differs most from it."
        if len(results.variants) > MOST_ROWS
        else ""
    )
    return (
        f"{captions.features(results)}; {captions.protocol_title(results, protocol)}. Curve: mean over seeds, along "
        "rays from the origin, as the margin sweeps; in parentheses the area under it (AUSUC, percent); marks: where "
        f"each seed stands.{selection}"
    )
