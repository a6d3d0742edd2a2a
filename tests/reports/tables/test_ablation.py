"""What a reader of an ablation table must be able to trust."""

import pandas as pd
import pytest

from reports.analysis.results import DatasetResults
from reports.analysis.statistics import paired_difference
from reports.table import DASH, Column, Mark, Table, TableCell
from reports.tables.ablation import ablation_table
from reports.writers import markdown
from tests.reports.example_records import REAL, UNIFORM, ablation, cell, failed, point, rows, with_metric


def only(frame: pd.DataFrame, protocol: str = "honest") -> tuple[Table, dict[str, dict[str, str]]]:
    (results,) = DatasetResults.per_dataset(frame)
    table = ablation_table(results, protocol)
    titles = [column.title for column in table.columns]
    shown = {
        row.key: [c.format(column) for c, column in zip(row.cells, table.columns, strict=True)] for row in table.rows
    }
    return table, {key: dict(zip(titles, cells, strict=True)) for key, cells in shown.items()}


def cell_of(table: Table, row: str, column: str) -> TableCell:
    index = [table_column.title for table_column in table.columns].index(column)
    return next(table_row for table_row in table.rows if table_row.key == row).cells[index]


def test_cells_of_a_table() -> None:
    table, shown = only(ablation())
    assert [column.title for column in table.columns] == [
        "axis", "variant", "change", "S", "U", "H", "T1", "ΔH", "p", "H oracle", "pointing", "chance", "above chance", "seeds",
    ]  # fmt: skip
    assert shown["dazle"]["H"] == "62.0 ± 2.0" and shown["dazle"]["change"] == "full model"
    assert shown["dazle"]["H oracle"] == "67.0" and shown["dazle"]["pointing"] == "40.0 ± 2.0"
    assert shown["dazle"]["above chance"] == "+28.9 [+23.9, +33.9]"  # 2 sd / sqrt(3) times t(0.975, 2)
    assert shown["uniform-calibrated"] == {
        "axis": "region attention", "variant": "uniform-calibrated", "change": "region_attention = uniform",
        "S": "52.0 ± 2.6", "U": "52.0 ± 2.6", "H": "52.0 ± 2.6", "T1": "52.0 ± 2.6",
        # differences -10, -11, -9: sd 1, t(0.975, 2) = 4.303, 4.303 / sqrt(3) = 2.48
        "ΔH": "-10.0 [-12.5, -7.5]", "p": "0.003", "H oracle": "57.0", "pointing": DASH, "chance": DASH, "above chance": DASH, "seeds": "3",
    }  # fmt: skip


def test_the_best_is_bold_and_what_cannot_be_told_from_it_is_marked() -> None:
    near = rows("near", [59.0, 63.0, 63.0])
    table, _ = only(pd.concat([ablation(), pd.DataFrame(near)]))
    assert cell_of(table, "dazle", "H").marks == (Mark.BEST,)
    assert cell_of(table, "near", "H").marks == (Mark.TIED,)
    assert cell_of(table, "uniform-calibrated", "H").marks == ()


def test_p_values_are_adjusted_over_the_rows() -> None:
    others = [row for k in range(3) for row in rows(f"v{k}", [50.0 + k, 51.0, 55.0])]
    table, _ = only(pd.concat([ablation(), pd.DataFrame(others)]))
    raw = paired_difference(pd.Series([50.0, 51.0, 55.0]), pd.Series([60.0, 62.0, 64.0])).p
    assert raw is not None
    # v0 and uniform-calibrated are equal rows with the smallest p of four: Holm multiplies it by 4.
    assert cell_of(table, "uniform-calibrated", "p").value == pytest.approx(4 * raw)


def test_costs_stand_where_they_were_measured() -> None:
    frame = ablation()
    frame["images_per_second"] = [1000.0, 1100.0, 900.0, 2000.0, 2200.0, 1800.0]
    frame["peak_memory"] = 300 * 2**20
    table, shown = only(frame)
    assert (shown["dazle"]["images/s"], shown["dazle"]["MiB"], shown["dazle"]["cost"]) == ("1000", "300", "1.00")
    assert shown["uniform-calibrated"]["cost"] == "0.50"
    assert any(note.startswith("images/s and MiB") for note in table.notes)
    assert "cost" not in only(ablation())[1]["dazle"]


def test_cost_is_the_median_over_seeds_of_the_time_an_image() -> None:
    frame = ablation()
    frame["images_per_second"] = [1000.0, 1100.0, 900.0, 2000.0, 4400.0, 3600.0]
    _, shown = only(frame)
    assert (shown["dazle"]["cost"], shown["uniform-calibrated"]["cost"]) == ("1.00", "0.25")


