"""`accept`, `check` and `run --check` as a person and CI use them: text, files and exit codes."""

import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from benchmark.cli.main import app
from benchmark.gate.accepted import read_accepted, write_accepted
from dazle.errors import InputError
from tests.benchmark.example_run import make_run

ROOT = Path(__file__).resolve().parents[3]
VALUES = {"dazle": [70.0, 72.0, 71.0], "uniform": [30.0, 31.0, 29.5]}
LOWER = VALUES | {"dazle": [60.0, 62.1, 60.9]}


def benchmark(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, InputError):
        raise done.exception
    return done.exit_code, done.output


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return make_run(tmp_path / "out", VALUES)


@pytest.fixture
def file(out: Path, tmp_path: Path) -> Path:
    path = tmp_path / "kept" / "accepted.json"
    code, output = benchmark("accept", out, "--into", path)
    assert code == 0
    assert f"{path} is new" in output
    assert "2 rows" in output
    assert "Power over the whole file: with 3 repetitions and 2 comparisons" in output
    return path


def test_a_run_agrees_with_what_was_made_of_it(out: Path, file: Path) -> None:
    code, output = benchmark("check", out, "--against", file)
    assert code == 0
    assert "Verdicts: 2 same." in output
    assert "SIMULATED features, honest protocol" in output


def test_a_regression_is_a_table_a_name_and_code_1(tmp_path: Path, file: Path) -> None:
    code, output = benchmark("check", make_run(tmp_path / "lower", LOWER), "--against", file)
    assert code == 1
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in output.splitlines() if line.startswith("| ")]
    assert rows[1][:8] == ["regressed", "cub", "dazle", "H", "71.00", "61.00", "-10.00", "0.5"]
    assert rows[2][:4] == ["same", "cub", "uniform", "H"]
    assert output.splitlines()[-1] == "- REGRESSED: dazle on cub."


def test_an_improvement_asks_to_be_accepted_and_says_how(tmp_path: Path, out: Path) -> None:
    lower, path = make_run(tmp_path / "lower", LOWER), tmp_path / "lower.json"
    benchmark("accept", lower, "--into", path)
    code, output = benchmark("check", out, "--against", path)
    assert code == 0
    assert "| improved" in output
    assert f"`python -m benchmark accept {out} --into {path}`" in output


def test_incomparable_is_2_and_missing_3(tmp_path: Path, file: Path) -> None:
    other = make_run(tmp_path / "other", VALUES, overrides={"loss.lambda": 0.3})
    code, output = benchmark("check", other, "--against", file)
    assert code == 2
    assert "loss.lambda 0.1 accepted, 0.3 here" in output
    narrow = make_run(tmp_path / "narrow", {"dazle": VALUES["dazle"]})
    assert benchmark("check", narrow, "--against", file)[0] == 3
    code, output = benchmark("check", narrow, "--against", file, "--rows", "present")
    assert code == 0
    assert "1 rows of the file are not in this run." in output


def test_a_run_that_is_not_whole_is_not_accepted(tmp_path: Path, file: Path) -> None:
    before = file.read_bytes()
    incomplete = make_run(tmp_path / "lacking", VALUES | {"uniform": [30.0, None, 29.5]})
    code, output = benchmark("accept", incomplete, "--into", file)
    assert code == 3
    assert "uniform on cub: 1 of 3 cells, the first is seed 1, missing" in output
    assert file.read_bytes() == before


def test_a_run_without_honest_numbers_is_not_accepted(tmp_path: Path) -> None:
    last = make_run(tmp_path / "last", VALUES, validation=False)
    code, output = benchmark("accept", last, "--into", tmp_path / "a.json")
    assert code == 3
    assert "done without an honest number" in output
    assert not (tmp_path / "a.json").exists()


