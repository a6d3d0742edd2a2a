"""The order of the page's sections: claims, each dataset with its tables and figures, then tables over all datasets."""

from collections.abc import Iterable, Sequence

from reports.figures.style import Picture
from reports.page.page import PageFigure, PageTable, Section
from reports.table import Table

# The title of a table, by the beginning of its name.
TITLES = {
    "ablation": "One change at a time",
    "factorial": "Attention, self-calibration and margin together",
    "table-1": "The paper's Table 1 beside ours",
    "protocols": "What choosing the epoch on the test set gains",
    "main": "Published methods",
    "claims": "The paper's claims, tested",
    "tuned": "Tuned against default settings",
}


def sections(datasets: Sequence[str], tables: Sequence[Table], pictures: Sequence[Picture]) -> list[Section]:
    """The sections in their order; a table or picture of no single dataset comes last."""
    claims = _titled(table for table in tables if table.name == "claims")
    parts = [Section("claims", "Claims", tables=claims)] if claims else []
    for number, dataset in enumerate(datasets, start=1):
        dataset_tables = _titled(table for table in tables if table.constants.get("dataset") == dataset)
        figures = [_figure(picture) for picture in pictures if picture.dataset == dataset]
        # A name of a dataset is any text, an id is not.
        parts.append(Section(f"dataset-{number}", dataset, tables=dataset_tables, figures=figures))
    other_tables = [table for table in tables if "dataset" not in table.constants and table.name != "claims"]
    other_figures = [_figure(picture) for picture in pictures if picture.dataset is None]
    if other_tables or other_figures:
        parts.append(Section("across", "Across datasets", tables=_titled(other_tables), figures=other_figures))
    return parts


def _titled(tables: Iterable[Table]) -> list[PageTable]:
    return [PageTable(_title(table), table) for table in tables]


def _title(table: Table) -> str:
    return next((title for start, title in TITLES.items() if table.name.startswith(start)), table.name)


def _figure(picture: Picture) -> PageFigure:
    return PageFigure(picture.title, picture.caption, picture.svg)
