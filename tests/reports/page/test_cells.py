"""What the page embeds of the cells: shared things once, numbers rounded, what does not exist as None."""

import json

import pandas as pd
import pytest

from reports.page.cells import cell_data
from tests.browser.example_pages import ENVIRONMENT, SETTINGS, TRACEBACK, cell, failed, frame, point
from tests.reports.example_records import with_metric


def test_what_cells_share_is_kept_once() -> None:
    other = cell("sparse", "sun", 0, identity={"settings": SETTINGS | {"loss.lambda": 1.0}})
    data = cell_data(pd.concat([frame(), pd.DataFrame([other])]), "honest")
    assert data["settings"] == [SETTINGS, SETTINGS | {"loss.lambda": 1.0}]
    assert (data["environments"], data["tracebacks"]) == ([ENVIRONMENT], [TRACEBACK])
    numbers_of_cells = [
        (cell_content["settings"], cell_content["environment"], cell_content["traceback"])
        for cell_content in data["cells"]
    ]
    assert numbers_of_cells == [(0, 0, None)] * 7 + [(0, 0, 0), (1, 0, None)]


def test_the_numbers_of_a_cell_are_those_of_the_protocol() -> None:
    numbers = {name: cell_data(frame(), name)["cells"][0] for name in ("honest", "last")}
    assert [numbers["honest"][key] for key in ("epoch", "S", "U", "H", "T1")] == [7.0, 53.0, 43.0, 48.0, 58.0]
    assert [numbers["last"][key] for key in ("epoch", "H")] == [8.0, 47.0]
    assert numbers["honest"]["reported"] == {"honest": 7.0, "last": 8.0, "oracle": 7.0}
    with pytest.raises(ValueError, match="unknown protocol"):
        cell_data(frame(), "best")


def test_a_cell_that_is_not_done_has_no_numbers_and_says_why() -> None:
    missing = failed("dazle", "cub", 0, status="missing", error=None, traceback=None, identity=None, environment=None)
    data = cell_data(pd.concat([frame(), pd.DataFrame([missing])]), "honest")
    broken, absent = data["cells"][-2:]
    for cell_content in (broken, absent):
        assert [cell_content[key] for key in ("epoch", "S", "U", "H", "T1")] == [None] * 5
        assert (cell_content["curves"], cell_content["reported"]) == ([], {})
    assert broken["about"].startswith("failed: ValueError: planted · ") and absent["about"].startswith("missing · ")
    assert [absent[key] for key in ("settings", "environment", "traceback")] == [None] * 3
    json.dumps(data, allow_nan=False)


def test_curves_are_columns_and_keep_points_that_lie_close_together() -> None:
    curve = [point(1, 33.333) | {"epoch": 0.005}, point(2, 44.444) | {"epoch": 0.01, "S": None}]
    one = cell("dazle", "cub", 0, validation=[], test=curve)
    (drawn,) = cell_data(pd.DataFrame([one]), "last")["cells"][0]["curves"]
    assert drawn["name"] == "test" and drawn["epoch"] == [0.005, 0.01]
    assert (drawn["H"], drawn["S"], drawn["loss"]) == ([33.3, 44.4], [38.3, None], [3.0, 1.5])


def test_folds_of_unequal_length_keep_their_own_points() -> None:
    folds = [[point(epoch, 40.0 + epoch, 4) for epoch in range(1, 5)], [point(epoch, 50.0, 2) for epoch in (1, 2)]]
    one = cell("dazle", "cub", 0, validation=folds)
    drawn = cell_data(pd.DataFrame([one]), "honest")["cells"][0]["curves"]
    assert [curve["name"] for curve in drawn] == ["validation, fold 1", "validation, fold 2", "test"]
    assert [curve["epoch"] for curve in drawn[:2]] == [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0]]


def test_further_metrics_are_columns_and_values_of_curves() -> None:
    data = cell_data(with_metric(frame(), [0.126, None, *[0.5] * 5, 0.7]), "honest")
    assert [column["key"] for column in data["columns"]][-3:] == ["T1", "gap", "seconds"]
    assert data["columns"][-2] == {"key": "gap", "kind": "number", "digits": 2}
    assert [metric["name"] for metric in data["metrics"]] == ["S", "U", "H", "T1", "AUSUC", "gap"]
    assert [content["gap"] for content in data["cells"]] == [0.13, None, *[0.5] * 5, None]
    validation, test = data["cells"][0]["curves"]
    assert set(validation["gap"]) == {None} and set(test["gap"]) == {0.13}