def test_captions_say_what_is_seen() -> None:
    caption = only(ablation())[0].caption
    for words in (
        "cub, SIMULATED features: numbers say nothing about photographs; honest protocol",
        "3 seeds; ± is the sample standard deviation",
        "95 % interval of the paired t test",
    ):
        assert words in caption
    assert "SIMULATED" not in only(ablation(**REAL))[0].caption


def test_ranks_that_cannot_reach_5_percent_are_said_so() -> None:
    assert any("By ranks, 3 seeds cannot give p < 0.05" in note for note in only(ablation())[0].notes)
    many = pd.DataFrame(rows("dazle", range(50, 70)) + rows("x", range(40, 60)))
    assert not any("By ranks" in note for note in only(many)[0].notes)


def test_other_protocols_carry_their_names() -> None:
    assert "nothing selected" in only(ablation(), "last")[0].caption
    table, shown = only(ablation(), "oracle")
    assert shown["dazle"]["H"] == "67.0 ± 2.0" and "best test H" in table.caption
    with pytest.raises(ValueError, match="unknown protocol"):
        only(ablation(), "best")


def test_pairs_are_made_by_seed() -> None:
    frame = ablation()
    assert only(frame.iloc[[0, 1, 2, 5, 3, 4]])[1] == only(frame)[1]


def test_without_validation_the_last_epoch_stands_and_says_so() -> None:
    table, shown = only(ablation(validation=()).assign(validation=[[]] * 6))
    assert "no validation phase: last epoch, nothing selected" in table.caption
    assert "there is no honest number" in table.caption
    assert shown["dazle"]["H"] == "67.0 ± 2.0"
    assert table.constants["protocol"] == "last"


def test_a_split_without_seen_test_images_has_T1_alone() -> None:
    frame, undefined = ablation(), dict.fromkeys(["S", "H", "AUSUC", "best_margin_H"])
    frame["test"] = [[point | undefined for point in curve] for curve in frame["test"]]
    table, shown = only(frame)
    assert [shown["dazle"][column] for column in ("S", "H")] == [DASH] * 2 and "H oracle" not in shown["dazle"]
    assert shown["dazle"]["T1"] == "62.0 ± 2.0" and shown["dazle"]["seeds"] == "3" and not table.footnotes
    assert shown["uniform-calibrated"]["ΔH"] == DASH and "there is no S and no H" in table.caption
    assert "there is no S" not in only(ablation())[0].caption
    assert only(frame, "oracle")[1]["dazle"]["T1"] == "67.0 ± 2.0"


def test_one_seed_has_neither_spread_nor_interval_nor_test() -> None:
    frame = ablation()
    table, shown = only(frame[frame.seed == 0])
    assert shown["uniform-calibrated"]["H"] == "50.0" and shown["uniform-calibrated"]["ΔH"] == "-10.0"
    assert "p" not in shown["dazle"] and "1 seed, so no spread" in table.caption


def test_equal_variants_differ_by_nothing_and_are_not_tested() -> None:
    frame = pd.concat([ablation(), pd.DataFrame(rows("twin", [60.0, 62.0, 64.0]))])
    table, shown = only(frame)
    assert shown["twin"]["ΔH"] == "0.0" and shown["twin"]["p"] == DASH
    assert cell_of(table, "twin", "ΔH").notes == ("all 3 differences are equal: nothing to test",)
    assert "nan" not in markdown.render(table).lower()


def test_two_equal_differences_have_no_interval_and_are_not_told_from_the_best() -> None:
    table, shown = only(pd.DataFrame(rows("dazle", [60.0, 62.0]) + rows("up", [60.1, 62.1])))
    assert shown["up"]["ΔH"] == "+0.1" and "p" not in shown["up"]
    assert (cell_of(table, "up", "H").marks, cell_of(table, "dazle", "H").marks) == ((Mark.BEST,), (Mark.TIED,))


def test_failed_and_missing_cells_are_shown_with_their_reason() -> None:
    planted = failed("uniform-calibrated", 3, error="ValueError: planted", **UNIFORM)
    gone = [failed("sparse", s, status="missing") for s in range(4)]
    table, shown = only(pd.concat([ablation(), pd.DataFrame([planted, *gone])]))
    assert shown["uniform-calibrated"]["seeds"] == "3/4" and shown["uniform-calibrated"]["H"] == "52.0 ± 2.6"
    assert shown["sparse"]["H"] == shown["sparse"]["ΔH"] == shown["sparse"]["H oracle"] == DASH
    assert shown["sparse"]["seeds"] == "0/4"
    assert list(table.footnotes) == [
        "uniform-calibrated on cub, seed 3: failed: ValueError: planted",
        "sparse on cub, seeds 0, 1, 2, 3: missing",
    ]
    assert "— (b)" in markdown.render(table)


