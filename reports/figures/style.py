"""How every figure looks, and how it becomes a file: for print and for the page, the same bytes for the same records.

The rule a caller must know: draw inside `style()`; names are text, never mathematics; a figure of simulated records is
stamped by `finish`, which every figure goes through.
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

# Okabe & Ito: told apart with any colour vision; shapes and dashes tell the same apart once more, in grey print too.
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
    """A figure that is done. name: a file's stem; dataset: None where it is of several; svg: text; png: bytes."""

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
    """A figure of its own, which no global state of matplotlib holds on to; inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def finish(figure: Figure, name: str, title: str, caption: str, source: str, dataset: str | None = None) -> Picture:
    """Stamps a figure of simulated features and writes it down in both formats."""
    if source == "simulated":
        figure.text(
            0.5, 0.5, STAMP, fontsize=26, color="0.5", alpha=0.18, rotation=25, ha="center", va="center", weight="bold"
        )
    svg, png = io.StringIO(), io.BytesIO()
    with warnings.catch_warnings():
        # A name in letters that the font does not have shows as boxes; that is no news for every figure.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=RESOLUTION, metadata={"Software": None})
    return Picture(name, dataset, title, caption, svg.getvalue(), png.getvalue())


def look(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the series with that number; after eight they repeat."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
    }
