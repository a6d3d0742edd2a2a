"""Tables as an HTML fragment, `<figure class="table">`, which is readable without a style sheet and without scripts.

The page's scripts read `data-sort` on every body cell (the raw number, the text, or nothing for a dash), `data-kind`
(`text` or `number`) on the last row of header cells, `data-key` on every body row, and `id` = `table-NAME`.
"""

from html import escape as html_escape
from itertools import groupby

from reports.table import Column, Mark, Table, TableCell, clean


def render(table: Table) -> str:
    """The fragment; footnote letters link to their footnotes."""
    letters = table.footnotes
    notes = [f"<li>{escape(line)}</li>" for line in table.legend]
    notes += [f'<li id="{_anchor(table, letters[note])}">({letters[note]}) {escape(note)}</li>' for note in letters]
    below = f'<ul class="notes">{"".join(notes)}</ul>' if notes else ""
    body = "\n".join(_row(table, index) for index in range(len(table.rows)))
    return (
        f'<figure class="table" id="table-{table.name}">\n<figcaption>{escape(table.caption)}</figcaption>\n'
        f'<div class="scroll"><table>\n<thead>\n{_head(table)}\n</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>\n'
        f"{below}</figure>\n"
    )


def escape(text: str) -> str:
    """One line, safe in an element and in a quoted attribute."""
    return html_escape(clean(text), quote=True)


def _head(table: Table) -> str:
    names = "".join(f'<th scope="col" data-kind="{column.kind}">{escape(column.name)}</th>' for column in table.columns)
    if not any(column.group for column in table.columns):
        return f"<tr>{names}</tr>"
    spans = [(group, len(list(columns))) for group, columns in groupby(column.group for column in table.columns)]
    groups = "".join(
        f'<th scope="colgroup" colspan="{width}">{escape(group)}</th>' if group else f'<td colspan="{width}"></td>'
        for group, width in spans
    )
    return f"<tr>{groups}</tr>\n<tr>{names}</tr>"


def _row(table: Table, index: int) -> str:
    row = table.rows[index]
    cells = "".join(_cell(table, cell, column) for cell, column in zip(row.cells, table.columns, strict=True))
    return f'<tr data-key="{escape(row.key)}">{cells}</tr>'


def _cell(table: Table, cell: TableCell, column: Column) -> str:
    text = escape(cell.format(column))
    text = f"<strong>{text}</strong>" if Mark.BEST in cell.marks else text
    symbols = f" <sup>{escape(cell.symbols)}</sup>" if cell.symbols else ""
    letters = [table.footnotes[note] for note in cell.notes]
    links = "".join(f'<sup><a href="#{_anchor(table, letter)}">{letter}</a></sup>' for letter in letters)
    raw = cell.text if cell.text is not None else "" if cell.value is None else repr(cell.value)
    return f'<td class="{column.kind}" data-sort="{escape(raw)}">{text}{symbols}{links}</td>'


def _anchor(table: Table, letter: str) -> str:
    return f"table-{table.name}-{letter}"
