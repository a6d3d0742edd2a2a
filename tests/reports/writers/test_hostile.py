"""Names that try to be something else than a name, wherever a text can stand: each writer's own reader sees text."""

import csv as stdlib_csv
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reports.table import LONGEST_NAME, clean, one_line
from reports.writers import csv, html, latex, markdown
from tests.reports.example_tables import HOSTILE, hostile, small

NAMES = pytest.mark.parametrize("name", HOSTILE)
STRUCTURE = {"paragraph", "text", "inline", "table", "thead", "tbody", "tr", "th", "td", "bullet_list", "list_item"}


def inner_tokens(text: str) -> list[Token]:
    """All tokens that GitHub's dialect would see, but for bare addresses made links."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [*tokens, *(child for token in tokens for child in token.children or [])]


@NAMES
def test_markdown_shows_the_name_and_nothing_else(name: str) -> None:
    tokens = inner_tokens(markdown.render(hostile(name)))
    kinds = {re.sub("_(open|close)$", "", token.type) for token in tokens}
    assert kinds <= STRUCTURE | {"text_special"}, kinds - STRUCTURE
    assert len([token for token in tokens if token.type == "tr_open"]) == 3
    assert len([token for token in tokens if token.type in ("td_open", "th_open")]) == 6
    shown = ["".join(c.content for c in token.children or []) for token in tokens if token.type == "inline"]
    assert shown[0] == shown[6 + 2] == clean(name)  # the caption, and a note after the mark's meaning
    assert f"{clean(name, LONGEST_NAME)} (a)" in shown


@given(st.text())
def test_markdown_of_any_name_is_text(name: str) -> None:
    tokens = inner_tokens(f"- {markdown.escape(name)}\n\n| {markdown.escape(name)} |\n|---|\n| x |\n")
    assert {re.sub("_(open|close)$", "", token.type) for token in tokens} <= STRUCTURE | {"text_special"}


class Parser(HTMLParser):
    """Which elements there are, and their texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attributes

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@NAMES
def test_html_shows_the_name_and_nothing_else(name: str) -> None:
    parsed, plain = Parser(html.render(hostile(name))), Parser(html.render(hostile("plain")))
    assert parsed.tags == plain.tags
    assert {key for key, _ in parsed.attributes} == {key for key, _ in plain.attributes}
    shown = [text for text in parsed.texts if text in (clean(name), clean(name, LONGEST_NAME))]
    assert len(shown) == plain.texts.count("plain") == 6
    assert ("data-key", clean(name)) in parsed.attributes


@NAMES
def test_csv_reads_back_and_calculates_nothing(name: str) -> None:
    header, first, second = stdlib_csv.reader(io.StringIO(csv.render(hostile(name))))
    assert len(header) == len(first) == len(second) == 5
    for text in (*header, *first, *second):
        assert not text.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert "\n" not in text
    assert first[1].removeprefix("'") == one_line(name)


@NAMES
def test_latex_has_no_command_that_the_name_brought(name: str) -> None:
    text = latex.escape(name)
    commands = {command for value in latex.SPECIAL.values() for command in re.findall(r"\\[a-zA-Z]+|\\.", value)}
    assert set(re.findall(r"\\[a-zA-Z]+|\\.", text)) <= commands
    bare = re.sub(r"\\[a-zA-Z]+|\\.", "", text)
    assert not set("%#&_^~") & set(bare)
    assert bare.count("{") == bare.count("}")
    assert text.isascii() or not text.startswith("鸟")


@pytest.mark.slow
def test_latex_of_hostile_names_compiles(tmp_path: Path) -> None:
    tables = [small(), *map(hostile, HOSTILE)]
    text = latex.document(tables, HOSTILE[0], HOSTILE, {"dazleCubHhonest": "-64.0"})
    assert compiled(tmp_path, text).stat().st_size > 10_000


def compiled(folder: Path, text: str) -> Path:
    """The PDF that pdflatex makes of it without a word; skips where there is no pdflatex."""
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex: install Debian's texlive-latex-base and texlive-latex-recommended")
    (folder / "report.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "report.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-3000:].decode(errors="replace")
    return folder / "report.pdf"


def test_a_macro_has_a_name_of_letters() -> None:
    assert latex.macros({"dazleCubHhonest": "-64.0"}) == "\\newcommand{\\dazleCubHhonest}{$-$64.0}\n"
    with pytest.raises(ValueError, match="letters only"):
        latex.macros({"dazle2": "64.0"})
