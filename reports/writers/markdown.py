"""Tables as Markdown for GitHub, pandoc, and a terminal."""

import re
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from reports.table import Mark, Table, clean


def render(table: Table, number: int | None = None) -> str:
    """Caption, grid, legend and footnotes; with a `number` the caption begins with `Table N.`."""
    title = f"**Table {number}.** " if number is not None else ""
    letters = table.footnotes
    below = [escape(line) for line in table.legend] + [f"({letters[note]}) {escape(note)}" for note in letters]
    blocks = [title + escape(table.caption), _grid(table), "\n".join(f"- {line}" for line in below)]
    return "\n\n".join(filter(None, blocks)) + "\n"


def document(tables: Iterable[Table], title: str, notes: Sequence[str] = ()) -> str:
    """A document: the title, the notes as paragraphs, and the numbered tables."""
    blocks = [f"# {escape(title)}\n", *(f"{escape(note)}\n" for note in notes)]
    return "\n".join(blocks + [render(table, number) for number, table in enumerate(tables, start=1)])


def escape(text: str) -> str:
    """`inline` for the beginning of a line: no heading, list or quotation either."""
    return re.sub(r"^(?=[#>+=-])", r"\\", inline(text))


def inline(text: str) -> str:
    """One line that prints as itself: no tag, entity, emphasis, code, formula, link or cell border."""
    line = clean(text).replace("\\", "\\\\")
    line = re.sub(r"&(?=#?\w+;)", "&amp;", line)
    line = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", line)  # before other characters it begins no tag
    line = re.sub(r"([|*`~$])", r"\\\1", line)
    line = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)  # inside a word it is no emphasis
    return re.sub(r"\](?=[(\[:])", r"\\]", line)


def _grid(table: Table) -> str:
    cells = [[_cell(table, r, c) for c in range(len(table.columns))] for r in range(len(table.rows))]
    align = ["left" if column.kind == "text" else "right" for column in table.columns]
    headers = [inline(column.title) for column in table.columns]
    return str(tabulate(cells, headers, tablefmt="pipe", colalign=align, disable_numparse=True))


def _cell(table: Table, row: int, column: int) -> str:
    cell = table.rows[row].cells[column]
    if table.repeats(row, column):
        return ""
    text = inline(cell.format(table.columns[column]))
    text = f"**{text}**" if Mark.BEST in cell.marks else text
    references = "".join(f"({table.footnotes[note]})" for note in cell.notes)
    return " ".join(filter(None, (text, cell.symbols, references)))
