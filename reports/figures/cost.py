"""H against what a row costs: training time per image relative to the full model's, measured in the same run."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.analysis.results import FULL_MODEL, DatasetResults
from reports.analysis.statistics import summarise
from reports.figures.style import COLOURS, MARKERS, Picture, finish, new_figure
from reports.table import slug
from reports.tables import captions

# So many names fill the height of the figure.
MOST_NAMES = 10


def cost(results: DatasetResults, protocol: str) -> Picture | None:
    """None without the full model, or where fewer than two rows have both numbers."""
    used = results.used(protocol)
    if FULL_MODEL not in results.variants or "images_per_second" not in results.frame:
        return None
    points = _points(results, used)
    if len(points) < 2:
        return None
    figure = new_figure(height=3.0)
    axes = figure.subplots()
    for index, (axis, rows) in enumerate(points.groupby("axis", sort=False)):
        axes.errorbar(
            rows["cost"], rows["H"], yerr=rows["sd"].fillna(0), linestyle="", marker=MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)], elinewidth=0.6, label=axis or "full model and combined changes",
        )  # fmt: skip
    _name(axes, points.loc[named(points)].sort_values("H", ascending=False))
    axes.set_xlabel(f"time per image relative to {FULL_MODEL}")
    axes.set_ylabel("H [%]")
    axes.margins(x=0.15, y=0.1)
    figure.legend(loc="outside lower center", ncols=2)
    caption = (
        f"{captions.features(results)}; {captions.protocol(results, protocol)}; {captions.seeds(results, False)}, "
        "bars: ± one standard deviation. Cost: median over seeds, of training beside whatever else the machine did, so "
        "rows that train alike differ too (the command throughput measures in turns). Named: the full model and every "
        "row that no other beats in both."
    )
    return finish(
        figure, slug("cost", results.name), f"{results.name}: H against cost", caption, results.source, results.name
    )


def _name(axes: Axes, rows: pd.DataFrame) -> None:
    """Names stand beside the axes, from the best H down, so that rows that are alike do not hide each other's."""
    places = np.linspace(1, 0, max(len(rows), MOST_NAMES))[: len(rows)]
    for place, (variant, row) in zip(places, rows.iterrows(), strict=True):
        axes.annotate(
            str(variant), (row["cost"], row["H"]), xytext=(1.03, place), textcoords="axes fraction", fontsize=7,
            va="center", arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.5, "shrinkA": 1, "shrinkB": 3},
        )  # fmt: skip


def named(points: pd.DataFrame) -> list[str]:
    """The full model, and the rows than which none is both better in H and cheaper."""
    H, price = points["H"].to_numpy(), points["cost"].to_numpy()
    beaten = [bool(np.any((h <= H) & (price <= p) & ((h < H) | (price < p)))) for h, p in zip(H, price, strict=True)]
    return [str(v) for v, lost in zip(points.index, beaten, strict=True) if not lost or v == FULL_MODEL]


def _points(results: DatasetResults, used: str) -> pd.DataFrame:
    full = results.measured(FULL_MODEL, "images_per_second")
    rows = {}
    for variant in results.variants:
        H = summarise(results.values(variant, "H", used))
        relative = (full / results.measured(variant, "images_per_second")).median()
        if H.mean is not None and np.isfinite(relative):
            rows[variant] = {"axis": results.axis(variant), "H": H.mean, "sd": H.sd, "cost": relative}
    return pd.DataFrame.from_dict(rows, orient="index").astype({"sd": float}) if rows else pd.DataFrame()
