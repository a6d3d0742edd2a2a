"""From outcomes to what people read: tables, and the paths of figures."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cells.outcome import Outcome, outcome_folder
from benchmark.reporting.report import write_table
from benchmark.run.tuned import figure_folder, tuned_name
from dazle.files import write_atomic

if TYPE_CHECKING:
    import pandas as pd

    from reports.table import Table
    from reports.tables.tuning import StudySummary


def summary(outcome: Outcome) -> "StudySummary":
    """What the tables say of a study."""
    from reports.tables.tuning import StudySummary

    best = outcome.best
    return StudySummary(
        variant=outcome.variant,
        tuned=tuned_name(outcome.variant),
        dataset=outcome.dataset,
        source=outcome.source,
        objective=outcome.objective,
        folds=outcome.folds,
        trials=outcome.budget,
        pruned=outcome.count("pruned"),
        failed=outcome.count("failed"),
        best_trial=best.number if best else None,
        best_value=best.value if best else None,
        default_value=outcome.default_value,
        seconds=outcome.seconds,
    )


@dataclass(frozen=True)
class TunedReport:
    """Of a run with tuned rows: its table, and the pictures of each study by the study's title."""

    table: "Table"
    figures: dict[str, list[Path]]


def tuned_report(out: Path, frame: "pd.DataFrame", protocol: str = "honest") -> TunedReport:
    """Of a run whose manifest names studies; `frame`: `store.frame(out)`."""
    from benchmark.cells.folder import read_manifest
    from reports.tables.tuning import StudySummary, tuned_table

    manifest = read_manifest(out)
    kept = {field.name for field in fields(StudySummary)} - {"source"}
    studies = [StudySummary(**each.model_dump(include=kept), source=manifest.source) for each in manifest.studies]
    figures = {
        f"{study.variant} on {study.dataset}": sorted(figure_folder(out, study.variant, study.dataset).glob("*.*g"))
        for study in studies
    }
    return TunedReport(tuned_table(frame, studies, protocol), figures)


def write_studies_report(out: Path, outcomes: Sequence[Outcome]) -> Path:
    """Writes `tuning.md`, the same in `tables/`, and the figures of the last outcome; returns the path of the first."""
    from reports.tables.tuning import studies_table
    from reports.writers import markdown

    draw_figures(outcomes[-1], outcome_folder(out, outcomes[-1].variant, outcomes[-1].dataset))
    table = studies_table([summary(outcome) for outcome in outcomes])
    path = out / "tuning.md"
    write_atomic(path, markdown.render(table) + "\n")
    write_table(out, table)
    return path


def draw_figures(outcome: Outcome, folder: Path) -> list[Path]:
    """SVG and PNG of each picture of the study."""
    import matplotlib as mpl

    mpl.use("agg")
    from reports.figures.tuning import draw_study

    simulated = " (SIMULATED features)" if outcome.source == "simulated" else ""
    ended = [trial.model_dump() for trial in outcome.trials if trial.ended]
    title = f"{outcome.variant} on {outcome.dataset}{simulated}"
    return draw_study(title, outcome.objective, outcome.space, ended, folder)
