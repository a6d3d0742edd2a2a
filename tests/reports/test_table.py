"""What a table is, before anything prints it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.table import DASH, LONGEST, Column, Mark, Table, TableCell, TableRow, clean, gap, slug
from tests.reports.example_tables import small

H, SIGNED = Column("H"), Column("ΔH", signed=True)


@pytest.mark.parametrize(
    ("cell", "column", "shown"),
    [
        (TableCell(62.04), H, "62.0"),
        (TableCell(62.04, spread=0.0), H, "62.0 ± 0.0"),
        (TableCell(-1.0, low=-2.55, high=0.5), SIGNED, "-1.0 [-2.5, +0.5]"),
        (TableCell(0.04, low=-0.04, high=0.0), SIGNED, "0.0 [0.0, 0.0]"),
        (TableCell(0.75, smallest=0.0, largest=1.6), SIGNED, "+0.8 (0.0 to +1.6)"),
        (TableCell(-0.04), H, "0.0"),
        (TableCell(1234.5), Column("images/s", digits=0), "1234"),
        (TableCell(0.0004), Column("p", digits=3, bounded=True), "<0.001"),
        (TableCell(0.0), Column("p", digits=3, bounded=True), "0.000"),
        (TableCell(text="two\nlines"), H, "two lines"),
        (TableCell(), H, DASH),
        (TableCell(float("nan"), spread=float("nan")), H, DASH),
        (TableCell(5.0, low=4.0), H, "5.0"),
        (TableCell(5.0, smallest=4.0), H, "5.0"),
    ],
)
def test_what_a_cell_shows(cell: TableCell, column: Column, shown: str) -> None:
    assert cell.format(column) == shown


def test_a_cell_is_a_number_or_a_text() -> None:
    with pytest.raises(ValueError, match="not both"):
        TableCell(1.0, text="one")


def test_footnotes_are_lettered_once_in_the_order_of_reference() -> None:
    assert small().footnotes == {"seed 0: failed": "a"}
    notes = [f"note {i}" for i in range(54)]
    table = Table("t", "", (H,), tuple(TableRow(note, (gap(note),)) for note in notes))
    assert [table.footnotes[notes[i]] for i in (0, 25, 26, 51, 52)] == ["a", "z", "aa", "az", "ba"]


def test_the_legend_has_the_marks_in_use_and_nothing_else() -> None:
    assert [line.split(":")[0] for line in small().legend] == ["bold", "‡", "†", "?", "3 seeds."]
    assert Table("t", "", (H,), (TableRow("x", (TableCell(1.0, marks=(Mark.BEST,)),)),)).legend == [Mark.BEST.meaning]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"name": "../x"}, "lower-case letters"),
        ({"name": ""}, "lower-case letters"),
        ({"rows": (TableRow("x", ()),)}, "0 cells, 1 columns"),
        ({"columns": (H, H), "rows": ()}, "two columns of one name"),
        ({"columns": (H,), "rows": (), "constants": {"H": "1"}}, "two columns of one name"),
    ],
)
def test_a_table_that_no_writer_could_print_is_refused(changed: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Table(**{"name": "t", "caption": "", "columns": (H,), "rows": ()} | changed)


def test_slugs_of_plain_words_are_those_words() -> None:
    assert slug("ablation", "cub127") == "ablation-cub127"


@given(st.text(), st.text())
def test_a_slug_is_a_table_name_and_tells_names_apart(a: str, b: str) -> None:
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", slug("t", a))
    assert len(slug("t", a)) < 60
    assert a == b or slug("t", a) != slug("t", b)


@given(st.text())
def test_a_clean_text_is_one_printable_line(text: str) -> None:
    line = clean(text)
    assert line.isprintable() or all(c.isprintable() or ord(c) > 127 for c in line)
    assert len(line.splitlines()) <= 1
    assert len(line) <= LONGEST
    assert clean(line) == line or len(text) > LONGEST


def test_a_long_text_says_that_it_was_cut() -> None:
    assert clean("x" * 5000) == "x" * (LONGEST - 1) + "…"
