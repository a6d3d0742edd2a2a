"""The command from end to end on a simulated set's own sizes, and what it refuses."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.throughput.session import Options, run
from dazle.errors import InputError

FIELDS: dict[str, Any] = {
    "variants": ("dazle", "no-test-margin", "uniform"), "shapes": ("simulated-sun",), "precisions": ("float32",),
    "comparisons": ("reference", "graph"), "device": "cpu", "threads": 1, "seconds": 0.01, "overwrite": False,
}  # fmt: skip


def options(out: Path, **changes: Any) -> Options:
    return Options(out=out, **FIELDS | changes)


def test_a_run_measures_writes_and_keeps_raw_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    page = run(options(tmp_path))
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before
    said = capsys.readouterr().err
    assert "7 measurements, 0 s at least" in said
    assert "graph is not compared: not on cpu in float32" in said
    assert (tmp_path / "throughput.md").read_text() == page
    assert "the same operations, so measured once: no-test-margin" in page

    found = json.loads((tmp_path / "throughput.json").read_text())
    assert [(each["variant"], each["work"]) for each in found["measured"]] == [
        ("dazle", "step"), ("dazle", "inference"), ("uniform", "step"), ("uniform", "inference"), ("dazle", "products"),
    ]  # fmt: skip
    for each in found["measured"]:
        assert {len(timed["times"]) for timed in each["turns"].values()} == {len(each["turns"]["own"]["times"])}
        assert all(seconds > 0 for timed in each["turns"].values() for seconds in timed["times"] + timed["latencies"])
    [profiled] = found["profiled"]
    assert profiled["parts"][0]["seconds"] > 0
    assert all(each["memory"] > 50e6 for each in found["measured"] if each["work"] != "products")

    rows = list(csv.DictReader((tmp_path / "throughput.csv").open()))
    assert [(row["variant"], row["measured_as"]) for row in rows if row["work"] == "step"] == [
        ("dazle", "dazle"), ("no-test-margin", "dazle"), ("uniform", "uniform"),
    ]  # fmt: skip
    assert not list(tmp_path.glob(".*"))


def test_measurements_are_not_replaced_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "throughput.json").write_text("{}")
    with pytest.raises(InputError, match="holds measurements already; choose another or add --overwrite"):
        run(options(tmp_path))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"variants": ("dazel",)}, "unknown variant 'dazel'; the nearest is 'dazle'"),
        ({"shapes": ("cubs",)}, "unknown shape 'cubs'; the nearest is 'cub'"),
        ({"precisions": ("float16",)}, "--precision 'float16' is not one of float32, tf32, bf16"),
        ({"precisions": ("tf32",)}, "--precision tf32: is for GPUs"),
        ({"comparisons": ("einsum",)}, "--compare 'einsum' is not one of reference, bf16, compile"),
        ({"seconds": 0.0}, "--seconds is not valid: Input should be greater than 0; it is 0.0"),
        ({"seconds": float("nan")}, "--seconds is not valid: Input should be a finite number; it is nan"),
        ({"threads": 0}, "--threads is not valid: Input should be greater than or equal to 1; it is 0"),
        ({"device": "tpu"}, "--device 'tpu' is not one of auto, cpu, cuda"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_bad_option_is_one_line_before_anything_is_measured(
    changes: dict[str, Any], line: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="^" + line.replace("(", r"\(")):
        run(options(tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        run(options(tmp_path / "file" / "out"))


def test_an_interrupted_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.cli.interrupts import InterruptError
    from benchmark.cli.run import throughput
    from benchmark.throughput import session

    def interrupted(options: Options) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "run", interrupted)
    with pytest.raises(InterruptError, match="nothing was written"):
        throughput(Options(out=tmp_path))
