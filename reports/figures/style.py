"""The style of all figures, and their files (SVG and PNG): the same records give the same bytes.

The rule a caller must know: draw inside `style()`, and end with `finish`, which stamps figures of simulated records.
Names are printed as text, never as mathematics.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe & Ito, for every kind of colour vision. Markers and dashes differ too, for grey print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
# Inches: one column of a two-column paper.
WIDTH = 3.5
STAMP = "SIMULATED"
RESOLUTION = 200

PARAMETERS: Any = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "legend.frameon": False,
    "text.parse_math": False,
    "svg.hashsalt": "dazle",
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.03,
}


@dataclass(frozen=True)
class Picture:
    """A finished figure. name: the stem of its files; dataset: None if it shows several; svg: text; png: bytes."""

    name: str
    dataset: str | None
    title: str
    caption: str
    svg: str
    png: bytes


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings for the figures made inside."""
    with mpl.rc_context(PARAMETERS):
        yield


def new_figure(width: float = WIDTH, height: float = 2.6) -> Figure:
    """A figure that is not registered in matplotlib's global state; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def finish(figure: Figure, name: str, title: str, caption: str, source: str, dataset: str | None = None) -> Picture:
    """Writes SIMULATED on the figure if its features are, and renders it in both formats."""
    if source == "simulated":
        figure.text(
            0.5, 0.5, STAMP, fontsize=26, color="0.5", alpha=0.18, rotation=25, ha="center", va="center", weight="bold"
        )
    svg, png = io.StringIO(), io.BytesIO()
    with warnings.catch_warnings():
        # Letters that the font does not have are drawn as boxes; one warning per figure would help nobody.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=RESOLUTION, metadata={"Software": None})
    return Picture(name, dataset, title, caption, svg.getvalue(), png.getvalue())


def series_look(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of a series by its number; they repeat after eight."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
    }
