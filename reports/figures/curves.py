"""Validation and test H over the schedule, with the epoch that validation chose and the one that an oracle would."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.analysis.protocols import PROTOCOLS, Curve
from reports.analysis.results import FULL_MODEL, DatasetResults
from reports.figures.style import COLOURS, Picture, finish, new_figure
from reports.table import slug
from reports.tables import captions


def curves(results: DatasetResults, protocol: str) -> Picture | None:
    """Of the full model, or of the first row that has a finished cell; None where no cell has an H."""
    rows = sorted(results.variants, key=lambda variant: variant != FULL_MODEL)
    variant = next((variant for variant in rows if len(_with_H(results.done(variant)))), None)
    if variant is None:
        return None
    cells = _with_H(results.done(variant))
    figure = new_figure()
    axes = figure.subplots()
    for _, cell in cells.iterrows():
        _draw_cell(axes, cell)
    axes.set_xlabel("epoch")
    axes.set_ylabel("H [%]")
    axes.margins(y=0.12)
    handles, labels = axes.get_legend_handles_labels()
    kept = dict(zip(labels, handles, strict=True))
    axes.legend(kept.values(), kept.keys(), loc="lower right")
    caption = (
        f"{captions.features(results)}; {variant}, one line a seed ({len(cells)} seeds). Validation has other, fewer "
        "classes than the test, so its level is not comparable; what it chooses is."
    )
    title = f"{results.name}: H over the epochs of {variant}"
    return finish(figure, slug("curves", results.name), title, caption, results.source, results.name)


def _with_H(cells: pd.DataFrame) -> pd.DataFrame:
    return cells[[any(point["H"] is not None for point in test) for test in cells["test"]]]


def _draw_cell(axes: Axes, cell: pd.Series) -> None:
    test, validation = cell["test"], [fold for fold in cell["validation"] if fold]
    epochs = [point["epoch"] for point in test]
    axes.plot(epochs, _values(test), color=COLOURS[0], linewidth=0.9, alpha=0.8, label="test")
    if validation:
        # On the test's axis: phases differ in steps, not in the share of their schedule.
        fractions = [point["fraction"] * epochs[-1] for point in validation[0]]
        mean = np.nanmean([_values(fold)[: len(fractions)] for fold in validation], axis=0)
        axes.plot(fractions, mean, color="0.45", linewidth=0.9, linestyle="--", alpha=0.8, label="validation")
    for name, marker, colour in (("honest", "o", COLOURS[2]), ("oracle", "^", COLOURS[1])):
        chosen = PROTOCOLS[name].choose(cell["validation"], test)
        if chosen is not None and test[chosen]["H"] is not None:
            axes.plot(
                [epochs[chosen]], [test[chosen]["H"]], linestyle="", marker=marker, color=colour, zorder=3,
                markeredgecolor="white", markeredgewidth=0.5, markersize=6,
                label={"honest": "chosen on validation", "oracle": "oracle: best on test"}[name],
            )  # fmt: skip


def _values(curve: Curve) -> list[float]:
    return [float("nan") if point["H"] is None else point["H"] for point in curve]
