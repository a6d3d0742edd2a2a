"""From an output folder to its report, made of the records alone.

`results.csv`; `report.md`; `report.html`, a page to open; `report.tex`, a whole document; `tables/`: every table as CSV
of raw numbers and as LaTeX to be put into a paper, with `numbers.tex` for the preamble, so that its prose can quote
them; `figures/`: every figure as SVG and PNG.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cells import folder as store
from dazle.files import write_atomic

if TYPE_CHECKING:
    import pandas as pd

    from reports.figures.style import Picture
    from reports.page.page import Section
    from reports.table import Table


def write_report(out: Path, protocol: str = "honest") -> Path:
    """Writes all of it, each file atomically, and returns the path of the Markdown."""
    from reports.analysis.protocols import PROTOCOLS, result_rows
    from reports.page.cells import cell_data
    from reports.page.page import Page, render
    from reports.page.sections import sections
    from reports.tables.report_content import report_content
    from reports.writers import latex, markdown

    manifest, frame = store.read_manifest(out), store.frame(out)
    content = report_content(frame, protocol)
    title, paragraphs = f"Suite {manifest.suite}", [*content.summary, *_about(manifest)]
    further, tuning = _tuned(out, manifest, frame, protocol)
    tables = [*content.tables, *further]
    path = out / "report.md"
    write_atomic(out / "results.csv", result_rows(frame).to_csv(index=False))
    write_atomic(path, markdown.document(tables, title, paragraphs))
    write_atomic(out / "report.tex", latex.document(tables, title, paragraphs, content.numbers))
    write_atomic(out / "tables" / "numbers.tex", latex.macros(content.numbers))
    for table in tables:
        write_table(out, table)
    pictures = write_figures(out, frame, protocol)
    page = Page(
        title=title,
        source=manifest.source,
        protocol=PROTOCOLS[protocol].title,
        summary=content.summary,
        notes=_about(manifest),
        cells=cell_data(frame, protocol),
        sections=[*sections([data.name for data in manifest.datasets], tables, pictures), *tuning],
    )
    write_atomic(out / "report.html", render(page))
    return path


def _tuned(
    out: Path, manifest: store.Manifest, frame: "pd.DataFrame", protocol: str
) -> "tuple[list[Table], list[Section]]":
    """What a run with tuned rows has beyond its records: the table, and a section with the pictures of each study."""
    if not manifest.studies:
        return [], []
    from benchmark.reporting.tuning import tuned_report
    from reports.page.page import PageFigure, Section

    report = tuned_report(out, frame, protocol)
    figures = [
        PageFigure(f"{study}: {path.stem}", "", path.read_text(encoding="utf-8"))
        for study, paths in report.figures.items()
        for path in paths
        if path.suffix == ".svg"
    ]
    return [report.table], [Section("tuning", "Tuning", figures=figures)] if figures else []


def write_table(out: Path, table: "Table") -> None:
    """`tables/NAME.csv` and `tables/NAME.tex`."""
    from reports.writers import csv, latex

    write_atomic(out / "tables" / f"{table.name}.csv", csv.render(table))
    write_atomic(out / "tables" / f"{table.name}.tex", latex.render(table))


def write_figures(out: Path, frame: "pd.DataFrame", protocol: str) -> "list[Picture]":
    """`figures/NAME.svg` and `figures/NAME.png`; what was drawn."""
    from benchmark.progress import progress
    from reports.figures.drawing import FIGURES, draw

    pictures, most = [], len(FIGURES) * frame["dataset"].nunique()
    with progress("figures") as update:
        for picture in draw(frame, protocol):
            write_picture(out, picture)
            pictures.append(picture)
            update("drawing", len(pictures), most)
    return pictures


def write_picture(out: Path, picture: "Picture") -> Path:
    """Both files of a picture; the path of the PNG."""
    path = out / "figures" / f"{picture.name}.png"
    write_atomic(path.with_suffix(".svg"), picture.svg)
    write_atomic(path, picture.png)
    return path


def _about(manifest: store.Manifest) -> list[str]:
    """Paragraphs on the run itself."""
    conditions = manifest.conditions
    about = [
        f"Suite {manifest.suite} on {manifest.source} features, {len(manifest.cells)} cells; base seed "
        f"{conditions['base_seed']}, class folds {conditions['folds']}, {conditions['device']}, package "
        f"{manifest.package}. Raw values of every cell and protocol: results.csv; of every table: tables/.",
        *manifest.notes,
    ]
    if conditions["overrides"]:
        changed = ", ".join(f"{key} = {value}" for key, value in conditions["overrides"].items())
        about.append(f"Settings changed for every cell: {changed}.")
    return about
