"""What is drawn: the numbers behind every figure, what it says of its source, and that names are only names."""

import re
import sys

import numpy as np
import pandas as pd
import pytest

from reports.analysis.results import DatasetResults
from reports.figures import style
from reports.figures.cost import cost, rows_to_name
from reports.figures.curves import curves
from reports.figures.drawing import draw
from reports.figures.forest import forest
from reports.figures.seen_unseen import mean_curve, seen_unseen
from tests.reports.example_records import REAL, UNIFORM, ablation, cell, failed, point, rows

TRACE = [(80.0, 0.0), (60.0, 40.0), (0.0, 50.0)]


def with_traces(frame: pd.DataFrame) -> pd.DataFrame:
    for record in frame.to_dict("records"):
        for test_point in record["test"]:
            test_point["seen_unseen"] = TRACE
    return frame


def full_frame(**more) -> pd.DataFrame:
    frame = with_traces(ablation(**more))
    return frame.assign(images_per_second=[100.0] * 3 + [200.0] * 3)


def drawn(figure, frame: pd.DataFrame, monkeypatch):
    """The figure's axes as they were when it was finished."""
    finished = []
    monkeypatch.setattr(figure_module(figure), "finish", lambda canvas, *rest: finished.append(canvas))
    with style.style():
        figure(DatasetResults(frame), "honest")
    return finished[0].axes[0] if finished else None


def figure_module(figure):
    return sys.modules[figure.__module__]


def test_every_figure_is_drawn_and_stamped():
    pictures = list(draw(full_frame()))
    assert [picture.name for picture in pictures] == ["forest-cub", "seen-unseen-cub", "curves-cub", "cost-cub"]
    for picture in pictures:
        assert "SIMULATED" in picture.caption and picture.png.startswith(b"\x89PNG")
    assert all(a.svg == b.svg and a.png == b.png for a, b in zip(pictures, draw(full_frame()), strict=True))


def test_real_figures_carry_no_stamp():
    simulated, real = (list(draw(full_frame(**more))) for more in ({}, REAL))
    for stamped, plain in zip(simulated, real, strict=True):
        # Text is drawn as glyphs; matplotlib leaves what it says in a comment.
        assert "<!-- SIMULATED -->" in stamped.svg and "<!-- SIMULATED -->" not in plain.svg


def test_the_forest_shows_the_paired_interval(monkeypatch):
    axes = drawn(forest, ablation(), monkeypatch)
    _, interval, mean = axes.lines
    assert list(mean.get_xdata()) == [pytest.approx(-10.0)]
    low, high = interval.get_xdata()  # -10, -11, -9: t(0.975, 2) / sqrt(3) = 2.484 on both sides
    assert (low, high) == (pytest.approx(-12.484, abs=1e-3), pytest.approx(-7.516, abs=1e-3))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["uniform-calibrated"]


def test_equal_differences_have_a_hollow_mark_and_no_bar(monkeypatch):
    axes = drawn(forest, pd.DataFrame(rows("dazle", [60.0, 62.0]) + rows("up", [60.1, 62.1])), monkeypatch)
    _, mark = axes.lines
    assert list(mark.get_xdata()) == [pytest.approx(0.1)] and mark.get_markerfacecolor() == "white"


def test_one_wide_interval_does_not_shrink_the_forest(monkeypatch):
    records = rows("dazle", [60.0, 60.0, 60.0])
    for number in range(10):
        records += rows(f"row-{number}", [59.0, 60.0, 61.0], **UNIFORM)
    axes = drawn(forest, pd.DataFrame(records + rows("wild", [5.0, 95.0, 50.0], **UNIFORM)), monkeypatch)
    low, high = axes.get_xlim()
    assert -15 < low < -10 and high < 5  # the wild mean is -10, its interval over 100 wide
    assert [line.get_marker() for line in axes.lines if line.get_marker() in "<>"] == ["<", ">"]


def test_curves_are_those_of_a_row_that_is_there(monkeypatch):
    frame = pd.DataFrame([failed("dazle", 0, error="boom"), *rows("uniform", [50.0], **UNIFORM)])
    with style.style():
        assert "uniform, one line a seed" in curves(DatasetResults(frame), "honest").caption


