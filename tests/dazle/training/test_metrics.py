"""The list of metrics: what can be added to it, what its values may be, and that reports print the same five."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from dazle.training import metrics
from dazle.training.evaluation import Evaluation
from dazle.training.metrics import FIELDS, METRICS, RESERVED, Metric, further_metrics, metric_values, register
from reports.analysis.metrics import FIXED
from reports.analysis.protocols import result_rows
from reports.analysis.results import DatasetResults
from reports.page.cells import cell_data
from reports.tables.ablation import ablation_table
from tests.browser.example_pages import frame as page_frame
from tests.reports.example_records import ablation, cell

# Two images a class, as in the test of the curve.
SCORES = np.array([[2.0, 0.0], [0.5, 0.0], [1.0, 0.0], [1.0, 0.0]])
LABELS, SEEN = np.array([0, 0, 1, 1]), np.array([True, False])


@pytest.fixture(autouse=True)
def own_list(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is gone after it."""
    before = list(METRICS)
    yield
    METRICS[:] = before


def metric(name: str = "gap", compute: Callable = lambda evaluation, margin: 1.0, digits: int = 1) -> Metric:
    return Metric(name, digits, True, compute)


def test_the_five_are_those_of_the_evaluation() -> None:
    evaluation = Evaluation(SCORES, LABELS, SEEN)
    point = evaluation.at(0.4)
    assert metric_values(evaluation, 0.4) == {"S": point.S, "U": point.U, "H": point.H, "T1": 100.0, "AUSUC": 50.0}


def test_without_images_of_seen_classes_S_H_and_AUSUC_do_not_exist() -> None:
    values = metric_values(Evaluation(SCORES[2:], LABELS[2:], SEEN), 0.4)
    assert values == {"S": None, "U": 0.0, "H": None, "T1": 100.0, "AUSUC": None}


def test_a_registered_metric_has_a_value_for_each_margin() -> None:
    register(metric("wrong", lambda evaluation, margin: (evaluation.predictions(margin) != evaluation.labels).sum()))
    evaluation = Evaluation(SCORES, LABELS, SEEN)
    assert [metric_values(evaluation, margin)["wrong"] for margin in (0.0, 0.75, 5.0)] == [2.0, 1.0, 2.0]
    assert [entry.name for entry in further_metrics()] == ["wrong"]
    register(metric("none", lambda evaluation, margin: None))
    assert list(metric_values(evaluation, 0.0))[len(FIELDS) :] == ["wrong", "none"]


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda evaluation, margin: 1 / 0, "metric gap: ZeroDivisionError: division by zero"),
        (lambda evaluation, margin: math.nan, "metric gap returned nan; return None for a value that does not exist"),
        (lambda evaluation, margin: np.inf, "metric gap returned inf"),
        (lambda evaluation, margin: "high", "metric gap: ValueError: could not convert string to float"),
        (lambda evaluation, margin: [1.0], "metric gap: TypeError"),
    ],
)
def test_a_metric_without_a_number_names_itself(compute: Callable, message: str) -> None:
    register(metric(compute=compute))
    with pytest.raises(RuntimeError, match=message):
        metric_values(Evaluation(SCORES, LABELS, SEEN), 0.0)


@pytest.mark.parametrize("name", ["", " gap", "gap ", "a\nb", "a,b", "=gap", "Δ", "a|b", "<b>", "x" * 33, "__proto__"])
def test_names_that_cannot_be_a_column_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a name is at most 32 letters"):
        register(metric(name))


@pytest.mark.parametrize("name", ["gap", "top-5 accuracy (%)", "S - U", "x" * 32, "per_image", "U@0.5"])
def test_names_that_can_be_a_column(name: str) -> None:
    register(metric(name))
    with pytest.raises(ValueError, match="is registered already"):
        register(metric(name.upper()))


@pytest.mark.parametrize("digits", [-1, 10])
def test_digits_out_of_range_are_refused(digits: int) -> None:
    with pytest.raises(ValueError, match=f"{digits} digits; give 0 to 9"):
        register(metric(digits=digits))


def test_no_metric_takes_the_name_of_another_column() -> None:
    records = ablation().assign(images_per_second=1000.0, peak_memory=2**28)
    baseline = pd.DataFrame([cell("eszsl", 0, 50.0, method="eszsl", deterministic=True)])
    tables = [ablation_table(DatasetResults(cells)) for cells in (records, pd.concat([records, baseline]))]
    data = cell_data(page_frame(), "honest")
    content = data["cells"][0]
    others = {
        *result_rows(records).columns, *(column.title for table in tables for column in table.columns),
        *tables[0].constants, *(column["key"] for column in data["columns"]), *content, *content["curves"][0],
    }  # fmt: skip
    assert {name.lower() for name in others if metrics.NAME.fullmatch(name)} <= RESERVED
    for name in ("H", "t1", "Seed", "images/s", "H oracle"):
        with pytest.raises(ValueError, match="another column has this name"):
            register(metric(name))


def test_reports_print_the_five_as_the_list_has_them() -> None:
    listed = [(entry.name, entry.digits, entry.higher_is_better) for entry in METRICS[: len(FIELDS)]]
    assert [(entry.name, entry.digits, entry.higher_is_better) for entry in FIXED] == listed
