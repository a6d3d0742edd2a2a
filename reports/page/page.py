"""The HTML page of a run: one file without any request to a server.

The rule a caller must know: all strings are unescaped text; the template escapes them. As a second barrier, the page's
content security policy forbids every request and every other script.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.table import Table
from reports.writers import html, latex, markdown

SCRIPTS = ("theme.js", "elements.js", "copying.js", "tables.js", "figures.js", "curves.js", "cells.js")
STAMPS = {
    "simulated": "SIMULATED features: numbers say nothing about photographs",
    "real": "Real features",
}


@dataclass(frozen=True)
class PageTable:
    """A table under its heading: as HTML, and as Markdown and LaTeX for the copy buttons."""

    title: str
    table: Table

    @property
    def html(self) -> Markup:
        return Markup(html.render(self.table))

    @property
    def markdown(self) -> str:
        return markdown.render(self.table)

    @property
    def latex(self) -> str:
        return latex.render(self.table)


@dataclass(frozen=True)
class PageFigure:
    """A picture with its caption; svg: the text of an SVG file."""

    title: str
    caption: str
    svg: str

    @property
    def address(self) -> str:
        """A data address: in an image, scripts do not run, and the ids of two figures do not clash."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode()


@dataclass(frozen=True)
class Section:
    """A part of the page. id: letters, digits and dashes, for the links of the page."""

    id: str
    title: str
    text: Sequence[str] = ()
    tables: Sequence[PageTable] = ()
    figures: Sequence[PageFigure] = ()


@dataclass(frozen=True)
class Page:
    """The content of a page. cells: the result of `reports.page.cells.cell_data`."""

    title: str
    source: str  # "real" or "simulated"
    protocol: str  # its title, for the numbers in the table of cells
    summary: Sequence[str]
    notes: Sequence[str]
    cells: dict[str, Any]
    sections: Sequence[Section] = field(default=())

    @property
    def stamp(self) -> str:
        return STAMPS[self.source]


def render(page: Page) -> str:
    """The page as one HTML document."""
    environment = Environment(
        loader=PackageLoader("reports.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # NaN is not JSON: a browser would refuse the whole page's data.
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    style, scripts = _text("page.css"), {name: _text(name) for name in SCRIPTS}
    template = environment.get_template("page.html")
    return template.render(page=page, style=style, scripts=scripts, policy=_policy(style, scripts.values()))


def _text(name: str) -> Markup:
    return Markup((resources.files("reports.page") / "templates" / name).read_text(encoding="utf-8"))


def _policy(style: str, scripts: Sequence[str] | Any) -> str:
    """The content security policy: only this style, these scripts, and pictures within the page are allowed."""
    hashes = " ".join(_hash(script) for script in scripts)
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {hashes}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
