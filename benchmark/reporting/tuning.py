"""Tables and figures of tuning studies: for the --out of `tune`, and for a run with tuned rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cells.folder import OutputFolder
from benchmark.cells.outcome import Outcome, figure_folder, outcome_folder
from benchmark.reporting.files import write_table
from dazle.files import write_atomic

if TYPE_CHECKING:
    from reports.page.page import Section
    from reports.table import Table


def tuned_rows_table(folder: OutputFolder, protocol: str) -> "Table":
    """The tuned rows of a run beside the same rows with their own settings."""
    from reports.tables.tuning import tuned_table

    return tuned_table(folder.frame(), [study.model_dump() for study in folder.manifest.studies], protocol)


def tuning_sections(folder: OutputFolder) -> "list[Section]":
    """The section of a run's page with the figures of its studies, if there are any."""
    from reports.page.page import PageFigure, Section

    figures = [
        PageFigure(f"{study.variant} on {study.dataset}: {path.stem}", "", path.read_text(encoding="utf-8"))
        for study in folder.manifest.studies
        for path in sorted(figure_folder(folder.path, study.variant, study.dataset).glob("*.svg"))
    ]
    return [Section("tuning", "Tuning", figures=figures)] if figures else []


def write_studies_report(out: Path, outcomes: Sequence[Outcome]) -> Path:
    """Writes `tuning.md`, its table in `tables/`, and the figures of the last outcome; returns the first path."""
    from reports.tables.tuning import studies_table
    from reports.writers import markdown

    draw_figures(outcomes[-1], outcome_folder(out, outcomes[-1].variant, outcomes[-1].dataset))
    table = studies_table([outcome.summary().model_dump() for outcome in outcomes], outcomes[0].source)
    path = out / "tuning.md"
    write_atomic(path, markdown.render(table) + "\n")
    write_table(out, table)
    return path


def draw_figures(outcome: Outcome, folder: Path) -> list[Path]:
    """Writes each figure of the study as SVG and PNG and returns the paths."""
    import matplotlib as mpl

    mpl.use("agg")
    from reports.figures.tuning import draw_study

    simulated = " (SIMULATED features)" if outcome.source == "simulated" else ""
    trials = [trial.model_dump() for trial in outcome.trials if trial.ended]
    title = f"{outcome.variant} on {outcome.dataset}{simulated}"
    return draw_study(title, outcome.objective, outcome.space, trials, folder)
