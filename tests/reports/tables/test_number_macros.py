"""Names of letters for numbers, so that prose can quote them."""

import re

import pandas as pd
import pytest

from reports.analysis.results import DatasetResults
from reports.table import DASH
from reports.tables.number_macros import number_macros
from reports.writers import latex
from tests.reports.example_records import REAL, ablation, failed, rows, with_metric
from tests.reports.example_tables import HOSTILE


def numbers(frame: pd.DataFrame) -> dict[str, str]:
    return number_macros(DatasetResults.per_dataset(frame))


def test_every_headline_number_has_a_name() -> None:
    macros = numbers(ablation(**REAL))
    assert macros["dazleCubHhonest"] == "62.0" and macros["dazleCubHoracle"] == "67.0"
    assert macros["dazleCubTOnehonest"] == "62.0"
    assert macros["uniformCalibratedCubDeltaHhonest"] == "-10.0 [-12.5, -7.5]"
    assert macros["oracleGainCub"] == "+5.0 (+5.0 to +5.0)"
    assert len(macros) == 2 * (2 * 4) + 1 + 1


def test_a_simulated_number_says_so_in_its_name() -> None:
    assert numbers(ablation())["dazleSimulatedCubHhonest"] == "62.0"
    assert all("Simulated" in name for name in numbers(ablation()))


def test_digits_are_spelled_and_points_too() -> None:
    macros = numbers(pd.DataFrame(rows("lambda-0.01", [50.0], **REAL | {"dataset": "cub127"})))
    assert "lambdaZeroPointZeroOneCubOneTwoSevenHhonest" in macros


def test_the_protocol_that_stands_in_gives_its_name() -> None:
    assert numbers(ablation(validation=(), **REAL))["dazleCubHlast"] == "67.0"


def test_a_number_that_is_not_there_is_a_dash() -> None:
    assert numbers(pd.DataFrame([failed("dazle", 0, **REAL)]))["dazleCubHhonest"] == DASH


def test_names_that_run_together_stay_apart() -> None:
    macros = numbers(pd.DataFrame(rows("a-b", [50.0], **REAL) + rows("a_b", [60.0], **REAL)))
    assert (macros["aBCubHhonest"], macros["aBCubHhonestA"]) == ("50.0", "60.0")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_make_macros_of_letters(name: str) -> None:
    macros = numbers(pd.DataFrame(rows(name, [50.0], **REAL | {"dataset": name})))
    assert all(re.fullmatch("[A-Za-z]+", macro) for macro in macros)
    assert latex.macros(macros).count("\\newcommand") == len(macros) == 9


def test_further_metrics_have_names_too_and_similar_ones_stay_apart() -> None:
    frame = with_metric(ablation(**REAL), [4.0, 5.0, 6.0, 1.0, 2.0, 3.0])
    macros = numbers(with_metric(frame, [7.0] * 6, name="GAP", digits=0))
    assert (macros["dazleCubGaphonest"], macros["dazleCubGAPhonest"]) == ("5.00", "7")
    macros = numbers(with_metric(frame, [7.0] * 6, name="gap_"))
    assert (macros["dazleCubGaphonest"], macros["dazleCubGaphonestA"]) == ("5.00", "7.00")
