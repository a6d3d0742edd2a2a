"""The printed numbers agree with themselves and with what is known about their sources."""

import pytest

from reports.analysis.published import PRESETS, also_published, published

TABLE_1 = [
    "uniform-uncalibrated", "dense-uncalibrated", "dense-gated-uncalibrated",
    "uniform-calibrated", "dense-calibrated", "dazle",
]  # fmt: skip


@pytest.mark.parametrize("preset", ["cub", "sun", "awa2"])
@pytest.mark.parametrize("variant", TABLE_1)
def test_table_1_is_complete_and_its_h_is_the_harmonic_mean(variant, preset):
    row = published(variant, preset)
    assert row is not None and row.verified and row.protocol == "oracle" and "Table 1" in row.source
    # S and U are printed to 0.1, which moves H by less than 0.1, and H is rounded itself.
    assert pytest.approx(2 * row.S * row.U / (row.S + row.U), abs=0.15) == row.H


def test_known_rows():
    assert published("dazle", "cub").text == "59.6/56.7/58.1"
    assert published("uniform-calibrated", "sun").text == "25.4/53.8/34.5"
    assert published("dense-gated-uncalibrated", "awa2").text == "82.5/25.7/39.2"


@pytest.mark.parametrize(("variant", "preset"), [("dazle", "deepfashion"), ("dazle", "nothing"), ("eszsl", "cub")])
def test_no_row_where_the_table_has_none(variant, preset):
    assert published(variant, preset) is None


def test_unverified_numbers_are_marked():
    texts = [row.text for row in also_published("dazle", "cub")]
    assert texts == ["T1 66.0 (unverified)", "59.8/56.7/58.2, T1 65.9"]


def test_the_sun_notebook_has_no_attribute_attention():
    assert [row.kind for row in also_published("dazle", "sun")] == ["T1"]
    assert [row.text for row in also_published("dense-calibrated", "sun")] == ["26.4/47.8/34.0, T1 59.3"]


def test_every_number_names_its_source():
    rows = [row for v in TABLE_1 for p in PRESETS for row in (published(v, p), *also_published(v, p)) if row]
    assert len(rows) == 18 + 3 + 4
    assert all(row.source and row.protocol == "oracle" for row in rows)
    assert {row.kind for row in rows if not row.verified} == {"T1"}
