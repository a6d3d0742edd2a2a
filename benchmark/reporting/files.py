"""The files of tables and figures in an output folder: each table as CSV and LaTeX, each figure as SVG and PNG."""

from pathlib import Path
from typing import TYPE_CHECKING

from dazle.files import write_atomic

if TYPE_CHECKING:
    from reports.figures.style import Picture
    from reports.table import Table


def write_table(out: Path, table: "Table") -> None:
    """Writes `tables/NAME.csv` and `tables/NAME.tex`."""
    from reports.writers import csv, latex

    write_atomic(out / "tables" / f"{table.name}.csv", csv.render(table))
    write_atomic(out / "tables" / f"{table.name}.tex", latex.render(table))


def write_picture(out: Path, picture: "Picture") -> Path:
    """Writes `figures/NAME.svg` and `figures/NAME.png`; returns the path of the PNG."""
    path = out / "figures" / f"{picture.name}.png"
    write_atomic(path.with_suffix(".svg"), picture.svg)
    write_atomic(path, picture.png)
    return path
