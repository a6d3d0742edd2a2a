"""The figure of H against cost: training time per image relative to the full model's, from the same run."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.analysis.results import FULL_MODEL, DatasetResults
from reports.analysis.statistics import summarise
from reports.figures.style import COLOURS, MARKERS, Picture, finish, new_figure
from reports.table import slug
from reports.tables import captions

# The number of names that fill the height of the figure.
MOST_NAMES = 10


def cost(results: DatasetResults, protocol: str) -> Picture | None:
    """None without the full model, or if fewer than two rows have both numbers."""
    if FULL_MODEL not in results.variants:
        return None
    points = _points(results, results.available_protocol(protocol))
    if len(points) < 2:
        return None
    figure = new_figure(height=3.0)
    axes = figure.subplots()
    for index, (axis, rows) in enumerate(points.groupby("axis", sort=False)):
        axes.errorbar(
            rows["cost"], rows["H"], yerr=rows["sd"].fillna(0), linestyle="", marker=MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)], elinewidth=0.6, label=axis or "full model and combined changes",
        )  # fmt: skip
    _write_names(axes, points.loc[rows_to_name(points)].sort_values("H", ascending=False))
    axes.set_xlabel(f"time per image relative to {FULL_MODEL}")
    axes.set_ylabel("H [%]")
    axes.margins(x=0.15, y=0.1)
    figure.legend(loc="outside lower center", ncols=2)
    caption = (
        f"{captions.features(results)}; {captions.protocol_title(results, protocol)}; "
        f"{captions.seeds(results, False)}, "
        "bars: ± one standard deviation. Cost: median over seeds, of training beside whatever else the machine did, so "
        "rows that train alike differ too (the command throughput measures in turns). Named: the full model and every "
        "row that no other beats in both."
    )
    return finish(
        figure, slug("cost", results.name), f"{results.name}: H against cost", caption, results.source, results.name
    )


def _write_names(axes: Axes, rows: pd.DataFrame) -> None:
    """The names stand beside the axes, from the best H down, so that names of neighbouring rows do not overlap."""
    places = np.linspace(1, 0, max(len(rows), MOST_NAMES))[: len(rows)]
    for place, (variant, row) in zip(places, rows.iterrows(), strict=True):
        axes.annotate(
            str(variant), (row["cost"], row["H"]), xytext=(1.03, place), textcoords="axes fraction", fontsize=7,
            va="center", arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.5, "shrinkA": 1, "shrinkB": 3},
        )  # fmt: skip


def rows_to_name(points: pd.DataFrame) -> list[str]:
    """The full model, and the Pareto front: the rows for which no other row is better in H and at most as costly."""
    H, costs = points["H"].to_numpy(), points["cost"].to_numpy()
    dominated = [bool(np.any((h <= H) & (costs <= c) & ((h < H) | (costs < c)))) for h, c in zip(H, costs, strict=True)]
    return [str(v) for v, worse in zip(points.index, dominated, strict=True) if not worse or v == FULL_MODEL]


def _points(results: DatasetResults, protocol: str) -> pd.DataFrame:
    rows = {}
    for variant in results.variants:
        H = summarise(results.values(variant, "H", protocol))
        relative = results.costs(variant, FULL_MODEL).median()
        if H.mean is not None and np.isfinite(relative):
            rows[variant] = {"axis": results.axis(variant), "H": H.mean, "sd": H.sd, "cost": relative}
    return pd.DataFrame.from_dict(rows, orient="index").astype({"sd": float}) if rows else pd.DataFrame()
