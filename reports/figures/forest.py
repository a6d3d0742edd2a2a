"""What each row changes in H: the paired difference to the full model with its interval, one line a row."""

import numpy as np
from matplotlib.axes import Axes

from reports.analysis.results import FULL_MODEL, DatasetResults
from reports.analysis.statistics import PairedDifference
from reports.figures.style import COLOURS, Picture, finish, new_figure
from reports.table import slug
from reports.tables import captions


def forest(results: DatasetResults, protocol: str) -> Picture | None:
    """None where there is nothing to compare: no full model, or no row with a difference to it."""
    used = results.used(protocol)
    if FULL_MODEL not in results.variants:
        return None
    rows = [variant for variant in results.variants if variant != FULL_MODEL]
    paired = {variant: results.difference(variant, FULL_MODEL, "H", used) for variant in rows}
    known = {variant: each for variant, each in paired.items() if each.mean is not None}
    if not known:
        return None
    figure = new_figure(height=0.9 + 0.17 * len(known))
    axes = figure.subplots()
    axes.axvline(0, color="0.4", linewidth=0.8)
    for place, each in enumerate(known.values()):
        _line(axes, place, each)
    axes.set_yticks(range(len(known)), known)
    axes.set_ylim(len(known) - 0.4, -0.6)
    _clip(axes, list(known.values()))
    axes.set_xlabel("ΔH to the full model [points]")
    _name_axes(axes, [results.axis(variant) for variant in known])
    caption = (
        f"{captions.features(results)}; {captions.protocol(results, protocol)}; {captions.seeds(results, False)}. "
        f"H minus that of {FULL_MODEL}, paired by seed; bar: {_interval(known)}; filled: it leaves out zero; an arrow: "
        "it goes on."
    )
    title = f"{results.name}: what each row changes in H"
    return finish(figure, slug("forest", results.name), title, caption, results.source, results.name)


def _line(axes: Axes, place: int, each: PairedDifference) -> None:
    mean, low, high = each.mean, each.low, each.high
    assert mean is not None
    colour, fill = "0.35", "white"
    if low is not None and high is not None:
        if low > 0 or high < 0:
            colour = fill = COLOURS[1] if mean < 0 else COLOURS[0]
        axes.plot([low, high], [place, place], color=colour, linewidth=1.4, solid_capstyle="butt")
    axes.plot([mean], [place], marker="o", color=colour, markerfacecolor=fill)


def _clip(axes: Axes, every: list[PairedDifference]) -> None:
    """One row with a very wide interval must not shrink the others to dots: the axis holds every mean, and the
    intervals of nine rows in ten; what is cut off ends in an arrow."""
    means = [each.mean for each in every if each.mean is not None]
    lows = [each.low for each in every if each.low is not None] or means
    highs = [each.high for each in every if each.high is not None] or means
    left = min(*means, 0.0, float(np.quantile(lows, 0.1)))
    right = max(*means, 0.0, float(np.quantile(highs, 0.9)))
    room = 0.06 * max(right - left, 1.0)
    axes.set_xlim(left - room, right + room)
    for place, each in enumerate(every):
        for end, edge, marker in ((each.low, left - room, "<"), (each.high, right + room, ">")):
            if end is not None and (end < edge if marker == "<" else end > edge):
                axes.plot([edge], [place], marker=marker, color="0.35", markersize=4, clip_on=False)


def _interval(known: dict[str, PairedDifference]) -> str:
    if any(each.over == "classes" for each in known.values()):
        return "the 95 % bootstrap interval over classes, since there is one seed"
    return "the 95 % interval of the paired t test, each row for itself"


def _name_axes(axes: Axes, names: list[str]) -> None:
    """The axis of a group of rows, on the right of its first one, and a thin line above it."""
    for place, name in enumerate(names):
        if place == 0 or name != names[place - 1]:
            if place:
                axes.axhline(place - 0.5, color="0.85", linewidth=0.6)
            axes.annotate(
                name, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=7, color="0.35"
            )
