"""The page as its reader uses it, in Chromium: tables, copying, details, figures, light and dark, phone, keyboard."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from reports.page.page import Page, PageFigure, PageTable, Section
from reports.writers import latex, markdown
from tests.browser.conftest import PHONE, Browser
from tests.browser.example_pages import SVG, TRACEBACK, cell, failed, frame, page, table
from tests.reports.example_records import with_metric
from tests.reports.example_tables import HOSTILE, hostile

pytestmark = pytest.mark.browser

Opened = Callable[[Page], Path]
ENTER, ESCAPE, DELETE = "\ue007", "\ue00c", "\ue017"
TABLE = "#table-made"
SAID = ".block:not(#cells) output"
VARIANTS = f"{TABLE} tbody td:nth-child(2)"


@pytest.fixture
def plain(opened: Opened) -> None:
    opened(page(frame()))


def header(column: int) -> str:
    return f"{TABLE} thead th:nth-child({column}) button"


@pytest.mark.usefixtures("plain")
def test_tables_are_sorted_by_value(browser: Browser) -> None:
    printed = ["dazle", "uniform", "a-long-name-of-a-row", "sparse"]
    orders = {
        "descending": ["a-long-name-of-a-row", "dazle", "uniform", "sparse"],
        "ascending": ["uniform", "dazle", "a-long-name-of-a-row", "sparse"],  # no value: last either way
        "none": printed,
    }
    assert browser.texts(VARIANTS) == printed
    for direction, order in orders.items():
        browser.click(header(4))
        assert browser.one(f"{TABLE} thead th:nth-child(4)").get_attribute("aria-sort") == direction
        assert browser.texts(VARIANTS) == order
    browser.click(header(4))
    browser.click(header(2))
    assert browser.texts(VARIANTS) == ["a-long-name-of-a-row", "dazle", "sparse", "uniform"]
    assert browser.texts(f"{TABLE} [aria-sort=ascending]") == ["variant"] and not browser.all("[aria-sort=descending]")


@pytest.mark.usefixtures("plain")
def test_tables_are_filtered_by_words(browser: Browser) -> None:
    box, count = browser.one(".block:not(#cells) input"), browser.one(SAID)
    assert count.text == "4 rows"
    box.send_keys("NAME region")
    assert browser.shown(VARIANTS) == ["a-long-name-of-a-row"] and count.text == "1 of 4 rows"
    browser.click(header(4))
    assert browser.shown(VARIANTS) == ["a-long-name-of-a-row"]
    box.send_keys(" nowhere")
    assert browser.shown(VARIANTS) == [] and count.text == "0 of 4 rows"
    browser.press("a", control=True)
    browser.press(DELETE)
    assert len(browser.shown(VARIANTS)) == 4


def pasted(browser: Browser) -> str:
    """What Ctrl+V gives."""
    browser.js(
        "const box = document.body.appendChild(document.createElement('textarea')); box.id = 'pasted'; box.focus()"
    )
    browser.press("v", control=True)
    return browser.one("#pasted").get_property("value")


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(("kind", "writer"), [("markdown", markdown), ("latex", latex)])
@pytest.mark.parametrize("clipboard", ["given", "refused"])
def test_tables_are_copied(browser: Browser, kind: str, writer, clipboard: str) -> None:
    if clipboard == "refused":
        browser.js("navigator.clipboard.writeText = () => Promise.reject(new Error('refused'))")
    browser.click(f"[data-copies={kind}]")
    browser.until(lambda: browser.one(SAID).text.endswith(": Copied"))  # the clipboard answers in its own time
    assert not browser.one(f"textarea.{kind}").is_displayed()
    assert pasted(browser).strip() == writer.render(table()).strip()


@pytest.mark.usefixtures("plain")
def test_where_nothing_can_be_copied_the_text_is_shown_and_selected(browser: Browser) -> None:
    browser.js("navigator.clipboard.writeText = () => Promise.reject(); document.execCommand = () => false")
    browser.click("[data-copies=latex]")
    browser.until(lambda: "Ctrl+C" in browser.one(SAID).text)
    assert browser.one("textarea.latex").is_displayed()
    assert browser.js("return String(getSelection())").strip() == latex.render(table()).strip()


@pytest.mark.usefixtures("plain")
def test_details_of_a_cell(browser: Browser) -> None:
    assert not browser.all("#detail .content > *"), "details are created when a cell is opened"
    browser.click("[data-cell='1']")
    detail = browser.one("#detail")
    assert browser.one("#detail-title").text == "dazle on cub, seed 1"
    assert browser.one("#detail .stamp").text.startswith("SIMULATED"), "the details cover the page's own stamp"
    rows = [row.text.split() for row in browser.all("#detail .content > .scroll tbody tr")]
    # Rises by 3 an epoch from 31; the last is 1 lower than the one before.
    assert rows == [[name, *values.split()] for name, values in (
        ("honest", "7 54.0 44.0 49.0 59.0 39.0 1.00"),
        ("last", "8 53.0 43.0 48.0 58.0 38.0 1.00"),
        ("oracle", "7 54.0 44.0 49.0 59.0 39.0 1.00"),
    )]  # fmt: skip
    curves = browser.all("#detail svg.curve")
    assert [curve.get_attribute("aria-label").split(":")[0] for curve in curves] == ["validation, fold 1", "test"]
    assert [len(line.get_attribute("points").split()) for line in browser.all("#detail polyline.H")] == [8, 8]
    assert browser.texts("#detail svg .label") == ["S", "U", "H", "T1"] * 2
    assert "torch" not in detail.text
    for summary in browser.all("#detail .content > details > summary"):
        summary.click()
    for words in ("model.region_attention dense", "versions.torch 2.13.0", "peak memory, MiB 256", "parameters 1234"):
        assert words in detail.text
    browser.click("[data-step='1']")
    assert browser.one("#detail-title").text == "uniform on cub, seed 0"
    assert "versions.torch 2.13.0" in detail.text, "what is unfolded stays so"


def test_further_metrics_are_in_the_list_and_the_details(browser: Browser, opened: Opened) -> None:
    opened(page(with_metric(frame(), [0.126, None, *[0.5] * 6])))
    assert browser.texts("#cells thead th")[-3:] == ["T1", "gap", "seconds"]
    assert browser.texts("#cells tbody td:nth-child(10)")[:3] == ["0.13", "—", "0.50"]
    browser.click("[data-cell='0']")
    assert browser.texts("#detail .content > .scroll thead th")[-3:] == ["AUSUC", "gap", "margin"]
    assert browser.texts("#detail .content > .scroll tbody td:nth-child(8)") == ["0.13"] * 3
    assert browser.texts("#detail svg .label") == ["S", "U", "H", "T1"] * 2


@pytest.mark.usefixtures("plain")
def test_a_failed_cell_shows_its_traceback(browser: Browser) -> None:
    browser.one("#cells input").send_keys("failed")
    assert browser.shown("#cells tbody tr td:nth-child(4)") == ["failed"]
    (button,) = [button for button in browser.all("[data-cell]") if button.is_displayed()]
    button.click()
    assert browser.texts("#detail pre") == [TRACEBACK]
    assert not browser.all("#detail svg") and "failed: ValueError: planted" in browser.one("#detail .state").text
    browser.click("[data-step='1']")
    assert browser.one("#detail-title").text == "uniform on sun, seed 1", "the filter leaves no other cell"


@pytest.mark.usefixtures("plain")
def test_figures_are_enlarged(browser: Browser) -> None:
    browser.click("figure .picture")
    image = browser.one("#zoom img")
    fitting = image.rect["width"]
    assert fitting > 400 and browser.js("return arguments[0].naturalWidth", image) == 400
    browser.click("[data-zooms='1.25']")
    assert image.rect["width"] == pytest.approx(1.25 * fitting, abs=1)
    for _ in range(3):
        browser.click("[data-zooms='1.25']")
    stage = browser.one("#zoom .stage")
    assert browser.js("return arguments[0].scrollLeft", stage) > 0, "it grows about its middle"
    browser.click("[data-zooms='0']")
    assert image.rect["width"] == pytest.approx(fitting, abs=1)
    assert browser.one("#zoom a").get_attribute("download") == "A-figure.svg"


BACKGROUND = "return getComputedStyle(document.body).backgroundColor"
CONTRAST = """
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const light = (color) => {
  canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
  const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255);
  const [r, g, b] = parts.map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const paper = (node) => {
  const color = getComputedStyle(node).backgroundColor;
  return color === "rgba(0, 0, 0, 0)" && node.parentElement ? paper(node.parentElement) : color;
};
const written = [...document.querySelectorAll(arguments[0])].filter((node) => node.textContent.trim());
return written.filter((node) => node.checkVisibility()).map((node) => {
  const style = getComputedStyle(node);
  const pair = [light(node instanceof SVGElement ? style.fill : style.color), light(paper(node))].sort();
  return [(pair[1] + 0.05) / (pair[0] + 0.05), Number.parseFloat(style.fontSize), node.tagName + " " + node.textContent.slice(0, 30)];
});
"""
TEXTS = "h1, h2, h3, p, a, button, input, output, td, th, figcaption, li, summary, pre, svg.curve text"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_readable(browser: Browser, opened: Opened, scheme: str) -> None:
    browser.scheme(scheme)
    opened(page(frame()))
    outside = browser.js(CONTRAST, TEXTS)
    details = []
    for last in (0, -1):  # one that is done, one that failed
        browser.all("[data-cell]")[last].click()
        details += browser.js(CONTRAST, ", ".join(f"#detail {selector}" for selector in TEXTS.split(", ")))
        browser.click("#detail [data-closes]")
    assert len(outside) > 100 and len(details) > 50
    poor = [(ratio, text) for ratio, _, text in [*outside, *details] if ratio < 4.5]  # WCAG 2, AA
    assert poor == []
    assert [text for _, size, text in [*outside, *details] if size < 12] == []


@pytest.mark.usefixtures("plain")
def test_the_reader_chooses_light_or_dark(browser: Browser) -> None:
    light = browser.js(BACKGROUND)
    assert browser.one("#theme").text == "Dark"
    browser.click("#theme")
    dark = browser.js(BACKGROUND)
    assert dark != light and browser.one("#theme").text == "Light"
    # Chromium writes down what a page keeps a moment later.
    for _ in range(20):
        browser.driver.refresh()
        if browser.js(BACKGROUND) == dark:
            break
        time.sleep(0.1)
    assert browser.js(BACKGROUND) == dark, "the choice is remembered"
    browser.click("#theme")
    browser.scheme("dark")
    assert browser.js(BACKGROUND) == light, "the choice goes before the system's"


@pytest.mark.usefixtures("plain")
def test_the_system_chooses_where_the_reader_did_not(browser: Browser) -> None:
    light = browser.js(BACKGROUND)
    browser.scheme("dark")
    assert browser.js(BACKGROUND) != light
    browser.until(lambda: browser.one("#theme").text == "Light")


WIDTHS = "return [document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]"


def test_a_phone_scrolls_tables_and_not_the_page(browser: Browser, opened: Opened) -> None:
    browser.size(*PHONE)
    long = PageTable("Table 2: " + "x" * 300, hostile("y" * 300))
    section = Section("z" * 40, "z" * 300, ["w" * 500], [long, PageTable("Table 1: made", table())])
    opened(
        page(pd.DataFrame([cell("v" * 300, "d" * 300, 0), failed("v", "d", 0)]), title="t" * 200, sections=[section])
    )
    assert browser.js(WIDTHS) == [390, 390, 390]
    box = browser.one(f"{TABLE} .scroll")
    assert browser.js("return arguments[0].scrollWidth > arguments[0].clientWidth", box)
    browser.js("arguments[0].scrollLeft = 10000", box)
    left = browser.js("return arguments[0].getBoundingClientRect().left", browser.all(VARIANTS)[0])
    assert 0 <= left < 30, "the name of a row stays in view"
    width = browser.js("return arguments[0].getBoundingClientRect().width", browser.all(VARIANTS)[0])
    assert 60 < width < 0.4 * 390, "it is neither crushed nor in the way"
    for place in (0, 1):
        browser.js("document.querySelectorAll('[data-cell]')[arguments[0]].click()", place)
        assert browser.js("return arguments[0].scrollWidth <= arguments[0].clientWidth", browser.one("#detail"))
        assert browser.js(WIDTHS) == [390, 390, 390]
        browser.click("#detail [data-closes]")


def focused(browser: Browser, css: str) -> bool:
    return browser.js("return document.activeElement.matches(arguments[0])", css)


@pytest.mark.usefixtures("plain")
def test_everything_works_by_keyboard(browser: Browser) -> None:
    browser.tab_to(".skip", presses=1)
    outline = (
        "const s = getComputedStyle(document.activeElement); return [s.outlineStyle, parseFloat(s.outlineWidth) >= 2]"
    )
    assert browser.one(".skip").rect["x"] >= 0 and browser.js(outline) == ["solid", True]
    browser.press(ENTER)
    browser.tab_to("nav a")
    browser.tab_to(".block:not(#cells) input")
    browser.press("dazle")
    assert browser.shown(VARIANTS) == ["dazle"]
    browser.tab_to("[data-copies=markdown]")
    assert browser.js(outline) == ["solid", True]
    browser.press(ENTER)
    browser.until(lambda: browser.one(SAID).text == "Copy Markdown: Copied")
    browser.tab_to(f"{TABLE} .scroll")
    browser.tab_to(header(4))
    browser.press(" ")
    assert browser.one(f"{TABLE} [aria-sort=descending]").text.startswith("H")
    browser.tab_to("figure .picture")
    browser.press(ENTER)
    width = browser.one("#zoom img").rect["width"]
    browser.press("+")
    assert browser.one("#zoom img").rect["width"] > width
    browser.press(ESCAPE)
    browser.until(lambda: focused(browser, "figure .picture") and not browser.one("#zoom").is_displayed())
    browser.tab_to("[data-cell='2']")
    browser.press(ENTER)
    assert browser.one("#detail-title").text == "uniform on cub, seed 0"
    browser.tab_to("[data-step='1']")
    browser.press(ENTER)
    browser.tab_to("#detail summary")
    browser.press(ENTER)
    assert browser.all("#detail details[open]")
    browser.press(ESCAPE)
    browser.until(lambda: focused(browser, "[data-cell='3']"))  # the cell that was read last


INJECTED = (
    *HOSTILE,
    "</script><script>window.broken = 1</script>",
    "<!--<script>window.broken = 1",
    "]]><img src=http://127.0.0.1:9/x onerror=window.broken=1>",
    "{{ 7 * 7 }}{% raw %}${window.broken = 1}`\u2028\u2029'\"",
    "</textarea><svg onload=window.broken=1>",
    "constructor",
    "__proto__",
)
EVIL = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="parent.broken = 1"><script>parent.broken = 1'
    '</script><image href="http://127.0.0.1:9/y.png" width="9" height="9"/></svg>'
)


@pytest.mark.parametrize("name", INJECTED, ids=range(len(INJECTED)))
def test_hostile_names_are_text(browser: Browser, opened: Opened, name: str) -> None:
    cells = [
        cell(
            name,
            name,
            0,
            label=name,
            axis=name,
            change=name,
            identity={"settings": {name: name}},
            environment={name: {name: name}},
        ),
        failed(name, name, 1, error=name, traceback=name),
    ]
    section = Section("s", name, [name], [PageTable(name, hostile(name))], [PageFigure(name, name, EVIL)])
    content = {"title": name, "summary": [name], "notes": [name], "protocol": name, "sections": [section]}
    opened(page(pd.DataFrame(cells), **content))
    plain = name.replace("\0", "").replace("\r\n", "\n")
    assert browser.texts("[data-cell]") == [name, name]
    assert browser.texts(".sentence") == [plain]
    for place in (0, 1):
        browser.js("document.querySelectorAll('[data-cell]')[arguments[0]].click()", place)
        for summary in browser.all("#detail summary"):
            summary.click()
        browser.click("#detail [data-closes]")
    assert browser.texts("#detail pre") == [name]
    browser.js("document.querySelector('figure .picture').click()")
    assert browser.js("return window.broken === undefined && document.scripts.length") == 8
    assert browser.js("return document.querySelectorAll('[onload], [onerror], iframe, object, b').length") == 0


def test_a_request_would_be_seen(browser: Browser, tmp_path: Path) -> None:
    """The other tests check that no request is sent; this one checks that a request would be noticed."""
    path = tmp_path / "report.html"
    path.write_text('<title>x</title><img src="http://127.0.0.1:9/x.png"><script>nowhere()</script>')
    browser.open(path)
    assert "http://127.0.0.1:9/x.png" in browser.requested()
    assert any("nowhere is not defined" in line for line in browser.logged())


def test_five_hundred_cells_open_at_once(browser: Browser, opened: Opened) -> None:
    """23 variants on 4 datasets with 6 seeds, 100 epochs, with the tables and figures of such a run: under two seconds
    (the best of three), under 10 MB."""
    keys = [(v, d, s) for d in range(4) for v in range(23) for s in range(6)]
    cells = [cell(f"variant-{v}", f"dataset-{d}", s, epochs=100, identity={"settings": {"v": v}}) for v, d, s in keys]
    tables = [PageTable(f"Table {n}", replace(table(), name=f"made-{n}", rows=table().rows * 6)) for n in range(10)]
    figures = [
        PageFigure(f"Figure {n}", "", SVG.replace("<rect", "<desc>" + "x" * 60_000 + "</desc><rect")) for n in range(16)
    ]
    sections = [Section("all", "All", tables=tables, figures=figures)]
    path = opened(page(pd.DataFrame([*cells[:-1], failed("variant-22", "dataset-3", 5)]), sections=sections))
    seconds = []
    for _ in range(3):
        browser.open(path)
        seconds.append(browser.js("return performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000)
    print(
        f"{len(cells)} cells: {path.stat().st_size / 1e6:.1f} MB, opened in {', '.join(f'{s:.2f}' for s in seconds)} s"
    )
    assert browser.one("#cells output").text == "552 rows"
    assert path.stat().st_size < 10e6
    assert 0 < min(seconds) < 2
    browser.one("#cells input").send_keys("failed")
    assert browser.one("#cells output").text == "1 of 552 rows"
