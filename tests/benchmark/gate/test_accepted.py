"""The file of accepted results: what is in it, that it reads back as it was, and that what is bad in it is one line."""

import json
import os
import socket
from pathlib import Path

import pytest

from benchmark.cells.folder import OutputFolder
from benchmark.gate.accepted import read_accepted, write_accepted
from benchmark.gate.candidate import read_candidate
from dazle.errors import InputError
from tests.benchmark.example_run import ENVIRONMENT, make_run, read_run

VALUES = {"dazle": [70.0, 72.123456], "uniform": [30.0, 31.0], "one-hot": [50.0, 51.0]}
COMMITTED = sorted((Path(__file__).resolve().parents[3] / "benchmark" / "accepted").glob("*.json"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "accepted.json"
    write_accepted(path, read_candidate(read_run(tmp_path / "out", VALUES)).results)
    return path


def test_written_and_read_is_the_same_and_written_again_too(file: Path, tmp_path: Path) -> None:
    accepted = read_accepted(file)
    write_accepted(tmp_path / "again.json", accepted)
    assert (tmp_path / "again.json").read_bytes() == file.read_bytes()


def test_a_row_holds_raw_values_and_its_change(file: Path) -> None:
    rows = {row.variant: row for row in read_accepted(file).rows}
    assert rows["dazle"].values == {"H": [70, 72.123], "S": [70, 72.123], "U": [70, 72.123], "T1": [75, 77.123]}
    assert rows["dazle"].changes == {}
    assert rows["uniform"].changes == {"model.region_attention": "uniform"}
    assert rows["one-hot"].changes == {"model.semantics": "one-hot", "semantics": None}


def test_the_basis_is_the_identity_without_the_tolerated_keys(file: Path, tmp_path: Path) -> None:
    from benchmark.cells.records import read_record

    record = read_record(next((tmp_path / "out" / "cells").glob("*.json")))
    accepted = read_accepted(file)
    row = next(row for row in accepted.rows if row.variant == record.variant)
    others = {"revision", "base_seed", "seed", "threads", "device", "settings"}
    basis = {name: value for name, value in record.identity.items() if name not in others}
    assert accepted.basis(row) == basis | record.identity["settings"]


def test_a_row_is_one_line(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if '"variant": "uniform"' in line]
    assert len(lines) == 1
    assert json.loads(lines[0].rstrip(","))["values"]["H"] == [30, 31]


def test_H_is_compared_and_T1_if_there_is_no_H(file: Path, tmp_path: Path) -> None:
    accepted = read_accepted(file)
    assert accepted.tolerances(accepted.rows[0]) == {"H": 0.5}
    out = make_run(tmp_path / "standard", {"dazle": [1.0, 2.0]})
    for path in (out / "cells").glob("*.json"):
        content = json.loads(path.read_text())
        for phase in (content["test"], *content["validation"]):
            phase["curve"][0] |= {"S": None, "H": None}
        path.write_text(json.dumps(content))
    results = read_candidate(OutputFolder.read(out)).results
    assert results.rows[0].values.keys() == {"U", "T1"}
    assert results.tolerances(results.rows[0]) == {"T1": 0.5}


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_files_read_and_name_no_machine_and_no_path(path: Path) -> None:
    accepted = read_accepted(path)
    assert path.stem.endswith("simulated") == (accepted.source == "simulated")
    text = path.read_text()
    assert socket.gethostname() not in text
    assert not any(part in text for part in ("/home", "/root", "/tmp", "/work", os.sep + "runs"))
    assert len(text) < 100_000
    write_accepted(path.with_suffix(".again"), accepted)
    try:
        assert path.with_suffix(".again").read_text() == text
    finally:
        path.with_suffix(".again").unlink()


def test_two_surroundings_are_both_told(tmp_path: Path) -> None:
    out = make_run(tmp_path / "out", {"dazle": [1.0, 2.0]})
    path = next((out / "cells").glob("*.json"))
    other = json.loads(path.read_text()) | {"environment": ENVIRONMENT | {"processor": "another"}}
    path.write_text(json.dumps(other))
    environments = read_candidate(OutputFolder.read(out)).results.environments
    assert {environment.processor for environment in environments} == {"made", "another"}


def changed(content: dict, where: str, value: object) -> dict:
    *keys, last = where.split(".")
    part = content
    for key in keys:
        part = part[int(key)] if key.isdigit() else part[key]
    part[last] = value
    return content


@pytest.mark.parametrize(
    ("where", "value", "line"),
    [
        ("version", 2, "version is not valid"),
        ("extra", 1, "extra is not valid"),
        ("source", "imagined", "source is not valid"),
        ("conditions", {}, "conditions lack a base_seed"),
        ("metrics.H.tolerance", -1, "metrics.H.tolerance is not valid"),
        ("metrics.H.better", "left", "metrics.H.better is not valid"),
        ("metrics.H.tolerance", None, "dazle on cub cannot be compared without a metric with a tolerance"),
        ("rows", [], "it has no rows"),
        ("rows.0.variant", "../x", "rows.0.variant is not valid"),
        ("rows.0.variant", "uniform", "uniform on cub is in it twice"),
        ("rows.0.dataset", "sun", "dazle has a dataset or metric that the file does not describe"),
        ("rows.0.values.H", [70.0], "dazle on cub needs metrics with one value for each repetition"),
        ("rows.0.values", {}, "dazle on cub needs metrics with one value for each repetition"),
        ("rows.0.values", {"H": [70.0]}, "dazle on cub cannot be compared without a metric with a tolerance and 2"),
        ("rows.0.values.H", [70.0, None], "rows.0.values.H.1 is not valid"),
        ("rows.0.values.H", [70.0, 101], "rows.0.values.H.1 is not valid"),
        ("rows.0.values.AUSUC", [70.0, 70.0], "rows.0.values.AUSUC"),
        ("datasets.0.basis.folds", [1], "datasets.0.basis.folds"),
    ],
)
def test_what_is_bad_in_a_file_is_one_line(file: Path, where: str, value: object, line: str) -> None:
    file.write_text(json.dumps(changed(json.loads(file.read_text()), where, value)))
    with pytest.raises(InputError) as refused:
        read_accepted(file)
    assert line in str(refused.value)
    assert str(refused.value).startswith(f"{file}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\x80\x04K\x01.", b'{"rows": ' + b"[" * 5000, b"NaN"])
def test_what_is_no_such_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.json: .*, or take it from git again"):
        read_accepted(path)


def test_a_file_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"none\.json cannot be read \(No such file or directory\); `accept OUT --into"
    ):
        read_accepted(tmp_path / "none.json")
