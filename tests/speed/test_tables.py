"""Writing a table as long and as wide as that of the whole suite on four datasets, in every format."""

from collections.abc import Callable
from typing import Any

import pytest

from ablations.variants import VARIANTS
from dazle.config import DATASETS
from reports.table import Column, Mark, Table, TableCell, TableRow
from reports.writers import csv, html, latex, markdown

Benchmark = Callable[..., Any]

WRITERS = {"markdown": markdown.render, "latex": latex.render, "html": html.render, "csv": csv.render}
NUMBERS = ("S", "U", "H", "T1", "ΔH")


def table() -> Table:
    columns = (Column("variant", kind="text"), *(Column(name, group=of) for of in DATASETS for name in NUMBERS))
    cell = TableCell(62.04, low=60.1, high=64.0, marks=(Mark.TIED,), notes=("3 of 6 seeds",))
    rows = tuple(TableRow(name, (TableCell(text=name), *[cell] * (len(columns) - 1))) for name in VARIANTS)
    return Table("ablation", "SIMULATED features.", columns, rows)


@pytest.mark.parametrize("name", WRITERS)
def test_table(benchmark: Benchmark, name: str) -> None:
    text = benchmark(WRITERS[name], table())
    assert all(variant in text.replace(r"\_", "_") for variant in VARIANTS)
    assert text.count("62.0") >= len(VARIANTS) * len(DATASETS) * len(NUMBERS)
