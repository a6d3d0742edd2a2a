"""The sentence on the power of the gate names no drop that cannot happen: a row cannot lose more than its H."""

from benchmark.gate.power import Power

KEYS = [("cub", "dazle"), ("cub", "uniform")]


def text(one_row: list[float], all_rows: float) -> str:
    return str(Power(dict(zip(KEYS, one_row, strict=True)), all_rows, dict.fromkeys(KEYS, 50.0), 3, 2))


def test_a_drop_above_the_accepted_value_is_no_drop_that_can_be_found() -> None:
    line = text([429.4, 300.0], 250.0)
    assert "no drop of one row alone is found 95 % of the time; no drop of all rows is found 95 % of the time" in line
    assert not any(number in line for number in ("429", "300", "250", "95%"))


def test_only_rows_in_which_a_drop_can_be_found_give_the_median() -> None:
    line = text([429.4, 20.0], 10.0)
    assert "in 1 of 2 rows (from 20.0 H on in the median one, from 20.0 H on in the best)" in line
    assert "the same drop of all rows is found from 10.0 H on (simulated" in line
