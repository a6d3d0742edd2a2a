"""The report of a run, written into its output folder from its records alone.

`results.csv`; `report.md`; `report.html`, a page for the browser; `report.tex`, a whole document; `tables/`, each table
as CSV of raw numbers and as LaTeX for a paper, with `numbers.tex` for the preamble, so that the prose of a paper can
quote them; `figures/`, each figure as SVG and PNG.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cells.folder import OutputFolder
from benchmark.cells.manifest import Manifest
from benchmark.reporting.files import write_picture, write_table
from benchmark.reporting.tuning import tuned_rows_table, tuning_sections
from dazle.files import write_atomic

if TYPE_CHECKING:
    import pandas as pd

    from reports.figures.style import Picture


def write_report(folder: OutputFolder, protocol: str = "honest") -> Path:
    """Writes all files of the report, each atomically; returns the path of the Markdown."""
    from reports.analysis.protocols import PROTOCOLS, result_rows
    from reports.page.cells import cell_data
    from reports.page.page import Page, render
    from reports.page.sections import sections
    from reports.tables.report_content import report_content
    from reports.writers import latex, markdown

    out, manifest, frame = folder.path, folder.manifest, folder.frame()
    content = report_content(frame, protocol)
    title, about = f"Suite {manifest.suite}", _about(manifest)
    paragraphs = [*content.summary, *about]
    tables = [*content.tables, *([tuned_rows_table(folder, protocol)] if manifest.studies else [])]
    write_atomic(out / "results.csv", result_rows(frame).to_csv(index=False))
    write_atomic(out / "report.md", markdown.document(tables, title, paragraphs))
    write_atomic(out / "report.tex", latex.document(tables, title, paragraphs, content.numbers))
    write_atomic(out / "tables" / "numbers.tex", latex.macros(content.numbers))
    for table in tables:
        write_table(out, table)
    pictures = _write_figures(out, frame, protocol)
    page = Page(
        title=title,
        source=manifest.source,
        protocol=PROTOCOLS[protocol].title,
        summary=content.summary,
        notes=about,
        cells=cell_data(frame, protocol),
        sections=[*sections([data.name for data in manifest.datasets], tables, pictures), *tuning_sections(folder)],
    )
    write_atomic(out / "report.html", render(page))
    return out / "report.md"


def _write_figures(out: Path, frame: "pd.DataFrame", protocol: str) -> "list[Picture]":
    from benchmark.progress import progress
    from reports.figures.drawing import FIGURES, draw

    pictures: list[Picture] = []
    total = len(FIGURES) * frame["dataset"].nunique()
    with progress("figures") as update:
        for picture in draw(frame, protocol):
            write_picture(out, picture)
            pictures.append(picture)
            update("drawing", len(pictures), total)
    return pictures


def _about(manifest: Manifest) -> list[str]:
    conditions = manifest.conditions
    about = [
        f"Suite {manifest.suite} on {manifest.source} features, {len(manifest.cells)} cells; base seed "
        f"{conditions['base_seed']}, class folds {conditions['folds']}, {conditions['device']}, package "
        f"{manifest.package}. Raw values of every cell and protocol: results.csv; of every table: tables/.",
        *manifest.notes,
    ]
    if conditions["overrides"]:
        changes = ", ".join(f"{key} = {value}" for key, value in conditions["overrides"].items())
        about.append(f"Settings changed for every cell: {changes}.")
    return about
