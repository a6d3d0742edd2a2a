"""What a reader of a table must be able to trust."""

import pandas as pd
import pytest

from reports.tables import DASH, DIFFERENCE, PAPER, Table, ablation_tables, render_markdown

REAL = {"source": "real", "backbone": "ResNet-101", "published_counts": True}


def point(h, fraction, pointing=None):
    return {"epoch": 2 * fraction, "fraction": fraction, "S": h, "U": h, "H": h, "T1": h, "AUSUC": h,
            "pointing": pointing, "pointing_chance": pointing and 11.1, "margin": 1.0, "best_margin_H": h}  # fmt: skip


def cell(variant, seed, h, validation=(60, 50), pointing=None, **more):
    """Two epochs: validation prefers the first, with test H `h`; the second and oracle one has h + 5."""
    test = [point(h, 0.5, pointing), point(h + 5, 1.0, pointing)]
    folds = [[point(v, (i + 1) / 2) for i, v in enumerate(validation)]] if validation else []
    return {"variant": variant, "label": variant, "axis": None, "change": "", "dataset": "cub",
            "preset": "cub", "source": "simulated", "backbone": "simulated", "published_counts": False, "about": "10 images",
            "seed": seed, "status": "done", "error": None, "validation": folds, "test": test,
            **more}  # fmt: skip


def failed(variant, seed, **more):
    return cell(variant, seed, 0.0) | {"status": "failed", "validation": [], "test": []} | more


UNIFORM = {"axis": "region attention", "change": "model.region_attention = uniform"}


def ablation(**more):
    dazle = [cell("dazle", s, h, pointing=h - 22, **more) for s, h in enumerate([60.0, 62.0, 64.0])]
    return pd.DataFrame(
        dazle + [cell("uniform-calibrated", s, h, **UNIFORM | more) for s, h in enumerate([50.0, 51.0, 55.0])]
    )


def only(frame, protocol="honest"):
    (table,) = ablation_tables(frame, protocol)
    return table, table.frame.set_index("variant").T.to_dict()


def test_cells_of_a_table():
    table, rows = only(ablation())
    assert list(table.frame.columns) == [
        "axis", "variant", "change", "S", "U", "H", "T1", DIFFERENCE, "H oracle", "pointing", "seeds",
    ]  # fmt: skip
    assert rows["dazle"]["H"] == "62.0 ± 2.0" and rows["dazle"]["change"] == "full model"
    assert rows["dazle"]["H oracle"] == "67.0" and rows["dazle"]["pointing"] == "40.0 ± 2.0 (chance 11.1)"
    assert rows["uniform-calibrated"] == {
        "axis": "region attention", "change": "region_attention = uniform",
        "S": "52.0 ± 2.6", "U": "52.0 ± 2.6", "H": "52.0 ± 2.6", "T1": "52.0 ± 2.6",
        # differences -10, -11, -9: sd 1, t(0.975, 2) = 4.303, 4.303 / sqrt(3) = 2.48
        DIFFERENCE: "-10.0 [-12.5, -7.5]", "H oracle": "57.0", "pointing": DASH, "seeds": "3",
    }  # fmt: skip


def test_captions_say_what_is_seen():
    caption = only(ablation())[0].caption
    for words in (
        "cub, SIMULATED features: numbers say nothing about photographs; honest protocol",
        "3 seeds; ± is the sample standard deviation",
        "95 % interval of the paired t test",
        "uniform attention points nowhere",
        "chance: the same for a region drawn uniformly",
    ):
        assert words in caption
    assert "SIMULATED" not in only(ablation(**REAL))[0].caption


def test_other_protocols_carry_their_names():
    assert "nothing selected" in only(ablation(), "last")[0].caption
    table, rows = only(ablation(), "oracle")
    assert rows["dazle"]["H"] == "67.0 ± 2.0" and "best test H" in table.caption
    with pytest.raises(ValueError, match="unknown protocol"):
        ablation_tables(ablation(), "best")


def test_pairs_are_made_by_seed():
    frame = ablation()
    shuffled = frame.iloc[[0, 1, 2, 5, 3, 4]]
    pd.testing.assert_frame_equal(only(shuffled)[0].frame, only(frame)[0].frame)


def test_without_validation_the_last_epoch_stands_and_says_so():
    table, rows = only(ablation(validation=()).assign(validation=[[]] * 6))
    assert "no validation phase: last epoch, nothing selected" in table.caption
    assert "there is no honest number" in table.caption
    assert rows["dazle"]["H"] == "67.0 ± 2.0"


def test_a_split_without_seen_test_images_has_T1_alone():
    frame, undefined = ablation(), dict.fromkeys(["S", "H", "AUSUC", "best_margin_H"])
    frame["test"] = [[point | undefined for point in curve] for curve in frame["test"]]
    table, rows = only(frame)
    assert [rows["dazle"][column] for column in ("S", "H", "H oracle")] == [DASH] * 3
    assert rows["dazle"]["T1"] == "62.0 ± 2.0" and rows["dazle"]["seeds"] == "3" and not table.footnotes
    assert rows["uniform-calibrated"][DIFFERENCE] == DASH and "there is no S and no H" in table.caption
    assert "there is no S" not in only(ablation())[0].caption
    assert only(frame, "oracle")[1]["dazle"]["T1"] == "67.0 ± 2.0"


