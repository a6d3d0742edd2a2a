"""The figure of the factorial experiment: H over the margins, a line for each attention, a panel without and with
self-calibration. Lines that are not parallel are interactions.
"""

from collections.abc import Mapping
from itertools import product

import numpy as np
from matplotlib.axes import Axes

from reports.analysis.factorial import FACTORS, Levels, factorial_rows
from reports.analysis.results import DatasetResults
from reports.analysis.statistics import PairedDifference, t_tests
from reports.figures.style import WIDTH, Picture, finish, new_figure, series_look
from reports.table import slug
from reports.tables import captions

REGION, ATTRIBUTE, SELF_CALIBRATION, MARGINS = FACTORS.values()
# The lines are moved apart by this much, in steps of the x axis, so that their intervals do not cover each other.
DODGE = 0.09


def interactions(results: DatasetResults, protocol: str) -> Picture | None:
    """None unless all 24 rows are there and one has an H."""
    rows, available = factorial_rows(results), results.available_protocol(protocol)
    if rows is None:
        return None
    values = {levels: results.values(variant, "H", available).dropna() for levels, variant in rows.items()}
    # The test against 0 is not used, its interval is that of the mean.
    means = dict(zip(values, t_tests([series.to_numpy(dtype=float) for series in values.values()]), strict=True))
    if all(mean.mean is None for mean in means.values()):
        return None
    figure = new_figure(width=1.5 * WIDTH, height=3.0)
    panels = figure.subplots(1, len(SELF_CALIBRATION), sharey=True)
    for axes, switch in zip(panels, SELF_CALIBRATION, strict=True):
        _draw_panel(axes, switch, means)
    # With few seeds an interval may be wider than all possible values.
    low, high = panels[0].get_ylim()
    panels[0].set_ylim(max(low, -2.0), min(high, 102.0))
    panels[0].set_ylabel("H [%]")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=2, title="region attention, attribute attention",
        title_fontsize=7,
    )  # fmt: skip
    title = f"{results.name}: attention, self-calibration and margin together"
    return finish(
        figure, slug("interactions", results.name), title, _caption(results, protocol), results.source, results.name
    )


def _draw_panel(axes: Axes, switch: str, means: Mapping[Levels, PairedDifference]) -> None:
    for index, (region, attribute) in enumerate(product(reversed(REGION), reversed(ATTRIBUTE))):
        points = [means[region, attribute, switch, margin] for margin in MARGINS]
        x = np.arange(len(MARGINS)) + DODGE * (index - 1.5)
        look = series_look(index)
        axes.plot(x, [_number(point.mean) for point in points], label=f"{region}, {attribute}", **look)
        axes.vlines(
            x,
            [_number(point.low) for point in points],
            [_number(point.high) for point in points],
            color=look["color"],
            linewidth=1.0,
        )
    axes.set_xticks(range(len(MARGINS)), MARGINS)
    axes.set_xlabel("margin at test time")
    axes.set_title(f"self-calibration {switch}")


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _caption(results: DatasetResults, protocol: str) -> str:
    interval = "; bar: the 95 % t interval of that mean" if results.seeds > 1 else ""
    return (
        f"{captions.features(results)}; {captions.protocol_title(results, protocol)}; "
        f"{captions.seeds(results, False)}. Mean H over seeds{interval} (of one row, not of a difference between two "
        "rows of the same seeds, which is more precise). Lines that are not parallel show an interaction."
    )
