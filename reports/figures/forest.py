"""The forest plot: the paired difference in H of each row to the full model, with its interval, one line per row."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes

from reports.analysis.results import FULL_MODEL, DatasetResults
from reports.analysis.statistics import PairedDifference
from reports.figures.style import COLOURS, WIDTH, Picture, finish, new_figure
from reports.table import slug
from reports.tables import captions

# Characters of a row's name that the figure grows with.
LONGEST_NAME = 60


def forest(results: DatasetResults, protocol: str) -> Picture | None:
    """None without the full model, or if no row has a difference to it."""
    if FULL_MODEL not in results.variants:
        return None
    differences = _differences(results, results.available_protocol(protocol))
    if not differences:
        return None
    figure = new_figure(_width(differences), height=0.9 + 0.17 * len(differences))
    axes = figure.subplots()
    axes.axvline(0, color="0.4", linewidth=0.8)
    for place, difference in enumerate(differences.values()):
        _draw_line(axes, place, difference)
    axes.set_yticks(range(len(differences)), differences)
    axes.set_ylim(len(differences) - 0.4, -0.6)
    _clip(axes, list(differences.values()))
    axes.set_xlabel("ΔH to the full model [points]")
    _write_axis_names(axes, [results.axis(variant) for variant in differences])
    caption = (
        f"{captions.features(results)}; {captions.protocol_title(results, protocol)}; "
        f"{captions.seeds(results, False)}. H minus that of {FULL_MODEL}, paired by seed; bar: the 95 % interval of "
        "the paired t test, each row for itself; filled: it leaves out zero; an arrow: it goes on."
        f"{_deterministic_sentence(results, list(differences))}"
    )
    title = f"{results.name}: what each row changes in H"
    return finish(figure, slug("forest", results.name), title, caption, results.source, results.name)


def _differences(results: DatasetResults, protocol: str) -> dict[str, PairedDifference]:
    rows = [variant for variant in results.variants if variant != FULL_MODEL]
    differences = {variant: results.difference(variant, FULL_MODEL, "H", protocol) for variant in rows}
    return {variant: difference for variant, difference in differences.items() if difference.mean is not None}


def _deterministic_sentence(results: DatasetResults, variants: list[str]) -> str:
    without_bar = any(results.deterministic(variant) for variant in variants)
    return " A deterministic method is trained once and has no bar." if without_bar else ""


def _width(names: Iterable[str]) -> float:
    """One column of a paper, and more if long names would leave no room for the lines."""
    return WIDTH + 0.06 * max(0, min(max(map(len, names)), LONGEST_NAME) - 26)


def _draw_line(axes: Axes, place: int, difference: PairedDifference) -> None:
    mean, low, high = difference.mean, difference.low, difference.high
    assert mean is not None
    colour, fill = "0.35", "white"
    if low is not None and high is not None:
        if low > 0 or high < 0:
            colour = fill = COLOURS[1] if mean < 0 else COLOURS[0]
        axes.plot([low, high], [place, place], color=colour, linewidth=1.4, solid_capstyle="butt")
    axes.plot([mean], [place], marker="o", color=colour, markerfacecolor=fill)


def _clip(axes: Axes, differences: list[PairedDifference]) -> None:
    """Limits the axis to all means and to the intervals of nine rows in ten, with an arrow where an interval is cut.

    Otherwise one row with a very wide interval would shrink all others to dots.
    """
    means = [difference.mean for difference in differences if difference.mean is not None]
    lows = [difference.low for difference in differences if difference.low is not None] or means
    highs = [difference.high for difference in differences if difference.high is not None] or means
    left = min(*means, 0.0, float(np.quantile(lows, 0.1)))
    right = max(*means, 0.0, float(np.quantile(highs, 0.9)))
    room = 0.06 * max(right - left, 1.0)
    axes.set_xlim(left - room, right + room)
    for place, difference in enumerate(differences):
        for end, edge, marker in ((difference.low, left - room, "<"), (difference.high, right + room, ">")):
            if end is not None and (end < edge if marker == "<" else end > edge):
                axes.plot([edge], [place], marker=marker, color="0.35", markersize=4, clip_on=False)


def _write_axis_names(axes: Axes, names: list[str]) -> None:
    """Writes the name of an axis on the right of its first row, and draws a thin line above that row."""
    for place, name in enumerate(names):
        if place == 0 or name != names[place - 1]:
            if place:
                axes.axhline(place - 0.5, color="0.85", linewidth=0.6)
            axes.annotate(
                name, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=7, color="0.35"
            )
