"""Tables as CSV of raw numbers, for whoever computes on.

Spreads, bounds and marks have columns of their own, footnotes stand in the last one. A text that a spreadsheet would
take for a formula gets an apostrophe in front.
"""

import pandas as pd

from reports.table import Cell, Column, Table, one_line

PARTS = {" sd": "spread", " low": "low", " high": "high"}
Values = list[float | str | None]
FORMULA = ("=", "+", "-", "@")


def render(table: Table) -> str:
    """Header and one line a row; a column of bounds or marks is there where any cell has one."""
    columns: dict[str, Values] = {name: [plain(value)] * len(table.rows) for name, value in table.constants.items()}
    for index, column in enumerate(table.columns):
        columns |= _columns(column, [row.cells[index] for row in table.rows])
    notes = ["; ".join(dict.fromkeys(note for cell in row.cells for note in cell.notes)) for row in table.rows]
    if any(notes):
        columns["notes"] = [plain(note) for note in notes]
    return pd.DataFrame({plain(name): values for name, values in columns.items()}).to_csv(index=False)


def plain(text: str) -> str:
    """One line that no spreadsheet calculates."""
    line = one_line(text)
    return f"'{line}" if line.startswith(FORMULA) else line


def _columns(column: Column, cells: list[Cell]) -> dict[str, Values]:
    found: dict[str, Values] = {column.title: [cell.value if cell.text is None else plain(cell.text) for cell in cells]}
    found |= {column.title + suffix: [getattr(cell, part) for cell in cells] for suffix, part in PARTS.items()}
    found[f"{column.title} marks"] = [" ".join(mark.name.lower() for mark in cell.marks) or None for cell in cells]
    return {
        name: values for name, values in found.items() if name == column.title or any(v is not None for v in values)
    }
