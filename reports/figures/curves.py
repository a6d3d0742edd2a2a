"""The figure of validation and test H over the epochs, with the epochs of the honest and of the oracle protocol."""

import pandas as pd
from matplotlib.axes import Axes

from reports.analysis.protocols import PROTOCOLS, averaged
from reports.analysis.results import FULL_MODEL, DatasetResults
from reports.figures.style import COLOURS, Picture, finish, new_figure
from reports.table import slug
from reports.tables import captions


def curves(results: DatasetResults, protocol: str) -> Picture | None:
    """The curves of the full model, or of the first row with a finished cell; None if no cell has an H."""
    for variant in sorted(results.variants, key=lambda variant: variant != FULL_MODEL):
        cells = _cells_with_H(results.finished_cells(variant))
        if len(cells):
            return _picture(results, variant, cells)
    return None


def _picture(results: DatasetResults, variant: str, cells: pd.DataFrame) -> Picture:
    figure = new_figure()
    axes = figure.subplots()
    for _, cell in cells.iterrows():
        _draw_cell(axes, cell)
    axes.set_xlabel("epoch")
    axes.set_ylabel("H [%]")
    axes.margins(y=0.12)
    handles, labels = axes.get_legend_handles_labels()
    handle_of = dict(zip(labels, handles, strict=True))  # every cell has the same labels
    axes.legend(handle_of.values(), handle_of.keys(), loc="lower right")
    caption = (
        f"{captions.features(results)}; {variant}, one line a seed ({len(cells)} seeds). Validation has other, fewer "
        "classes than the test, so its level is not comparable; what it chooses is."
    )
    title = f"{results.name}: H over the epochs of {variant}"
    return finish(figure, slug("curves", results.name), title, caption, results.source, results.name)


def _cells_with_H(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells with an H at some epoch; a curve over candidate regularisers has no epochs."""
    return cells[
        [any(point["H"] is not None for point in test) and test[0]["epoch"] is not None for test in cells["test"]]
    ]


def _draw_cell(axes: Axes, cell: pd.Series) -> None:
    test, validation = cell["test"], [fold for fold in cell["validation"] if fold]
    epochs = [point["epoch"] for point in test]
    axes.plot(epochs, [point["H"] for point in test], color=COLOURS[0], linewidth=0.9, alpha=0.8, label="test")
    if validation:
        # On the axis of the test phase: a fold has other epochs, but the same fractions of the schedule.
        positions = [point["fraction"] * epochs[-1] for point in validation[0]]
        mean = averaged(validation, "H")
        axes.plot(positions, mean, color="0.45", linewidth=0.9, linestyle="--", alpha=0.8, label="validation")
    for name, marker, colour in (("honest", "o", COLOURS[2]), ("oracle", "^", COLOURS[1])):
        index = PROTOCOLS[name].choose(cell["validation"], test)
        if index is not None and test[index]["H"] is not None:
            axes.plot(
                [epochs[index]], [test[index]["H"]], linestyle="", marker=marker, color=colour, zorder=3,
                markeredgecolor="white", markeredgewidth=0.5, markersize=6,
                label={"honest": "chosen on validation", "oracle": "oracle: best on test"}[name],
            )  # fmt: skip
