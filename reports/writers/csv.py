"""Tables as CSV with raw numbers, for further computation.

Spreads, bounds and marks have columns of their own; the last column holds the footnotes. A text that a spreadsheet
would read as a formula gets an apostrophe in front.
"""

import pandas as pd

from reports.table import Column, Table, TableCell, one_line

PARTS = {" sd": "spread", " low": "low", " high": "high", " min": "smallest", " max": "largest"}
Values = list[float | str | None]
FORMULA = ("=", "+", "-", "@")


def render(table: Table) -> str:
    """Header and one line per row; a column of spreads, bounds or marks is written if any cell has one."""
    columns: dict[str, Values] = {name: [plain(value)] * len(table.rows) for name, value in table.constants.items()}
    for index, column in enumerate(table.columns):
        columns |= _columns(column, [row.cells[index] for row in table.rows])
    notes = ["; ".join(dict.fromkeys(note for cell in row.cells for note in cell.notes)) for row in table.rows]
    if any(notes):
        columns["notes"] = [plain(note) for note in notes]
    return pd.DataFrame({plain(name): values for name, values in columns.items()}).to_csv(index=False)


def plain(text: str) -> str:
    """One line that no spreadsheet reads as a formula."""
    line = one_line(text)
    return f"'{line}" if line.startswith(FORMULA) else line


def _columns(column: Column, cells: list[TableCell]) -> dict[str, Values]:
    values: Values = [cell.value if cell.text is None else plain(cell.text) for cell in cells]
    details: dict[str, Values] = {
        column.title + suffix: [getattr(cell, part) for cell in cells] for suffix, part in PARTS.items()
    }
    details[f"{column.title} marks"] = [" ".join(mark.name.lower() for mark in cell.marks) or None for cell in cells]
    return {column.title: values} | {
        name: detail for name, detail in details.items() if any(value is not None for value in detail)
    }
