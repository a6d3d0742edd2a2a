"""`throughput` from end to end on the sizes of a simulated set, and the options that it refuses."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.throughput import runner
from benchmark.throughput.runner import Options, run
from dazle.errors import InputError

FIELDS: dict[str, Any] = {
    "variants": ("dazle", "no-test-margin", "uniform"), "shapes": ("simulated-sun",), "precisions": ("float32",),
    "comparisons": ("reference", "graph"), "device": "cpu", "threads": 1, "seconds": 0.01, "overwrite": False,
}  # fmt: skip


def options(out: Path, **changes: Any) -> Options:
    return Options(out=out, **FIELDS | changes)


def test_a_run_measures_writes_and_keeps_raw_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = run(options(tmp_path))
    stderr = capsys.readouterr().err
    assert "7 measurements, 0 s at least" in stderr
    assert "graph is not compared: not on cpu in float32" in stderr
    assert (tmp_path / "throughput.md").read_text() == page
    assert "the same operations, so measured once: no-test-margin" in page

    results = json.loads((tmp_path / "throughput.json").read_text())
    assert [(measurement["variant"], measurement["work"]) for measurement in results["measured"]] == [
        ("dazle", "step"), ("dazle", "inference"), ("uniform", "step"), ("uniform", "inference"), ("dazle", "products"),
    ]  # fmt: skip
    for measurement in results["measured"]:
        timings = list(measurement["turns"].values())
        assert {len(timing["times"]) for timing in timings} == {len(measurement["turns"]["own"]["times"])}
        assert all(seconds > 0 for timing in timings for seconds in timing["times"] + timing["latencies"])
        assert measurement["work"] == "products" or measurement["memory"] > 50e6
    assert [(comparison["name"], comparison["failure"]) for comparison in results["compared"]] == [("reference", None)]
    [profile] = results["profiled"]
    assert profile["parts"][0]["seconds"] > 0
    assert results["environment"]["device"] is None
    assert len(results["conditions"]["moments"]) == 2

    rows = list(csv.DictReader((tmp_path / "throughput.csv").open()))
    assert [(row["variant"], row["measured_as"]) for row in rows if row["work"] == "step"] == [
        ("dazle", "dazle"), ("no-test-margin", "dazle"), ("uniform", "uniform"),
    ]  # fmt: skip
    assert not list(tmp_path.glob(".*"))


def test_measurements_are_not_replaced_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "throughput.json").write_text("{}")
    with pytest.raises(InputError, match="holds measurements already; choose another or add --overwrite"):
        run(options(tmp_path))
    shapes, variants = runner._check(options(tmp_path, overwrite=True), "cpu")
    assert [shape.name for shape in shapes] == ["simulated-sun"]
    assert [variant.name for variant in variants] == ["dazle", "uniform", "no-test-margin"]


def test_threads_and_precision_are_set_for_the_measurements_alone() -> None:
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    with runner._torch_threads(before[0] + 1), runner._matmul_precision("float32"):
        assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (before[0] + 1, "highest")
        with runner._torch_threads(None), runner._matmul_precision("tf32"):
            assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (before[0] + 1, "high")
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"variants": ("dazel",)}, "unknown variant 'dazel'; the nearest is 'dazle'"),
        ({"shapes": ("cubs",)}, "unknown shape 'cubs'; the nearest is 'cub'"),
        ({"precisions": ("float16",)}, "--precision 'float16' is not one of float32, tf32, bf16"),
        ({"precisions": ("tf32",)}, "--precision tf32: is for GPUs"),
        ({"comparisons": ("einsum",)}, "--compare 'einsum' is not one of reference, bf16, compile"),
        ({"seconds": 0.0}, "--seconds 0.0 is not more than 0"),
        ({"seconds": float("nan")}, "--seconds nan is not a finite number"),
        ({"threads": 0}, "--threads 0 is less than 1"),
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

    def interrupted(options: Options) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", interrupted)
    with pytest.raises(InterruptError, match="nothing was written"):
        throughput(Options(out=tmp_path))
