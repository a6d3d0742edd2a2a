"""The table of the factorial experiment, and when it is shown."""

import pandas as pd

from ablations.variants import VARIANTS
from reports.analysis.results import DatasetResults
from reports.table import DASH
from reports.tables.factorial import factorial_table
from reports.tables.report_content import report_content
from reports.writers import latex, markdown
from tests.reports.example_records import ablation, failed
from tests.reports.factorial_records import factorial_frame


def values(on: dict[str, bool], margin: str) -> list[float]:
    h = 40.0 + 20 * on["region attention"] + 2 * on["attribute attention"] + (margin == "1")
    return [h, h + 1 + on["region attention"], h + 3]


def test_the_table_is_part_of_a_report_that_has_all_rows() -> None:
    names = [table.name for table in report_content(factorial_frame(values)).tables]
    assert names == ["ablation-cub", "factorial-cub", "protocols-cub", "claims"]
    assert factorial_table(DatasetResults(ablation())) is None


def test_interactions_stand_above_the_effects_at_the_full_model() -> None:
    table = factorial_table(DatasetResults(factorial_frame(values)))
    assert table is not None and len(table.rows) == 23
    assert [table.rows[index].cells[0].text for index in (0, 2, 9, 18)] == [
        "four factors",
        "three factors",
        "two factors",
        "full model",
    ]
    region = next(row for row in table.rows if row.key == "region attention").cells
    # 20, 21, 20: mean 20.33, sd / sqrt(3) = 1/3, t(0.975, 2) = 4.303.
    assert region[2].format(table.columns[2]) == "+20.3 [+18.9, +21.8]"
    assert "after Holm over the 23 effects" in table.caption and "SIMULATED" in table.caption
    assert "×" in markdown.render(table) and r"$\times$" in latex.render(table)


def test_an_effect_without_all_its_cells_is_a_dash_with_the_reason() -> None:
    frame = factorial_frame(values)
    row, change = "uniform-margin-0", VARIANTS["uniform-margin-0"].change
    frame = pd.concat([frame[frame["variant"] != row], pd.DataFrame([failed(row, s, change=change) for s in range(3)])])
    table = factorial_table(DatasetResults(frame))
    assert table is not None
    cells = next(r for r in table.rows if r.key == "region attention × self-calibration").cells
    assert cells[2].format(table.columns[2]) == DASH
    assert cells[2].notes == ("uniform-margin-0 on cub, seeds 0, 1, 2: failed",)


def test_one_seed_has_effects_without_interval_and_p() -> None:
    frame = factorial_frame(values)
    table = factorial_table(DatasetResults(frame[frame["seed"] == 0]))
    assert table is not None and [column.name for column in table.columns] == ["kind", "effect", "ΔH"]
    assert "1 seed" in table.caption and "interval" not in table.caption