def test_a_row_with_fewer_seeds_is_neither_best_nor_tied() -> None:
    better = [*rows("partial", [90.0, 91.0]), failed("partial", 2)]
    table, _ = only(pd.concat([ablation(), pd.DataFrame(better)]))
    assert cell_of(table, "dazle", "H").marks == (Mark.BEST,) and cell_of(table, "partial", "H").marks == ()


def test_nothing_done_yet_is_not_called_a_run_without_validation() -> None:
    table, shown = only(pd.DataFrame([failed("dazle", 0, error="RuntimeError: no"), failed("dazle", 1)]))
    assert shown["dazle"]["H"] == DASH and "no validation phase" not in table.caption


def test_no_full_model_no_difference() -> None:
    table, shown = only(ablation().query("variant != 'dazle'"))
    assert "ΔH" not in shown["uniform-calibrated"]
    assert any("no differences" in note for note in table.notes)


def test_sources_are_never_mixed() -> None:
    frame = pd.concat([ablation(), ablation(**REAL)])
    with pytest.raises(ValueError, match="cub: one source per table, not simulated, real"):
        only(frame)


def test_an_axis_is_named_once_a_group() -> None:
    named = [("dazle", None), ("a", "region"), ("b", "region"), ("c", "loss")]
    table, shown = only(pd.DataFrame([cell(v, 0, 50.0, axis=axis) for v, axis in named]))
    assert [shown[v]["axis"] for v, _ in named] == ["full model", "region", "region", "loss"]
    _, shown = only(pd.DataFrame([cell("a", 0, 50.0, axis="region"), cell("both", 0, 50.0, axis=None)]))
    assert shown["both"]["axis"] == "several", "an empty cell would read as the axis above"
    assert [table.repeats(index, 0) for index in range(4)] == [False, False, True, False]
    assert table.columns[0] == Column("axis", kind="text", grouped=True)


def test_long_changes_lose_their_sections_and_keep_their_values() -> None:
    change = "loss.ce_classes = seen; loss.lambda = 0.1; model.scale = none"
    _, shown = only(pd.DataFrame([cell("dazle", 0, 50.0), cell("a", 0, 50.0, change=change)]))
    assert shown["a"]["change"] == "ce_classes = seen; lambda = 0.1; scale = none"


def test_the_csv_stamp_names_source_dataset_and_protocol() -> None:
    assert only(ablation())[0].constants == {"dataset": "cub", "source": "simulated", "protocol": "honest"}


def test_a_dataset_named_like_a_path_makes_no_path() -> None:
    (results,) = DatasetResults.per_dataset(ablation().assign(dataset="../../etc/x"))
    assert ablation_table(results).name.startswith("ablation-etc-x-")


def test_values_do_not_depend_on_points_that_are_not_chosen() -> None:
    frame = ablation()
    frame["test"] = [[curve[0], point(None, 1.0) | {"T1": 0.0}] for curve in frame["test"]]
    assert only(frame)[1]["dazle"]["H"] == "62.0 ± 2.0"


def test_a_further_metric_stands_after_T1_and_its_best_is_the_smallest() -> None:
    table, shown = only(with_metric(ablation(), [4.0, 5.0, 6.0, 1.0, 2.0, 3.001]))
    assert [column.title for column in table.columns][3:8] == ["S", "U", "H", "T1", "gap"]
    assert (shown["dazle"]["gap"], shown["uniform-calibrated"]["gap"]) == ("5.00 ± 1.00", "2.00 ± 1.00")
    assert cell_of(table, "uniform-calibrated", "gap").marks == (Mark.BEST,)
    assert cell_of(table, "dazle", "H").marks == (Mark.BEST,)
    assert "Added metrics: gap (lower is better)" in table.caption
    higher = only(with_metric(ablation(), [4.0, 5.0, 6.0, 1.0, 2.0, 3.0], higher_is_better=True))[0]
    assert cell_of(higher, "dazle", "gap").marks == (Mark.BEST,) and "lower is better" not in higher.caption


def test_records_without_a_further_metric_show_a_dash_and_some_of_them_a_note() -> None:
    frame = with_metric(ablation(), [4.0, 5.0, None, None, None, None])
    table, shown = only(frame)
    assert (shown["dazle"]["gap"], shown["uniform-calibrated"]["gap"]) == ("4.50 ± 0.71", DASH)
    assert cell_of(table, "dazle", "gap").notes == ("gap of 2 of the 3 seeds: the others have no value of it",)
    assert not cell_of(table, "uniform-calibrated", "gap").notes
    old = ablation()
    assert only(old.assign(metrics=frame["metrics"]))[1]["dazle"]["gap"] == DASH
    assert "Added metrics" not in only(old)[0].caption
