"""What stands where on the page: claims, then each dataset with its tables and figures, then what spans datasets."""

from collections.abc import Iterable, Sequence

from reports.figures.style import Picture
from reports.page.page import PageFigure, PageTable, Section
from reports.table import Table

# By the beginning of a table's name, which is a slug.
TITLES = {
    "ablation": "One change at a time",
    "table-1": "The paper's Table 1 beside ours",
    "protocols": "What choosing the epoch on the test set gains",
    "main": "Published methods",
    "ranks": "Ranks over the datasets",
    "claims": "The paper's claims, tested",
    "tuned": "Tuned against default settings",
}


def sections(datasets: Sequence[str], tables: Sequence[Table], pictures: Sequence[Picture]) -> list[Section]:
    """In the order of reading; a table or picture of no dataset of its own comes last."""
    found = [Section("claims", "Claims", tables=_titled(table for table in tables if table.name == "claims"))]
    for number, dataset in enumerate(datasets, start=1):
        of_dataset = _titled(table for table in tables if table.constants.get("dataset") == dataset)
        drawn = [_figure(picture) for picture in pictures if picture.dataset == dataset]
        # Names of datasets are text; the address of a section is not.
        found.append(Section(f"dataset-{number}", dataset, tables=of_dataset, figures=drawn))
    rest = [table for table in tables if "dataset" not in table.constants and table.name != "claims"]
    others = [_figure(picture) for picture in pictures if picture.dataset is None]
    if rest or others:
        found.append(Section("across", "Across datasets", tables=_titled(rest), figures=others))
    return found


def _titled(tables: Iterable[Table]) -> list[PageTable]:
    return [PageTable(_title(table), table) for table in tables]


def _title(table: Table) -> str:
    return next((title for start, title in TITLES.items() if table.name.startswith(start)), table.name)


def _figure(picture: Picture) -> PageFigure:
    return PageFigure(picture.title, picture.caption, picture.svg)
