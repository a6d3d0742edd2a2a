"""Tables of tuning: default and tuned values in one row, paired by seed, with reasons for missing ones."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from benchmark.cells.outcome import StudySummary
from reports.figures.tuning import draw_study
from reports.tables.tuning import studies_table, tuned_table
from reports.writers import csv, html, latex, markdown

STUDY = StudySummary(
    study="dazle-benchmark/simulated/cub/dazle", variant="dazle", tuned="dazle-tuned", dataset="cub", objective="H",
    folds=3, trials=30, pruned=11, failed=2, best_trial=27, best_value=61.6, default_value=60.2, seconds=90.0,
).model_dump()  # fmt: skip
OWN, TUNED = [60.0, 62.0, 61.0], [63.0, 62.5, 64.0]
SPACE = {
    "loss.lambda": [0.001, 1.0, True],
    "training.batch_size": [16, 128, True],
    "training.momentum": [0, 0.95, False],
}


def point(H: float) -> dict[str, Any]:
    return {
        "epoch": 1.0, "fraction": 1.0, "S": H, "U": H, "H": H, "T1": H + 5, "AUSUC": 40.0, "margin": 1.0,
        "best_margin": 1.0, "best_margin_H": H, "pointing": None, "pointing_chance": None,
    }  # fmt: skip


def frame(rows: dict[str, list[float]]) -> pd.DataFrame:
    """A row a cell, the last seed of each row first: pairs go by seed, not by place."""
    return pd.DataFrame(
        {
            "variant": variant, "dataset": "cub", "source": "simulated", "seed": seed, "status": "done",
            "error": None, "preset": "cub", "backbone": "simulated", "about": "small", "published_counts": False,
            "validation": [[point(H)]], "test": [point(H)],
        }
        for variant, values in rows.items()
        for seed, H in reversed(list(enumerate(values)))
    )  # fmt: skip


def cells(table: Any) -> dict[str, Any]:
    return dict(zip((column.title for column in table.columns), table.rows[0].cells, strict=True))


def test_budget_best_and_default_stand_side_by_side() -> None:
    row = cells(studies_table([STUDY], "simulated"))
    numbers = {name: cell.value for name, cell in row.items() if cell.text is None}
    assert numbers == {
        "trials": 30, "pruned": 11, "failed": 2, "validation H default": 60.2, "validation H best": 61.6,
        "best trial": 27, "minutes": 1.5,
    }  # fmt: skip


def test_the_tuned_row_stands_beside_its_own_settings_paired_by_seed() -> None:
    row = cells(tuned_table(frame({"dazle": OWN, "dazle-tuned": TUNED[::-1]}), [STUDY]))
    assert (row["test H default"].value, row["test H tuned"].value) == (61.0, pytest.approx(189.5 / 3))
    assert (row["test T1 default"].value, row["test T1 tuned"].value) == (66.0, pytest.approx(189.5 / 3 + 5))
    difference = row["test H tuned - default [95 %]"]
    expected = stats.ttest_rel(TUNED[::-1], OWN).confidence_interval()
    assert difference.value == pytest.approx((189.5 - 183) / 3)
    assert (difference.low, difference.high) == pytest.approx((expected.low, expected.high))
    assert row["validation H default"].value == 60.2
    assert row["minutes"].value == 1.5


def test_what_is_missing_is_a_dash_with_its_reason() -> None:
    text = markdown.render(tuned_table(frame({"dazle": OWN}), [STUDY]))
    assert "dazle-tuned on cub is not in the run" in text
    broken = frame({"dazle": OWN, "dazle-tuned": TUNED})
    broken.loc[broken["variant"] == "dazle-tuned", "status"] = "failed"
    assert "dazle-tuned on cub, seeds 2, 1, 0: failed" in markdown.render(tuned_table(broken, [STUDY]))
    broken.loc[3, "status"] = "done"
    assert "dazle-tuned on cub, seeds 1, 0: failed" in markdown.render(tuned_table(broken, [STUDY]))
    empty = STUDY | {"best_trial": None, "best_value": None, "default_value": None}
    assert cells(studies_table([empty], "real"))["validation H best"].value is None


def test_where_the_default_was_best_the_table_says_so() -> None:
    same = STUDY | {"best_trial": 0, "best_value": 60.2}
    assert "the best trial was that of the row's own settings" in markdown.render(
        tuned_table(frame({"dazle": OWN, "dazle-tuned": OWN}), [same])
    )


@pytest.mark.parametrize("writer", [markdown, latex, html, csv])
def test_simulated_tuning_says_so_in_every_format(writer: Any) -> None:
    for table in (
        studies_table([STUDY], "simulated"),
        tuned_table(frame({"dazle": OWN, "dazle-tuned": TUNED}), [STUDY]),
    ):
        assert "simulated" in writer.render(table).lower()
    real = frame({"dazle": OWN, "dazle-tuned": TUNED}).assign(source="real")
    for table in (studies_table([STUDY], "real"), tuned_table(real, [STUDY])):
        assert "simulated" not in writer.render(table).lower()


@pytest.mark.parametrize("change", [{"objective": "T1"}, {"folds": 1}])
def test_studies_that_cannot_stand_in_one_table_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="one objective and one number of folds"):
        studies_table([STUDY, STUDY | change], "simulated")


def trials(count: int) -> list[dict[str, Any]]:
    return [
        {
            "number": number, "state": ("complete", "complete", "pruned", "failed")[number % 4],
            "value": None if number % 4 == 3 else 40.0 + number,
            "params": {"loss.lambda": 0.01 * (1 + number), "training.batch_size": 16 + number,
                       "training.momentum": 0.1 * (number % 9)},
        }
        for number in range(count)
    ]  # fmt: skip


def test_pictures_are_drawn_and_say_what_of(tmp_path: Path) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    before = mpl.rcParams.copy()
    paths = draw_study("dazle on cub (SIMULATED features)", "H", SPACE, trials(12), tmp_path)
    assert {path.name for path in paths} == {
        f"{name}.{ending}" for name in ("history", "importances", "slice", "parallel") for ending in ("svg", "png")
    }
    assert all(path.stat().st_size > 1000 for path in paths)
    assert mpl.rcParams == before
    first = (tmp_path / "slice.svg").read_bytes()
    draw_study("dazle on cub (SIMULATED features)", "H", SPACE, trials(12), tmp_path)
    assert (tmp_path / "slice.svg").read_bytes() == first
    assert b"SIMULATED" in first


@pytest.mark.parametrize("count", [0, 1])
def test_of_too_few_trials_there_is_no_picture(tmp_path: Path, count: int) -> None:
    assert draw_study("dazle", "H", SPACE, trials(count), tmp_path) == []


def test_trials_that_all_reached_the_same_are_drawn_too(tmp_path: Path) -> None:
    same = [trial | {"value": 0.0, "state": "complete"} for trial in trials(5)]
    assert len(draw_study("dazle", "H", SPACE, same, tmp_path)) == 8
