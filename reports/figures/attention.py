"""The figure of attention maps for one image: the photograph, and one map an attribute with the attribute's part.

The rule a caller must know: all input is plain numbers; a map is (rows, columns) of the grid, row 0 on top.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from reports.figures.style import COLOURS, Picture, finish, new_figure

COLUMNS, WIDTH = 4, 7.0  # both columns of a paper
MAP_COLOURS = "cividis"
LONGEST = 34
PLACE = COLOURS[1]


@dataclass(frozen=True)
class AttributeMap:
    """One attribute: its share in the class score, its map, and the (row, column) of the regions that show its part.

    `places` is empty if they are not known."""

    name: str
    contribution: float
    weights: NDArray[np.floating]
    places: Sequence[tuple[int, int]] = ()


def attention(
    maps: Sequence[AttributeMap],
    photograph: NDArray[np.floating] | None,
    name: str,
    title: str,
    caption: str,
    source: str,
) -> Picture:
    """`photograph`: (size, size, 3) in 0..1 as the network saw it, or None."""
    images = len(maps) + (photograph is not None)
    rows = ceil((images + 1) / COLUMNS)
    figure = new_figure(WIDTH, 0.35 + rows * (WIDTH / COLUMNS + 0.35))
    panels = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for panel in panels:
        panel.set_axis_off()
    if photograph is not None:
        panels[0].imshow(photograph)
        panels[0].set_title("as the network saw it")
    for panel, attribute in zip(panels[images - len(maps) :], maps, strict=False):
        _draw(panel, attribute, photograph)
    _draw_legend(panels[-1], maps)
    figure.suptitle(title, fontsize=9)
    return finish(figure, name, title, caption, source)


def _draw(axes: Axes, attribute: AttributeMap, photograph: NDArray[np.floating] | None) -> None:
    """In units of the grid's regions: the middle of region (row, column) is at x = column, y = row."""
    rows, columns = attribute.weights.shape
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    aspect = 1.0  # height of a region / its width
    if photograph is not None:
        height, width = photograph.shape[:2]
        aspect = height / width * columns / rows
        axes.imshow(photograph.mean(axis=2), cmap="gray", extent=extent, vmin=0, vmax=1, aspect=aspect)
    axes.imshow(
        attribute.weights, cmap=MAP_COLOURS, extent=extent, vmin=0, alpha=1.0 if photograph is None else 0.6,
        interpolation="nearest", aspect=aspect,
    )  # fmt: skip
    for row, column in attribute.places:
        axes.add_patch(Rectangle((column - 0.42, row - 0.42), 0.84, 0.84, fill=False, edgecolor=PLACE, linewidth=1.6))
    row, column = divmod(int(attribute.weights.argmax()), columns)
    axes.plot([column], [row], marker="X", color="white", markersize=8, markeredgecolor="black", markeredgewidth=0.8)
    title = f"{_short(attribute.name)}\n{attribute.contribution:+.2f}, peak {attribute.weights.max():.2f}"
    axes.set_title(title, fontsize=7)


def _short(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _draw_legend(axes: Axes, maps: Sequence[AttributeMap]) -> None:
    """The legend, in the last panel. The cross is white, so on the white page it needs a black edge."""
    handles: list[Patch | Line2D] = [
        Line2D([], [], linestyle="", marker="X", color="white", markeredgecolor="black", label="looks here most"),
        Patch(facecolor="#FDE737", label="more weight"),
        Patch(facecolor="#00224E", label="less weight"),
    ]
    if any(attribute.places for attribute in maps):
        handles.append(Patch(fill=False, edgecolor=PLACE, linewidth=1.6, label="the attribute's part"))
    axes.legend(handles=handles, loc="center left", title="+ is for the predicted class", title_fontsize=7)
