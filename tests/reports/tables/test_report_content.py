"""A whole report from made records: which tables there are, and that no name in a record does any harm in them."""

import re
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from reports.tables.report_content import ReportContent, report_content
from reports.writers import csv, html, latex, markdown
from tests.reports.example_records import REAL, ablation, failed, rows
from tests.reports.example_tables import HOSTILE
from tests.reports.writers.test_hostile import STRUCTURE, Parser, compiled, inner_tokens


def names(report: ReportContent) -> list[str]:
    return [table.name for table in report.tables]


def test_the_tables_of_a_simulated_run() -> None:
    report = report_content(ablation())
    assert names(report) == ["ablation-cub", "protocols-cub", "claims"]
    assert all("SIMULATED" in table.caption for table in report.tables)
    assert all(table.constants["source"] == "simulated" for table in report.tables)
    assert len(report.summary) == 3


def test_the_tables_of_a_real_run_with_the_published_counts() -> None:
    report = report_content(ablation(**REAL))
    assert names(report) == ["ablation-cub", "table-1-cub", "main", "protocols-cub", "claims"]
    assert not any("SIMULATED" in markdown.render(table) for table in report.tables)


def test_without_validation_there_is_nothing_to_compare_protocols_with() -> None:
    assert names(report_content(ablation(validation=()))) == ["ablation-cub", "claims"]


def test_one_source_a_report() -> None:
    with pytest.raises(ValueError, match="one source a report, found real, simulated"):
        report_content(pd.concat([ablation(), ablation(**REAL | {"dataset": "cub127"})]))


def hostile(name: str) -> ReportContent:
    """Records in which everything that is text is the name."""
    about = REAL | {"dataset": name, "axis": name, "change": name, "about": name, "backbone": name}
    cells = [*rows("dazle", [60.0, 61.0], **about), *rows(name, [50.0, 55.0], **about)]
    return report_content(pd.DataFrame([*cells, failed(name, 2, **about | {"error": f"E: {name}"})]))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_in_every_table(name: str) -> None:
    report = hostile(name)
    tokens = inner_tokens(markdown.document(report.tables, name, [*report.summary, name]))
    kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
    # The title is a heading, table numbers and best values are strong.
    assert kinds <= STRUCTURE | {"text_special", "heading", "strong"}
    for table in report.tables:
        parsed = Parser(html.render(table))
        assert not parsed.tags & {"script", "img", "b"}
        assert not {key for key, _ in parsed.attributes if key.startswith("on")}
        frame = pd.read_csv(StringIO(csv.render(table)), dtype=str)
        assert not frame.map(lambda value: str(value).startswith(("=", "+", "@"))).any(axis=None)
        assert set(table.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    text = latex.document(report.tables, name, report.summary, report.numbers)
    assert not re.search(r"\\input(?![A-Za-z])", text) and text.count("\\end{document}") == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_latex_of_hostile_records_compiles(tmp_path: Path, name: str) -> None:
    report = hostile(name)
    text = latex.document(report.tables, name, report.summary, report.numbers)
    assert compiled(tmp_path, text).stat().st_size > 10_000
