"""The document itself, without a browser: one file, nothing to fetch, and nothing in it but what was put there."""

import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from reports.page.page import Page, PageFigure, PageTable, Section, render
from tests.browser.example_pages import SVG, cell, frame, page
from tests.reports.example_tables import HOSTILE, hostile


class Reader(HTMLParser):
    """What a browser would make of it: tags with their attributes, and the embedded data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data, self.inside = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self.inside = dict(attributes).get("id") == "data"

    def handle_data(self, data: str) -> None:
        self.data += data if self.inside else ""


def hostile_page(name: str) -> Page:
    cells = pd.DataFrame(
        [cell(name, name, 0, label=name, identity={"settings": {name: name}}, environment={name: name})]
    )
    section = Section("s", name, [name], [PageTable(name, hostile(name))], [PageFigure(name, name, SVG)])
    return page(cells, title=name, summary=[name], notes=[name], protocol=name, sections=[section])


def test_nothing_is_fetched() -> None:
    page_reader = Reader(render(page(frame())))
    addresses = [value or "" for _, facts in page_reader.tags for key, value in facts.items() if key in ("src", "href")]
    assert addresses and all(address.startswith(("#", "data:")) for address in addresses)
    (policy,) = [facts["content"] or "" for tag, facts in page_reader.tags if tag == "meta" and "http-equiv" in facts]
    assert policy.startswith("default-src 'none'; img-src data:;") and "unsafe" not in policy
    assert not [facts for _, facts in page_reader.tags if any(key.startswith("on") or key == "style" for key in facts)]


@pytest.mark.parametrize("name", [*HOSTILE, "</script><b>", "<!--<script>"])
def test_hostile_names_add_no_element(name: str) -> None:
    expected, page_reader = (Reader(render(hostile_page(text))) for text in ("harmless", name))
    assert [tag for tag, _ in page_reader.tags] == [tag for tag, _ in expected.tags]
    assert json.loads(page_reader.data)["cells"][0]["variant"] == name


def test_source_and_summary_stand_first() -> None:
    text = render(page(frame()))
    assert text.index("SIMULATED features") < text.index("The first sentence.") < text.index('id="section-ablations"')
    real = render(page(frame(), source="real", sections=()))
    assert "Real features" in real and "SIMULATED" not in re.sub(r"<script.*?</script>", "", real, flags=re.DOTALL)
