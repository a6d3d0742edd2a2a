"""The same trainings under every protocol."""

import pandas as pd
import pytest

from reports.analysis.results import DatasetResults
from reports.table import DASH
from reports.tables.protocol_comparison import MEAN_ROW, oracle_gain, protocol_table
from tests.reports.example_records import ablation, failed, point, rows


def only(frame: pd.DataFrame) -> DatasetResults:
    (results,) = DatasetResults.per_dataset(frame)
    return results


def shown(results: DatasetResults) -> dict[str, list[str]]:
    table = protocol_table(results)
    return {row.key: [c.format(of) for c, of in zip(row.cells, table.columns, strict=True)] for row in table.rows}


def test_the_three_protocols_and_what_the_oracle_gains() -> None:
    # Test H is h at the epoch that validation chose and h + 5 at the other, which is the last.
    cells = shown(only(ablation()))
    assert cells["dazle"] == [
        "dazle", "62.0 ± 2.0", "67.0 ± 2.0", "67.0 ± 2.0", "+5.0 (+5.0 to +5.0)", "0.0 (0.0 to 0.0)", "1.0", "2.0"
    ]  # fmt: skip
    assert cells[MEAN_ROW][:4] == [MEAN_ROW, "57.0", "62.0", "62.0"]


def test_the_gain_over_the_rows_is_paired_by_seed_and_has_a_range_and_no_interval() -> None:
    frame = ablation()
    for position, bonus in enumerate([0, 1, 5, 0, 3, 1]):
        curve = frame["test"].iloc[position]
        curve[1] = point(curve[0]["H"] + bonus, 1.0)
    # By seed, the means of the two rows gain 0, 2 and 3. A t interval would reach below zero, which no gain does.
    cell = oracle_gain(only(frame))
    assert cell.value == pytest.approx(5 / 3)
    assert (cell.smallest, cell.largest, cell.low, cell.high) == (0, 3, None, None)


def test_one_seed_has_a_gain_and_no_range() -> None:
    frame = ablation()
    results = only(frame[frame.seed == 0])
    assert shown(results)["dazle"][4] == "+5.0" and "absent with one seed" in protocol_table(results).caption


def test_a_row_with_a_failed_seed_is_no_part_of_the_mean_and_says_why() -> None:
    frame = pd.concat([ablation(), pd.DataFrame([*rows("x", [1.0, 2.0]), failed("x", 2, error="E: no")])])
    table = protocol_table(only(frame))
    assert shown(only(frame))[MEAN_ROW][1] == "57.0"
    assert list(table.footnotes)[-1].startswith("x on cub, seed 2: failed: E: no") or "x on cub" in str(table.footnotes)


def test_nothing_finished_is_a_dash() -> None:
    results = only(pd.DataFrame([failed("dazle", 0), failed("uniform", 0)]))
    assert set(shown(results)["dazle"][1:]) == {DASH}
    assert oracle_gain(results).value is None


def test_simulated_is_said() -> None:
    assert "SIMULATED" in protocol_table(only(ablation())).caption


def test_a_closed_form_has_its_regulariser_in_place_of_an_epoch_and_one_note_on_the_last_epoch() -> None:
    frame = pd.DataFrame(rows("dazle", [60.0, 62.0]) + rows("eszsl", [50.0], method="eszsl", deterministic=True))
    for cell in frame[frame["variant"] == "eszsl"].itertuples():
        for curve in [*cell.validation, cell.test]:
            for values in curve:
                values |= {"epoch": None, "candidate": {"a": 1.0, "g": -2.0}}
    table = protocol_table(DatasetResults(frame.assign(deterministic=frame["variant"] == "eszsl")))
    shown = next(row for row in table.rows if row.key == "eszsl").cells
    assert shown[-1].text == "a=1 g=-2"
    assert table.notes[-1] == "a closed form has no last epoch" and not table.footnotes
