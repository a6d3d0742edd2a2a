"""The table object, which the writers of `reports/writers` print as Markdown, LaTeX, HTML or CSV.

The rule a caller must know: a table holds unescaped text and raw numbers. The writers round, escape, and add marks and
footnote letters, so no name is escaped twice and no CSV holds a rounded value.

    table = Table(
        name="tuned", caption="SIMULATED features. ...",
        columns=(Column("variant", kind="text"), Column("H"), Column("ΔH", signed=True)),
        rows=(
            TableRow("max", (
                TableCell(text="max"),
                TableCell(62.0, spread=2.5, marks=(Mark.BEST,)),
                TableCell(-1.0, low=-2.0, high=0),
            )),
            TableRow("one-hot", (TableCell(text="one-hot"), gap("seed 0 failed: ..."), gap())),
        ),
        constants={"source": "simulated", "protocol": "honest"},
    )
    markdown.render(table), latex.render(table), html.render(table), csv.render(table)
"""

import hashlib
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from string import ascii_lowercase
from typing import Literal

DASH = "—"
# The fields of a cell that are numbers.
NUMBERS = ("value", "spread", "low", "high", "smallest", "largest")
# The most characters that are printed of a name and of a paragraph; no text of the project itself is as long.
LONGEST_NAME, LONGEST = 240, 2000
# Controls that turn the direction of the text after them: a name must not reorder its line.
BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Controls, halves of surrogate pairs, and code points that Unicode has not assigned.
UNPRINTABLE = ("Cc", "Cs", "Cn")


class Mark(Enum):
    """A mark of a cell's number: the symbol printed after it (BEST is bold instead) and its meaning below the table."""

    BEST = ("", "bold: the best of its column")
    TIED = ("‡", "not significantly different from the best in its column (paired t test with Holm over the rows, 5 %)")
    ORACLE = ("†", "oracle protocol: the epoch was chosen on test images")
    UNVERIFIED = ("?", "not verified in the primary source")

    def __init__(self, symbol: str, meaning: str) -> None:
        self.symbol, self.meaning = symbol, meaning

    @property
    def legend(self) -> str:
        """The line that explains the mark below the table."""
        return f"{self.symbol}: {self.meaning}" if self.symbol else self.meaning


@dataclass(frozen=True)
class Column:
    """A column. `group` is a header above several neighbouring columns (a dataset, for example).

    `digits` (after the point) and `signed` (+1.0) format its numbers. `bounded` is for p values: a number too small for
    the digits is printed as `<0.001` instead of as zero. In a `grouped` text column Markdown and LaTeX leave a repeated
    text blank; HTML and CSV, whose rows may be sorted, print it.
    """

    name: str
    kind: Literal["text", "number"] = "number"
    group: str = ""
    digits: int = 1
    signed: bool = False
    bounded: bool = False
    grouped: bool = False

    @property
    def title(self) -> str:
        """Group and name in one line."""
        return f"{self.group} {self.name}".strip()


