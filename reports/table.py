"""One table object: what is said is decided once, and four writers (`reports/writers`) say it.

The rule a caller must know: everything here is unescaped text and raw numbers. Rounding, escaping, marks and footnote
letters are the writers' business, so a name is never escaped twice and a CSV never holds a rounded value.

    table = Table(
        name="tuned", caption="SIMULATED features. ...",
        columns=(Column("variant", kind="text"), Column("H"), Column("ΔH", signed=True)),
        rows=(Row("max", (Cell(text="max"), Cell(62.0, spread=2.5, marks=(Mark.BEST,)), Cell(-1.0, low=-2.0, high=0))),
              Row("one-hot", (Cell(text="one-hot"), gap("seed 0 failed: ..."), gap()))),
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
# How many characters are printed of a name and of a paragraph; nothing that the project itself says is as long.
LONGEST_NAME, LONGEST = 240, 2000
# Controls that turn the direction of what follows them: a name must not reorder the line that it stands in.
BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Controls, halves of surrogate pairs, and what Unicode has not assigned.
UNPRINTABLE = ("Cc", "Cs", "Cn")


class Mark(Enum):
    """What a cell's number needs said beside it: the symbol after it (bold for the best) and its meaning below."""

    BEST = ("", "bold: the best of its column")
    TIED = ("‡", "not told from the best of its column (paired t test with Holm over the rows, 5 %)")
    ORACLE = ("†", "oracle protocol: the epoch was chosen on test images")
    UNVERIFIED = ("?", "not verified in the primary source")

    def __init__(self, symbol: str, meaning: str) -> None:
        self.symbol, self.meaning = symbol, meaning

    @property
    def legend(self) -> str:
        """The line below a table in which the mark stands."""
        return f"{self.symbol}: {self.meaning}" if self.symbol else self.meaning


@dataclass(frozen=True)
class Column:
    """A column. `group` is the header above it (a dataset, say); columns of one group stand side by side.

    `digits` after the point and `signed` (+1.0) hold for its numbers; where `bounded`, as p values are, a number too
    small for its digits is printed as `<0.001` rather than as zero. In a `grouped` text column Markdown and LaTeX leave
    repetitions blank; HTML and CSV, where rows may be sorted, print every one.
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
        """Its name in one line, group first."""
        return f"{self.group} {self.name}".strip()


@dataclass(frozen=True)
class Cell:
    """A number with its spread (one standard deviation) or its interval, or a text; neither is a dash.

    `notes` become footnotes, each printed once a table however many cells refer to it. NaN counts as no value.
    """

    value: float | None = None
    spread: float | None = None
    low: float | None = None
    high: float | None = None
    text: str | None = None
    marks: tuple[Mark, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.value is not None and self.text is not None:
            raise ValueError("a cell has a value or a text, not both")
        for name in ("value", "spread", "low", "high"):
            given = getattr(self, name)
            # Numbers out of data frames: what pandas calls missing, and numpy's floats.
            object.__setattr__(self, name, None if given is None or math.isnan(given) else float(given))

    @property
    def symbols(self) -> str:
        """The symbols of its marks, in the order of `Mark`."""
        return "".join(mark.symbol for mark in Mark if mark in self.marks)

    def shown(self, column: Column) -> str:
        """Unescaped text without marks and footnotes: `62.0 ± 2.0`, `-1.0 [-2.0, 0.0]`, `dazle`, `—`."""
        if self.text is not None:
            return clean(self.text, LONGEST_NAME)
        if self.value is None:
            return DASH
        parts = [_rounded(self.value, column)]
        if self.spread is not None:
            parts.append(f"± {self.spread:.{column.digits}f}")
        if self.low is not None and self.high is not None:
            parts.append(f"[{_rounded(self.low, column)}, {_rounded(self.high, column)}]")
        return " ".join(parts)


@dataclass(frozen=True)
class Row:
    """Cells in the order of the columns; `key` is what the row is of (a variant), for links and tests."""

    key: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table. `name`: letters, digits and hyphens, for file names and labels (`slug` makes one of anything).

    `notes` stand below it, after what the marks mean and before the footnotes. `constants` are columns of the CSV that
    hold for every row, such as the source of features, which no number may be parted from.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
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
        """What the marks in use mean, then the table's own notes."""
        used = {mark for row in self.rows for cell in row.cells for mark in cell.marks}
        return [*(mark.legend for mark in Mark if mark in used), *self.notes]

    def repeats(self, row: int, column: int) -> bool:
        """Whether the cell says what the one above it says, in a grouped column."""
        above = self.rows[row - 1].cells[column] if row else None
        return self.columns[column].grouped and self.rows[row].cells[column] == above


def gap(reason: str = "") -> Cell:
    """A dash, with the reason in a footnote where there is something to say."""
    return Cell(notes=(reason,) if reason else ())


def slug(*words: str) -> str:
    """A table name of any words; where they had to be changed, a hash of them keeps different ones apart."""
    plain = "-".join(words)
    safe = re.sub(r"[^a-z0-9]+", "-", plain.lower())[:40].strip("-")
    return safe if safe == plain else f"{safe}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}".strip("-")


def one_line(text: str) -> str:
    """The text in one printable line: no line breaks, controls or turns of direction."""
    kept = (c for c in text if c.isspace() or (c not in BIDIRECTIONAL and unicodedata.category(c) not in UNPRINTABLE))
    return " ".join("".join(kept).split())


def clean(text: str, longest: int = LONGEST) -> str:
    """`one_line`, cut where it is longer."""
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
