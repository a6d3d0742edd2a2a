"""Tables with other methods: two intervals of each difference, in columns of their own."""

from typing import Any

import numpy as np
import pandas as pd

from reports.analysis.results import DatasetResults
from reports.figures.forest import forest
from reports.figures.style import style
from reports.table import DASH, Mark
from reports.tables.ablation import ablation_table
from reports.tables.number_macros import number_macros
from tests.reports.example_records import REAL, ablation, rows

ESZSL: dict[str, Any] = {"method": "eszsl", "deterministic": True, "change": "method = eszsl"}
DAZLE: dict[str, Any] = {"method": "dazle", "deterministic": False}


def with_counts(frame: pd.DataFrame, seen: int = 30, unseen: int = 25) -> pd.DataFrame:
    """Counts of correct images for each class, of ten."""
    random = np.random.default_rng(1)
    for curve in frame["test"]:
        for point in curve:
            point["correct"] = random.integers(2, 10, seen + unseen).tolist()
    kinds = [[True] * seen + [False] * unseen] * len(frame)
    return frame.assign(class_images=[[10] * (seen + unseen)] * len(frame), class_seen=kinds)


def baselines(seeds: int = 3, **more: Any) -> pd.DataFrame:
    values = [60.0, 62.0, 64.0][:seeds]
    cells = rows("dazle", values, **DAZLE | more) + rows(
        "validated-margin", [h + h / 60 for h in values], **DAZLE | more
    )
    return pd.DataFrame(cells + rows("eszsl", [50.0], **ESZSL | more))


def shown(frame: pd.DataFrame) -> tuple[Any, dict[str, dict[str, str]]]:
    table = ablation_table(DatasetResults(frame))
    titles = [column.title for column in table.columns]
    return table, {
        row.key: {
            title: cell.format(column) for title, column, cell in zip(titles, table.columns, row.cells, strict=True)
        }
        for row in table.rows
    }


def test_a_table_with_other_methods_has_both_intervals() -> None:
    table, cells = shown(with_counts(baselines()))
    assert "ΔH" not in cells["dazle"]
    assert cells["dazle"]["ΔH over seeds"] == cells["dazle"]["ΔH over test classes"] == cells["dazle"]["p"] == ""
    assert cells["validated-margin"]["ΔH over seeds"].startswith("+1.0 [")
    assert all("[" in cells[row]["ΔH over test classes"] for row in ("validated-margin", "eszsl"))
    assert "tested on them" in table.caption and "trained again" in table.caption
    assert any("5,000 resamples of whole classes" in note for note in table.notes)


def test_a_deterministic_row_has_no_interval_over_seeds() -> None:
    table, cells = shown(with_counts(baselines()))
    assert (cells["eszsl"]["ΔH over seeds"], cells["eszsl"]["p"]) == (DASH, DASH)
    assert any(note.startswith("A deterministic method has no random part") for note in table.notes)
    # One test is left, so no footnote on ranks over two rows.
    assert cells["validated-margin"]["p"] != DASH and not any("over 2 rows" in note for note in table.notes)


def test_few_classes_are_said_so() -> None:
    table, _ = shown(with_counts(baselines(), seen=12, unseen=6))
    assert any("(12 seen, 6 unseen): a t interval" in note and "5 degrees" in note for note in table.notes)


def test_one_seed_has_the_interval_over_classes_alone() -> None:
    _, cells = shown(with_counts(baselines(seeds=1)))
    assert cells["validated-margin"]["ΔH over seeds"] == DASH
    assert "[" in cells["validated-margin"]["ΔH over test classes"]


def test_records_without_counts_show_the_difference_alone() -> None:
    table, cells = shown(baselines())
    assert cells["eszsl"]["ΔH over test classes"] == "-12.0"
    assert not any("Interval over test classes" in note for note in table.notes)


def test_tables_of_dazle_alone_keep_their_one_column() -> None:
    _, cells = shown(with_counts(ablation()))
    assert "[" in cells["uniform-calibrated"]["ΔH"] and "ΔH over test classes" not in cells["dazle"]


def test_macros_and_the_forest_show_no_interval_over_seeds_for_a_deterministic_row() -> None:
    results = DatasetResults(baselines(**REAL))
    numbers = number_macros([results], "honest")
    assert numbers["eszslCubDeltaHhonest"] == "-12.0" and "[" in numbers["validatedMarginCubDeltaHhonest"]
    with style():
        picture = forest(results, "honest")
    assert picture is not None and "A deterministic method is trained once and has no bar" in picture.caption


def test_every_row_has_its_own_H_with_both_intervals_the_full_model_too() -> None:
    _, cells = shown(with_counts(baselines()))
    assert cells["dazle"]["H over seeds"] == "62.0 [57.0, 67.0]"  # 62 +- t(2) 2 / sqrt(3)
    assert cells["eszsl"]["H over seeds"] == DASH
    assert all("[" in cells[row]["H over test classes"] for row in cells)


def test_a_table_of_dazle_alone_has_no_further_columns() -> None:
    frame = with_counts(baselines())
    _, cells = shown(frame[frame["method"] == "dazle"])
    assert "H over seeds" not in cells["dazle"]


def test_marks_are_no_test_between_a_deterministic_row_and_another() -> None:
    """Equal differences between two constants say nothing of which is the better one."""
    frame = pd.concat([pd.DataFrame(rows(name, [h], **ESZSL)) for name, h in (("eszsl", 60.0), ("sae", 20.0))])
    table, _ = shown(pd.concat([frame, pd.DataFrame(rows("dazle", [50.0, 51.0, 52.0], **DAZLE))]))
    (column,) = (index for index, column in enumerate(table.columns) if column.title == "H")
    assert {row.key: row.cells[column].marks for row in table.rows} == {"eszsl": (Mark.BEST,), "sae": (), "dazle": ()}