def test_one_seed_has_neither_spread_nor_interval():
    frame = ablation()
    table, rows = only(frame[frame.seed == 0])
    assert rows["uniform-calibrated"]["H"] == "50.0" and rows["uniform-calibrated"][DIFFERENCE] == "-10.0"
    assert "1 seed, so no spread and no interval" in table.caption


def test_equal_variants_differ_by_nothing():
    twin = [cell("twin", s, h) for s, h in enumerate([60.0, 62.0, 64.0])]
    frame = pd.concat([ablation(), pd.DataFrame(twin)])
    assert only(frame)[1]["twin"][DIFFERENCE] == "0.0 [0.0, 0.0]"


def test_failed_and_missing_cells_are_shown():
    planted = failed("uniform-calibrated", 3, error="ValueError: planted", **UNIFORM)
    gone = [failed("sparse", s, status="missing") for s in range(4)]
    table, rows = only(pd.concat([ablation(), pd.DataFrame([planted, *gone])]))
    assert rows["uniform-calibrated"]["seeds"] == "3/4" and rows["uniform-calibrated"]["H"] == "52.0 ± 2.6"
    assert rows["sparse"]["H"] == rows["sparse"][DIFFERENCE] == rows["sparse"]["H oracle"] == DASH
    assert rows["sparse"]["seeds"] == "0/4"
    assert table.footnotes == (
        "uniform-calibrated on cub, seed 3: failed: ValueError: planted",
        "sparse on cub, seeds 0, 1, 2, 3: missing",
    )


def test_nothing_done_yet_is_not_called_a_run_without_validation():
    table, rows = only(pd.DataFrame([failed("dazle", 0, error="RuntimeError: no"), failed("dazle", 1)]))
    assert rows["dazle"]["H"] == DASH and "no validation phase" not in table.caption


def test_no_full_model_no_difference():
    table, rows = only(ablation().query("variant != 'dazle'"))
    assert rows["uniform-calibrated"][DIFFERENCE] == DASH
    assert "no differences" in table.footnotes[0]


def test_published_numbers_stand_only_beside_the_published_counts():
    table, rows = only(ablation(**REAL))
    assert rows["dazle"][PAPER] == "59.6/56.7/58.1" and rows["uniform-calibrated"][PAPER] == "48.2/43.6/45.8"
    assert any("T1 66.0 (unverified)" in line for line in table.footnotes)
    assert "not the paper's" not in table.caption
    table, _ = only(ablation(**REAL | {"published_counts": False}))
    assert PAPER not in table.frame and not table.footnotes
    table, _ = only(ablation(published_counts=True))  # a simulated set never has them, whatever its counts
    assert PAPER not in table.frame and not table.footnotes


def test_another_backbone_is_said_beside_published_numbers():
    lite = REAL | {"backbone": "EfficientNet-Lite0"}
    said = "backbone EfficientNet-Lite0, not the paper's ResNet-101"
    assert said in only(ablation(**lite))[0].caption
    without = only(ablation(**lite | {"published_counts": False}))[0].caption
    assert "backbone EfficientNet-Lite0" in without and said not in without


def test_sources_are_never_mixed():
    frame = pd.concat([ablation(), ablation(**REAL)])
    with pytest.raises(ValueError, match="cub: one source a table, found simulated, real"):
        ablation_tables(frame)


def test_one_table_a_dataset_in_order():
    frame = pd.concat([ablation(dataset="sun", preset="sun"), ablation()])
    assert [table.caption.split(",")[0] for table in ablation_tables(frame)] == ["sun", "cub"]


def test_an_axis_is_named_once_a_group():
    rows = [("dazle", None), ("a", "region"), ("b", "region"), ("c", "loss")]
    table, _ = only(pd.DataFrame([cell(v, 0, 50.0, axis=axis) for v, axis in rows]))
    assert table.frame["axis"].tolist() == ["", "region", "", "loss"]


def test_long_changes_lose_their_sections_and_keep_their_values():
    change = "loss.ce_classes = seen; loss.lambda = 0.1; model.scale = none"
    _, rows = only(pd.DataFrame([cell("dazle", 0, 50.0), cell("a", 0, 50.0, change=change)]))
    assert rows["a"]["change"] == "ce_classes = seen; lambda = 0.1; scale = none"


def test_markdown_is_a_readable_table():
    text = render_markdown(ablation_tables(ablation()), "Ablations", ["A note."])
    assert text.startswith("# Ablations\n\nA note.\n\n**Table 1.** cub, SIMULATED")
    grid = [line for line in text.splitlines() if line.startswith("|")]
    assert len(grid) == 4 and len({len(line) for line in grid}) == 1
    assert "62.0 ± 2.0" in grid[2] and "-10.0 [-12.5, -7.5]" in grid[3]


def test_markdown_survives_hostile_names():
    name = "a|b\n\\|<script>alert(1)</script>"
    planted = failed(name, 0, axis=name, change=name, error=f"E: {name}")
    frame = pd.concat([ablation(), pd.DataFrame([planted])])
    text = render_markdown(ablation_tables(frame.assign(dataset=name)), name, [name])
    assert "<script" not in text and "&lt;script>" in text
    grid = [line.replace("\\\\", "").replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert len(grid) == 5 and {line.count("|") for line in grid} == {12}


def test_markdown_of_any_table():
    table = Table("Caption", pd.DataFrame({"variant": ["x"], "H": ["57.20"]}), ("A line.",))
    assert "57.20" in render_markdown([table], "T") and render_markdown([table], "T").endswith("- A line.\n")