def test_one_repetition_is_not_accepted(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", {"dazle": [70.0]})
    with pytest.raises(InputError, match="dazle has 1 repetition; accept a run with more --seeds"):
        benchmark("accept", one, "--into", tmp_path / "a.json")


@pytest.mark.parametrize(("key", "value"), [("suite", "ablations"), ("source", "real")])
def test_another_suite_or_source_is_replaced_only_where_asked(out: Path, file: Path, key: str, value: str) -> None:
    write_accepted(file, read_accepted(file).model_copy(update={key: value}))
    with pytest.raises(
        InputError, match=f"holds results of {key} {value}, the run has .*; choose another file, or add"
    ):
        benchmark("accept", out, "--into", file)
    code, output = benchmark("accept", out, "--into", file, "--replace")
    assert code == 0
    assert f"{key} {value} -> " in output


def test_rows_are_given_up_only_where_asked(tmp_path: Path, file: Path) -> None:
    narrow = make_run(tmp_path / "narrow", {"dazle": VALUES["dazle"]})
    with pytest.raises(
        InputError, match=r"has 1 rows that the run does not have \(uniform on cub, \.\.\); add --replace"
    ):
        benchmark("accept", narrow, "--into", file)
    assert "removed: uniform on cub" in benchmark("accept", narrow, "--into", file, "--replace")[1]


def test_accepting_again_keeps_tolerances_and_says_what_changed(tmp_path: Path, out: Path, file: Path) -> None:
    old = read_accepted(file)
    rows = [old.rows[0].model_copy(update={"tolerance": {"H": 2.0}}), *old.rows[1:]]
    write_accepted(file, old.model_copy(update={"rows": rows}))
    assert "nothing changed" in benchmark("accept", out, "--into", file)[1]
    output = benchmark("accept", make_run(tmp_path / "lower", LOWER), "--into", file)[1]
    assert "dazle on cub: H 71.00 -> 61.00, S 71.00 -> 61.00, U 71.00 -> 61.00, T1 76.00 -> 66.00" in output
    assert "uniform on cub:" not in output
    assert "claim dense-beats-none-in-the-full-model on cub" not in output
    level = make_run(tmp_path / "level", VALUES | {"uniform": VALUES["dazle"]})
    output = benchmark("accept", level, "--into", file)[1]
    assert "claim dense-beats-none-in-the-full-model on cub by construction -> no verdict" in output
    benchmark("accept", make_run(tmp_path / "lower again", LOWER), "--into", file)
    accepted = read_accepted(file)
    assert accepted.tolerances(accepted.rows[0]) == {"H": 2.0}
    wider = make_run(tmp_path / "wider", LOWER | {"one-hot": LOWER["dazle"]})
    assert "added: one-hot on cub" in benchmark("accept", wider, "--into", file)[1]


def test_bad_words_are_refused_before_anything_is_trained(tmp_path: Path, file: Path) -> None:
    never = tmp_path / "never"
    run = ("run", "--suite", "smoke", "--source", "simulated", "--out", never)
    with pytest.raises(InputError, match="--rows 'some' is not one of all, present"):
        benchmark(*run, "--check", file, "--rows", "some")
    with pytest.raises(InputError, match="cannot be read"):
        benchmark(*run, "--check", tmp_path / "none.json")
    assert not never.exists()


def test_run_and_check_in_one(tmp_path: Path) -> None:
    """A real run: accepted it agrees with itself, made worse it fails, and the verdicts lie beside the report."""
    out, path = tmp_path / "out", tmp_path / "a.json"
    words = ("run", "--suite", "smoke", "--variants", "dazle", "--seeds", "2", "--source", "simulated",
             "--set", "training.epochs=1", "--out", out)  # fmt: skip
    assert benchmark(*words)[0] == 0
    assert benchmark("accept", out, "--into", path)[0] == 0
    with patch("benchmark.gate.accepted.read_accepted", wraps=read_accepted) as reader:
        code, output = benchmark(*words, "--check", path)
    assert reader.call_count == 1
    assert code == 0
    assert "Verdicts: 1 same." in output
    assert "Verdicts: 1 same." in (out / "verdicts.md").read_text()
    better = read_accepted(path)
    row = better.rows[0]
    higher = {**row.values, "H": [min(value + 5, 100) for value in row.values["H"]]}
    write_accepted(path, better.model_copy(update={"rows": [row.model_copy(update={"values": higher})]}))
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *map(str, words), "--check", path],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "REGRESSED: dazle on cub." in done.stdout
    shutil.rmtree(out / "cells")
    assert benchmark("check", out, "--against", path)[0] == 3
