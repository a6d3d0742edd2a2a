"""Two runs: what is paired with what, and what is said to differ."""

import pandas as pd
import pytest

from reports.table import DASH, Table
from reports.tables.comparison import compare_runs
from reports.writers import markdown
from tests.reports.example_records import REAL, ablation, failed, rows, with_metric


def run(values=(60.0, 62.0, 64.0), settings=None, environment=None, **more) -> pd.DataFrame:
    identity = {"package": "0.1.0", "dataset": "cub", "features": "f", "seed": 0, "base_seed": 214, "folds": 1,
                "validation": True, "settings": {"training.epochs": 10} | (settings or {})}  # fmt: skip
    frame = pd.DataFrame(rows("dazle", values, **more) + rows("uniform", [v - 10 for v in values], **more))
    frame["identity"] = [identity | {"seed": seed} for seed in frame["seed"]]
    frame["environment"] = [environment or {"versions": {"torch": "2.13"}}] * len(frame)
    return frame


def shown(table: Table, row: str) -> dict[str, str]:
    cells = next(table_row for table_row in table.rows if table_row.key == row).cells
    return {column.title: cell.format(column) for column, cell in zip(table.columns, cells, strict=True)}


def test_differences_are_paired_by_seed_whatever_the_order() -> None:
    a, b = run(), run((63.0, 64.0, 68.0))
    table, _ = compare_runs(a, b.iloc[[2, 0, 1, 5, 4, 3]])
    # 3, 2, 4: mean 3, sd 1
    assert shown(table, "dazle") == {
        "variant": "dazle", "change": "full model", "A H": "62.0 ± 2.0", "B H": "65.0 ± 2.6",
        "B - A ΔS": "+3.0 [+0.5, +5.5]", "B - A ΔU": "+3.0 [+0.5, +5.5]", "B - A ΔH": "+3.0 [+0.5, +5.5]",
        "B - A ΔT1": "+3.0 [+0.5, +5.5]", "p of ΔH": "0.070", "pairs": "3",
    }  # fmt: skip


def test_means_are_over_the_seeds_that_both_have() -> None:
    table, _ = compare_runs(run((60.0, 62.0, 64.0, 99.0)), run())
    assert shown(table, "dazle")["A H"] == shown(table, "dazle")["B H"] == "62.0 ± 2.0"
    assert shown(table, "dazle")["B - A ΔH"] == "0.0" and shown(table, "dazle")["p of ΔH"] == DASH


def test_equal_runs_differ_in_nothing() -> None:
    assert compare_runs(run(), run())[-1].caption.endswith("Nothing differs.")


def test_what_was_told_differently_is_named_with_both_values() -> None:
    b = run(
        settings={"training.epochs": 20, "model.new": 1}, environment={"versions": {"torch": "2.14"}, "commit": "x"}
    )
    table = compare_runs(run(), b)[-1]
    assert [tuple(cell.text for cell in row.cells) for row in table.rows] == [
        ("training.epochs", "10", "20", "all"),
        ("model.new", "(absent)", "1", "all"),
        ("environment.versions.torch", "2.13", "2.14", "all"),
        ("environment.commit", "(absent)", "x", "all"),
    ]
    assert "Nothing differs" not in table.caption and not table.notes


def test_a_difference_of_some_cells_says_of_which() -> None:
    b = run()
    b.loc[0, "identity"]["settings"] = {"training.epochs": 11}
    (row,) = compare_runs(run(), b)[-1].rows
    assert row.cells[3].text == "1 of 6: dazle on cub"


def test_other_base_seeds_are_said_to_be_other_splits() -> None:
    b = run()
    b["identity"] = [identity | {"base_seed": 1} for identity in b["identity"]]
    assert compare_runs(run(), b)[-1].notes == ("base_seed differ: one seed is not one split in A and B",)


def test_rows_of_one_run_alone_are_named() -> None:
    a, b = run(), run()
    table, _ = compare_runs(a[a.variant == "dazle"], b)
    assert [row.key for row in table.rows] == ["dazle"] and "only in B: uniform" in table.notes


def test_failed_cells_are_a_dash_with_the_reason() -> None:
    a, b = run((60.0,)), run((60.0,))
    b = pd.concat(
        [b[b.variant == "uniform"], pd.DataFrame([failed("dazle", 0, error="E: x", identity=None, environment=None)])]
    )
    table, settings = compare_runs(a, b)
    assert shown(table, "dazle")["B - A ΔH"] == DASH
    assert "dazle on cub, seed 0: failed: E: x" in markdown.render(table)
    assert "1 pairs" in settings.caption


def test_protocols_that_are_not_the_same_are_said() -> None:
    table, _ = compare_runs(run(), run(validation=()))
    assert any("also one of protocols" in note for note in table.notes)


def test_sources_are_never_compared() -> None:
    with pytest.raises(ValueError, match="cub is simulated in one run and real in the other"):
        compare_runs(run(), run(**REAL))
    with pytest.raises(ValueError, match="unknown protocol"):
        compare_runs(run(), run(), "best")


def test_ablation_records_without_identity_have_no_pairs_of_settings() -> None:
    frame = ablation().assign(identity=None, environment=None)
    assert compare_runs(frame, frame)[-1].rows == ()


def test_a_further_metric_is_compared_if_both_runs_have_it() -> None:
    gaps = [1.0, 2.0, 3.0, 1.0, 1.0, 1.0]
    a, b = with_metric(run(), gaps), with_metric(run(), [gap + 0.25 for gap in gaps])
    table = compare_runs(a, b)[0]
    assert shown(table, "dazle")["B - A Δgap"] == "+0.25" and "points (S, U, H, T1)" in table.caption
    table = compare_runs(a, run())[0]
    assert "B - A Δgap" not in shown(table, "dazle") and "(S, U, H, T1)" not in table.caption
