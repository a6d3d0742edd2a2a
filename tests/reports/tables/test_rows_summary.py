"""The summary of a run on data that none of the paper's claims is about."""

import pandas as pd

from reports.analysis.results import DatasetResults
from reports.tables.report_content import report_content
from reports.tables.rows_summary import has_claims, rows_summary
from tests.reports.example_records import REAL, rows

OWN = REAL | {"dataset": "animals", "preset": "own", "published_counts": False}


def frame(about: dict, **variants: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        [row for name, values in variants.items() for row in rows(name.replace("_", "-"), values, **about)]
    )


def summary(**variants: list[float]) -> list[str]:
    datasets = list(DatasetResults.per_dataset(frame(OWN, **variants)))
    assert not has_claims(datasets)
    return rows_summary(datasets, "honest")


def test_the_full_model_and_the_best_row() -> None:
    first, second, last = summary(dazle=[50.0, 52.0, 54.0], uniform=[55.0, 58.0, 60.0])
    assert first.startswith("On real features of animals (honest protocol), the full model dazle has H 52.0, S ")
    assert second.startswith("The highest H is that of uniform, 57.7 (+5.7 [+4.2, +7.1] relative to dazle).")
    assert last == "The paper's claims are about CUB, SUN, AWA2 and DeepFashion; none is tested on this data."


def test_the_full_model_is_the_best_or_not_in_the_run() -> None:
    assert summary(dazle=[50.0, 52.0], uniform=[40.0, 41.0])[1] == "No row has a higher H."
    assert summary(uniform=[40.0, 42.0])[0] == "The highest H is that of uniform, 41.0."


def test_a_report_of_own_data_has_no_table_of_claims() -> None:
    names = [table.name for table in report_content(frame(OWN, dazle=[50.0, 52.0], uniform=[40.0, 41.0])).tables]
    assert "claims" not in names
    cub = report_content(frame(REAL, dazle=[50.0, 52.0], uniform=[40.0, 41.0]))
    assert (
        "claims" in [table.name for table in cub.tables] and "a claim of the paper" in cub.summary[0] + cub.summary[2]
    )