@dataclass(frozen=True)
class TableCell:
    """A number or a text; a cell without either is printed as a dash.

    A number may have a `spread` (one standard deviation), the bounds `low` and `high` of its 95 % interval, and the
    `smallest` and `largest` of the values that it is the mean of. NaN counts as no value. `notes` become footnotes; a
    table prints a note once, however many cells have it.
    """

    value: float | None = None
    spread: float | None = None
    low: float | None = None
    high: float | None = None
    smallest: float | None = None
    largest: float | None = None
    text: str | None = None
    marks: tuple[Mark, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.value is not None and self.text is not None:
            raise ValueError("a cell has a value or a text, not both")
        for name in NUMBERS:
            number = getattr(self, name)
            # Numbers from data frames: NaN is a missing value, and numpy's floats become Python's.
            object.__setattr__(self, name, None if number is None or math.isnan(number) else float(number))

    @property
    def symbols(self) -> str:
        """The symbols of the marks, in the order of `Mark`."""
        return "".join(mark.symbol for mark in Mark if mark in self.marks)

    def format(self, column: Column) -> str:
        """Unescaped text without marks and footnotes.

        `62.0 ± 2.0`, `-1.0 [-2.0, 0.0]` (interval), `+0.8 (0.0 to +1.6)` (smallest to largest), `dazle`, `—`.
        """
        if self.text is not None:
            return clean(self.text, LONGEST_NAME)
        if self.value is None:
            return DASH
        parts = [_rounded(self.value, column)]
        if self.spread is not None:
            parts.append(f"± {self.spread:.{column.digits}f}")
        if self.low is not None and self.high is not None:
            parts.append(f"[{_rounded(self.low, column)}, {_rounded(self.high, column)}]")
        if self.smallest is not None and self.largest is not None:
            parts.append(f"({_rounded(self.smallest, column)} to {_rounded(self.largest, column)})")
        return " ".join(parts)


@dataclass(frozen=True)
class TableRow:
    """Cells in the order of the columns; `key` names the row (a variant, for example), for links and tests."""

    key: str
    cells: tuple[TableCell, ...]


@dataclass(frozen=True)
class Table:
    """A table. `name`: letters, digits and hyphens, for file names and labels (`slug` makes a name from any words).

    `notes` are printed below the table, after the legend of the marks and before the footnotes. `constants` become
    columns of the CSV with one value for all rows, such as the source of features.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(f"table name {self.name!r}: lower-case letters, digits and single hyphens only")
        titles = [*self.constants, *(column.title for column in self.columns)]
        if len(set(titles)) < len(titles):
            raise ValueError(f"table {self.name}: two columns of one name")
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(
                    f"table {self.name}, row {row.key}: {len(row.cells)} cells, {len(self.columns)} columns"
                )

    @property
    def footnotes(self) -> dict[str, str]:
        """Note -> letter (a, b, .. z, aa, ..), in the order of first reference."""
        notes = dict.fromkeys(note for row in self.rows for cell in row.cells for note in cell.notes)
        return {note: _letter(index) for index, note in enumerate(notes)}

    @property
    def legend(self) -> list[str]:
        """The meanings of the marks in use, then the notes of the table."""
        marks = {mark for row in self.rows for cell in row.cells for mark in cell.marks}
        return [*(mark.legend for mark in Mark if mark in marks), *self.notes]

    def repeats(self, row: int, column: int) -> bool:
        """Whether the cell equals the cell above it, in a grouped column."""
        above = self.rows[row - 1].cells[column] if row else None
        return self.columns[column].grouped and self.rows[row].cells[column] == above


def gap(reason: str = "") -> TableCell:
    """A dash, with the reason in a footnote unless it is empty."""
    return TableCell(notes=(reason,) if reason else ())


def slug(*words: str) -> str:
    """A table name from any words; if characters had to be replaced, a hash keeps different words apart."""
    plain = "-".join(words)
    safe = re.sub(r"[^a-z0-9]+", "-", plain.lower())[:40].strip("-")
    return safe if safe == plain else f"{safe}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}".strip("-")


def one_line(text: str) -> str:
    """The text in one printable line: no line breaks, controls or changes of direction."""
    printable = (
        c for c in text if c.isspace() or (c not in BIDIRECTIONAL and unicodedata.category(c) not in UNPRINTABLE)
    )
    return " ".join("".join(printable).split())


def clean(text: str, longest: int = LONGEST) -> str:
    """`one_line`, cut to `longest` characters."""
    line = one_line(text)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _rounded(value: float, column: Column) -> str:
    text = f"{value:{'+' if column.signed else ''}.{column.digits}f}"
    if column.bounded and value > 0 and float(text) == 0:
        return f"<{10**-column.digits:.{column.digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text  # never "-0.0" nor "+0.0"


def _letter(index: int) -> str:
    more, last = divmod(index, len(ascii_lowercase))
    return (_letter(more - 1) if more else "") + ascii_lowercase[last]
