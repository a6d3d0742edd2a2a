r"""Tables as LaTeX (booktabs): one `table` environment each, or a whole document.

The rule a caller must know: everything compiles with plain pdflatex and the packages of `PREAMBLE`. Its fonts have
Latin letters only; other letters are printed as their code (U+4E2D).
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from reports.table import Mark, Table, clean

PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage[a4paper, landscape, margin=15mm]{geometry}
\usepackage{array, booktabs, graphicx}
"""
# Shrinks a table that is wider than the line or too tall for a page with its caption.
FITTED = r"""\ifdim\wd0>\linewidth\sbox0{\resizebox{\linewidth}{!}{\usebox0}}\fi
\ifdim\dimexpr\ht0+\dp0\relax>.7\textheight\sbox0{\resizebox*{!}{.7\textheight}{\usebox0}}\fi
\usebox0
"""
# A text column whose longest entry has more characters than this is broken into lines.
UNBROKEN, BROKEN_WIDTH = 34, "55mm"
SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "×": r"$\times$", "Δ": r"$\Delta$", "≈": r"$\approx$", "‡": r"\textdaggerdbl{}",
    "≥": r"$\geq$", "≤": r"$\leq$",
    "λ": r"$\lambda$", "†": r"\textdagger{}", "—": "---", "–": "--", "…": r"\dots{}", "−": "$-$", "·": r"$\cdot$",
    "→": r"$\rightarrow$", "²": r"$^2$", "\N{NO-BREAK SPACE}": "~", "'": r"\textquotesingle{}",
    '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "\N{WORD JOINER}": "{}",
    "<": r"\textless{}", ">": r"\textgreater{}",
} | {character: f"\\{character}" for character in "&%$#_{}"}  # fmt: skip
# The characters that T1 fonts have: ASCII, the letters of Latin-1, Latin Extended-A.
PRINTABLE = re.compile(r"[ -~À-ÖØ-öø-ſ]")


def render(table: Table) -> str:
    """The `table` environment, shrunk if it does not fit the page; its label is `tab:NAME`."""
    letters = table.footnotes
    notes = [escape(line) for line in table.legend] + [f"({letters[note]}) {escape(note)}" for note in letters]
    below = r"\par\smallskip\parbox{\linewidth}{\footnotesize " + r"\\ ".join(notes) + "}\n" if notes else ""
    return (
        "\\begin{table}[tbp]\n\\centering\\footnotesize\n"
        f"\\caption{{{escape(table.caption)}}}\n\\label{{tab:{table.name}}}\n"
        f"\\sbox0{{%\n{_tabular(table)}}}%\n"
        f"{FITTED}"
        f"{below}\\end{{table}}\n"
    )


def document(tables: Iterable[Table], title: str, notes: Sequence[str], numbers: Mapping[str, str]) -> str:
    """A whole document: the macros of `numbers` (see `macros`), the title, the notes as paragraphs, and the tables."""
    paragraphs = "\n\n".join(escape(note) for note in notes)
    # One page a table: too many floats without a page break exceed TeX's limit.
    pages = "".join(f"\\clearpage\n{render(table)}" for table in tables)
    return (
        f"{PREAMBLE}{macros(numbers)}\\begin{{document}}\n\\section*{{{escape(title)}}}\n{paragraphs}\n\n"
        f"{pages}\\end{{document}}\n"
    )


def macros(numbers: Mapping[str, str]) -> str:
    r"""A `\newcommand` for every name (letters only) with its number, for the text of a paper to quote."""
    for name in numbers:
        if not re.fullmatch("[A-Za-z]+", name):
            raise ValueError(f"macro name {name!r}: letters only")
    return "".join(f"\\newcommand{{\\{name}}}{{{number(text)}}}\n" for name, text in numbers.items())


def escape(text: str) -> str:
    r"""One line that prints as itself, also after a `\\`, which would read a `[` or `*` as its argument."""
    apart = re.sub(r"([-,])(?=\1)", "\\1\N{WORD JOINER}", clean(text))  # T1 fonts make one character of -- and of ,,
    escaped = "".join(_character(character) for character in apart)
    return "{}" + escaped if escaped.startswith(("[", "*")) else escaped


def number(text: str) -> str:
    """`escape` for a number as `TableCell.format` prints it, with typographic minus signs."""
    return escape(text.replace("-", "−"))


def _character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    return character if PRINTABLE.fullmatch(character) else f"U+{ord(character):04X}"


def _tabular(table: Table) -> str:
    cells = [[_cell(table, r, c) for c in range(len(table.columns))] for r in range(len(table.rows))]
    names = [(escape(column.group), escape(column.name)) for column in table.columns]
    grouped = any(group for group, _ in names)
    frame = pd.DataFrame(cells, columns=pd.MultiIndex.from_tuples(names) if grouped else [name for _, name in names])
    styler = frame.style.hide(axis="index")
    return styler.to_latex(hrules=True, column_format=_format(table), multicol_align="c")


def _format(table: Table) -> str:
    return "".join(_alignment(table, index) for index in range(len(table.columns)))


def _alignment(table: Table, index: int) -> str:
    column = table.columns[index]
    if column.kind == "number":
        return "r"
    longest = max((len(row.cells[index].format(column)) for row in table.rows), default=0)
    return "l" if longest <= UNBROKEN else f">{{\\raggedright\\arraybackslash}}p{{{BROKEN_WIDTH}}}"


def _cell(table: Table, row: int, column: int) -> str:
    cell = table.rows[row].cells[column]
    if table.repeats(row, column):
        return ""
    text = cell.format(table.columns[column])
    text = number(text) if cell.value is not None else escape(text)
    text = f"\\textbf{{{text}}}" if Mark.BEST in cell.marks else text
    references = "".join(f"\\textsuperscript{{{table.footnotes[note]}}}" for note in cell.notes)
    return text + (f"\\,{escape(cell.symbols)}" if cell.symbols else "") + references
