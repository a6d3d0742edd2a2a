"""Printed numbers beside ours: where they may stand, and with which marks."""

import pandas as pd
import pytest

from reports.analysis.published import PRESETS, published_methods
from reports.analysis.results import DatasetResults
from reports.table import DASH, Mark, Table, TableCell
from reports.tables.paper import BESIDE_ORACLE, main_table, table_1
from tests.reports.example_records import REAL, ablation, failed, rows


def results(**more) -> DatasetResults:
    (only,) = DatasetResults.per_dataset(ablation(**REAL | more))
    return only


def cells(table: Table, row: str) -> dict[str, TableCell]:
    row_cells = next(table_row for table_row in table.rows if table_row.key == row).cells
    return {column.title: cell for column, cell in zip(table.columns, row_cells, strict=True)}


def test_table_1_has_the_papers_number_ours_under_the_same_protocol_and_the_difference() -> None:
    table = table_1(results())
    assert table is not None and [row.key for row in table.rows] == ["dazle", "uniform-calibrated"]
    row = cells(table, "dazle")
    # Oracle H of ours: 65, 67, 69.
    assert (row["paper H"].value, row["ours, oracle H"].value) == (58.1, 67.0)
    difference = row["ours - paper H"]
    assert difference.value == pytest.approx(8.9)
    assert difference.low == pytest.approx(8.9 - 4.3027 * 2 / 3**0.5, abs=1e-3)
    assert "oracle protocol" in table.caption and "not the paper's" not in table.caption
    assert any("T1 66.0 (unverified)" in note for note in table.notes)


@pytest.mark.parametrize("more", [{"published_counts": False}, {"source": "simulated"}, {"preset": "deepfashion"}])
def test_printed_numbers_stand_nowhere_else(more: dict) -> None:
    assert table_1(results(**more)) is None
    if more != {"preset": "deepfashion"}:
        assert main_table([results(**more)]) is None


def test_another_backbone_is_said_beside_printed_numbers() -> None:
    other = results(backbone="EfficientNet-Lite0")
    for table in (table_1(other), main_table([other])):
        assert table is not None and "backbone EfficientNet-Lite0, not the paper's ResNet-101" in table.caption


def test_the_main_table_marks_oracle_and_unverified_numbers() -> None:
    table = main_table([results()])
    assert table is not None
    assert cells(table, "MSDN")["cub H"].marks == (Mark.ORACLE,)
    assert cells(table, "ESZSL")["cub H"].marks == (Mark.UNVERIFIED,)
    paper = cells(table, "DAZLE, paper")
    assert (paper["cub H"].value, paper["cub H"].marks) == (58.1, (Mark.ORACLE,))
    assert (paper["cub T1"].value, paper["cub T1"].marks) == (66.0, (Mark.ORACLE, Mark.UNVERIFIED))
    assert cells(table, "dazle, oracle")["cub H"].marks == (Mark.ORACLE,)
    assert cells(table, "dazle, honest")["cub H"].marks == ()
    assert cells(table, "dazle, honest")["features"].text == "ResNet-101"


def test_the_best_is_bold_whoever_it_is() -> None:
    table = main_table([results()])
    assert table is not None
    assert [row.key for row in table.rows if Mark.BEST in row.cells[3].marks] == ["ZSLViT"]


def test_ours_is_not_bold_against_oracle_numbers_without_saying_so() -> None:
    frame = pd.DataFrame(rows("dazle", [96.0, 97.0], **REAL))
    for record in frame["test"]:
        record[1] = record[0] | {"fraction": 1.0, "H": record[0]["H"] - 1}
    table = main_table(list(DatasetResults.per_dataset(frame)))
    assert table is not None
    best = cells(table, "dazle, honest")["cub H"]
    assert best.marks == (Mark.BEST,) and best.notes == (BESIDE_ORACLE,)
    by_oracle = main_table([results(dataset="x")])
    assert by_oracle is not None and BESIDE_ORACLE not in by_oracle.footnotes


def test_several_datasets_stand_side_by_side() -> None:
    sun = results(dataset="sun", preset="sun")
    table = main_table([results(), sun, results(dataset="mine", published_counts=False)])
    assert table is not None
    assert list(dict.fromkeys(column.group for column in table.columns)) == ["", "cub", "sun"]


def test_a_full_model_that_failed_is_a_dash_with_the_reason() -> None:
    (only,) = DatasetResults.per_dataset(pd.DataFrame([failed("dazle", 0, error="E: x", **REAL)]))
    table = main_table([only])
    assert table is not None
    cell = cells(table, "dazle, honest")["cub H"]
    assert cell.value is None and cell.notes == ("dazle on cub, seed 0: failed: E: x",)


def test_no_main_table_without_the_full_model() -> None:
    (only,) = DatasetResults.per_dataset(pd.DataFrame(rows("uniform-calibrated", [50.0], **REAL)))
    assert main_table([only]) is None


@pytest.mark.parametrize("method", published_methods(), ids=lambda method: method.name)
def test_printed_rows_agree_with_themselves(method) -> None:
    assert set(method.numbers) == {"cub", "sun", "awa2"} <= set(PRESETS)
    for row in method.numbers.values():
        assert set(row) == {"S", "U", "H", "T1"}
        # S and U are printed to 0.1, which moves a small H by more than a large one.
        assert row["H"] == pytest.approx(2 * row["S"] * row["U"] / (row["S"] + row["U"]), abs=0.2)
    assert method.source and method.features and method.protocol in ("oracle", "not stated")
    assert method.verified == (method.protocol == "oracle")


def test_known_printed_rows() -> None:
    by_name = {method.name: method for method in published_methods()}
    assert next(iter(by_name)) == "DeViSE" and len(by_name) == 10
    assert by_name["TransZero"].numbers["awa2"] == {"S": 82.3, "U": 61.3, "H": 70.2, "T1": 70.1}
    assert by_name["SAE"].numbers["sun"]["T1"] == 40.3
    assert by_name["ZSLViT"].features == "ViT" and "448" in by_name["TransZero"].features
    assert DASH not in str(by_name)