def test_curves_mark_the_chosen_and_the_oracle_epoch(monkeypatch):
    axes = drawn(curves, pd.DataFrame(rows("dazle", [60.0])), monkeypatch)
    marks = {line.get_label(): line for line in axes.lines if line.get_linestyle() == "None"}
    honest, oracle = marks["chosen on validation"], marks["oracle: best on test"]
    assert (list(honest.get_xdata()), list(honest.get_ydata())) == ([1.0], [60.0])
    assert (list(oracle.get_xdata()), list(oracle.get_ydata())) == ([2.0], [65.0])


def test_validation_folds_of_unequal_length_are_averaged_by_fraction_of_the_schedule(monkeypatch):
    # A fold with fewer batches and `evaluate_every` has fewer points; honest selection pairs them by fraction, too.
    folds = [
        [point(h, (i + 1) / len(fold)) for i, h in enumerate(fold)] for fold in ((10.0, 20.0, 60.0, 40.0), (30.0, 50.0))
    ]
    axes = drawn(curves, pd.DataFrame([cell("dazle", 0, 60.0) | {"validation": folds}]), monkeypatch)
    (validation,) = [line for line in axes.lines if line.get_label() == "validation"]
    assert list(validation.get_xdata()) == [0.5, 1.0, 1.5, 2.0]
    assert list(validation.get_ydata()) == [20.0, 25.0, 45.0, 45.0]


def test_curves_of_several_seeds_are_averaged_from_axis_to_axis():
    unseen, seen = mean_curve([[(80.0, 0.0), (0.0, 40.0)], [(40.0, 0.0), (0.0, 20.0)]])
    assert (unseen[0], seen[0]) == (pytest.approx(30), pytest.approx(0))
    assert (unseen[-1], seen[-1]) == (pytest.approx(0, abs=1e-9), pytest.approx(60))
    assert (np.diff(seen) > 0).all() and (np.diff(unseen) < 0).all()


def test_the_operating_points_are_those_of_the_protocol(monkeypatch):
    axes = drawn(seen_unseen, with_traces(pd.DataFrame(rows("dazle", [60.0, 62.0]))), monkeypatch)
    curve, points = axes.lines
    assert list(points.get_xdata()) == [60.0, 62.0]
    assert (curve.get_ydata().max(), curve.get_xdata().max()) == (pytest.approx(80), pytest.approx(50, abs=0.5))


def test_of_many_rows_each_axis_shows_the_one_that_differs_most():
    records = rows("dazle", [60.0])
    for number in range(9):
        records += rows(f"row-{number}", [50.0 - number], **UNIFORM)
    with style.style():
        picture = seen_unseen(DatasetResults(with_traces(pd.DataFrame(records))), "honest")
    # Glyphs of a legend are preceded by what they say.
    assert set(re.findall(r"<!-- (row-\d|dazle) \(", picture.svg)) == {"row-8", "dazle"}


def test_cost_names_what_nothing_beats():
    points = pd.DataFrame(
        {"H": [60.0, 61.0, 50.0, 40.0], "cost": [1.0, 0.9, 0.5, 0.6]}, index=["dazle", "better", "cheap", "beaten"]
    )
    assert rows_to_name(points) == ["dazle", "better", "cheap"]


def test_cost_is_relative_to_the_full_model(monkeypatch):
    axes = drawn(cost, full_frame(), monkeypatch)
    places = {text.get_text(): text.xy for text in axes.texts}
    assert places["dazle"] == (1.0, 62.0) and places["uniform-calibrated"] == (0.5, 52.0)


def test_what_has_nothing_to_show_is_left_out():
    lonely = pd.DataFrame([failed("dazle", 0, error="boom"), cell("uniform", 0, 50.0, **UNIFORM)])
    assert [picture.name for picture in draw(lonely)] == ["curves-cub"]
    assert [picture.name for picture in draw(pd.DataFrame([failed("dazle", 0, error="boom")]))] == []


@pytest.mark.parametrize("name", ["$x_{", "<script>alert(1)</script>", "a_b%", "ñandú-鳥", "&amp;-->"])
def test_names_are_text(name):
    pictures = list(draw(pd.concat([full_frame(), pd.DataFrame(rows(name, [1.0, 2.0, 3.0], **UNIFORM))])))
    assert len(pictures) == 4
    for picture in pictures:
        assert "<script" not in picture.svg
