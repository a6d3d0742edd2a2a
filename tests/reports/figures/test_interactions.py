"""The picture of the factorial experiment."""

import pandas as pd
import pytest

from reports.analysis.results import DatasetResults
from reports.figures import interactions as module
from reports.figures.interactions import interactions
from reports.figures.style import style
from tests.reports.example_records import ablation
from tests.reports.factorial_records import factorial_frame


def values(on: dict[str, bool], margin: str) -> list[float]:
    h = 40.0 + 20 * on["region attention"] + 2 * on["attribute attention"] + 3 * on["self-calibration"]
    return [h, h + 1, h + 2 + (margin == "1")]


def figure_of(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch):
    finished = []
    monkeypatch.setattr(module, "finish", lambda canvas, *rest: finished.append(canvas))
    with style():
        interactions(DatasetResults(frame), "honest")
    return finished[0]


def test_a_panel_without_and_one_with_self_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    off, on = figure_of(factorial_frame(values), monkeypatch).axes
    assert [axes.get_title() for axes in (off, on)] == ["self-calibration off", "self-calibration on"]
    assert [label.get_text() for label in off.get_xticklabels()] == ["0", "1", "validated"]
    assert [line.get_label() for line in on.lines] == [
        "dense, sigmoid", "dense, none", "uniform, sigmoid", "uniform, none",
    ]  # fmt: skip
    assert list(on.lines[0].get_ydata()) == [pytest.approx(h) for h in (66.0, 66 + 1 / 3, 66.0)]
    assert list(off.lines[3].get_ydata()) == [pytest.approx(h) for h in (41.0, 41 + 1 / 3, 41.0)]
    low, high = on.collections[0].get_segments()[0][:, 1]
    assert (low, high) == (pytest.approx(66 - 2.484, abs=1e-3), pytest.approx(66 + 2.484, abs=1e-3))


def test_it_is_stamped_and_says_what_the_bars_are() -> None:
    with style():
        picture = interactions(DatasetResults(factorial_frame(values)), "honest")
    assert picture is not None and picture.name == "interactions-cub" and "<!-- SIMULATED -->" in picture.svg
    assert "95 % t interval" in picture.caption and "not of a difference" in picture.caption
    frame = factorial_frame(values)
    with style():
        one = interactions(DatasetResults(frame[frame["seed"] == 0]), "honest")
    assert one is not None and "interval" not in one.caption


def test_other_runs_have_no_such_picture() -> None:
    with style():
        assert interactions(DatasetResults(ablation()), "honest") is None
