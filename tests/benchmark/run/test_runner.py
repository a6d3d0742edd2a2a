"""The smallest `run` through the command line, and its faults: killed, interrupted, failed cells, torn records."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from benchmark.cells.folder import OutputFolder
from benchmark.cells.manifest import read_manifest
from benchmark.cells.records import read_record
from benchmark.run.options import RunOptions
from benchmark.run.runner import run
from tests.benchmark.tuning.studies import Immediate
from tests.command_line import ROOT, benchmark, command

QUICK = ("run", "--suite", "smoke", "--seeds", "2", "--set", "training.epochs=2", "--source", "simulated")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    done = benchmark(*QUICK, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "6 of 6 cells done" in done.stdout
    return out


def curves(out: Path) -> dict[str, object]:
    """The parts of the records that are equal in equal runs."""
    phases = {}
    for path in sorted((out / "cells").glob("*.json")):
        record = read_record(path)
        phases[record.id] = [(phase.name, phase.curve) for phase in [*record.validation, record.test] if phase]
    return phases


def test_an_output_folder_holds_what_is_promised(undisturbed: Path) -> None:
    results = pd.read_csv(undisturbed / "results.csv")
    columns = "variant,dataset,source,seed,protocol,epoch,S,U,H,T1,AUSUC,status"
    assert list(results.columns[:12]) == columns.split(",")
    assert len(results) == 6 * 3
    assert set(results["source"]) == {"simulated"}
    report = (undisturbed / "report.md").read_text(encoding="utf-8")
    assert "SIMULATED features" in report
    assert "training.epochs = 2" in report
    page = (undisturbed / "report.html").read_text(encoding="utf-8")
    assert "SIMULATED features: numbers say nothing about photographs" in page
    assert page.count('class="picture"') == 4
    figures = {path.stem for path in (undisturbed / "figures").glob("*.svg")}
    assert figures == {f"{kind}-cub" for kind in ("forest", "seen-unseen", "curves", "cost")}
    assert not list(undisturbed.rglob("*.tmp"))
    assert len(json.loads((undisturbed / "manifest.json").read_text())["cells"]) == 6


def test_a_record_holds_what_is_promised(undisturbed: Path) -> None:
    record = read_record(next((undisturbed / "cells").glob("*.json")))
    assert record.identity["settings"]["training.epochs"] == 2
    assert [phase.name for phase in record.validation] == ["fold 1"]
    assert record.test is not None
    assert len(record.test.curve) == 2
    assert len(record.test.curve[0].correct) == len(record.test.classes) == len(record.test.images)
    assert record.environment["versions"]["torch"]
    assert record.environment["processor"]
    assert record.features["fingerprint"]
    assert record.parameters
    assert record.peak_memory
    assert record.seconds > 0


def test_the_pairing_is_in_the_records(undisturbed: Path) -> None:
    """All variants of a seed saw the same split: the same images judged, the same label space."""
    for seed in (0, 1):
        records = [read_record(path) for path in (undisturbed / "cells").glob("*.json")]
        spaces = {str([(p.classes, p.images) for p in r.validation]) for r in records if r.seed == seed}
        assert len(spaces) == 1


def test_running_again_does_nothing_and_says_so(undisturbed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (undisturbed / "cells").iterdir()}
    again = benchmark(*QUICK, "--out", undisturbed)
    assert again.returncode == 0
    assert "6 of 6 cells were done before; 0 to go" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in (undisturbed / "cells").iterdir()} == before


def test_killed_and_run_again_is_as_if_undisturbed(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with subprocess.Popen(
        command(*QUICK, "--out", out), cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as runner:
        wait_for(lambda: len([*(out / "cells").glob("*.json")]) >= 2)
        runner.send_signal(signal.SIGKILL)
    assert len([*(out / "cells").glob("*.json")]) < 6
    assert benchmark("status", out).returncode == 3
    assert benchmark(*QUICK, "--out", out).returncode == 0
    assert (out / "results.csv").read_bytes() == (undisturbed / "results.csv").read_bytes()
    assert curves(out) == curves(undisturbed)


def test_workers_leave_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    many = (*QUICK, "--seeds", "40", "--out", out, "--workers", "2")
    with subprocess.Popen(command(*many), cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as runner:
        wait_for(lambda: any((out / "cells").glob("*.json")))
        children = descendants(runner.pid)
        assert len(children) >= 2
        runner.send_signal(signal.SIGKILL)
    wait_for(lambda: not [pid for pid in children if Path(f"/proc/{pid}").exists()])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_leaves_with_130_and_no_worker(tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out"
    many = (*QUICK, "--seeds", "40", "--out", out)
    with subprocess.Popen(command(*many), cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as runner:
        wait_for(lambda: any((out / "cells").glob("*.json")))
        children = descendants(runner.pid)
        runner.send_signal(number)
        _, stderr = runner.communicate(timeout=30)
    assert runner.returncode == 130
    assert b"interrupted; the same command continues" in stderr
    assert b"Traceback" not in stderr
    wait_for(lambda: not [pid for pid in children if Path(f"/proc/{pid}").exists()], seconds=5)


def test_a_killed_worker_fails_its_cell_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("run", "--suite", "smoke", "--seeds", "2", "--source", "simulated", "--out", out)
    with subprocess.Popen(
        command(*words, "--workers", "1"),
        cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    ) as runner:  # fmt: skip
        wait_for(lambda: any((out / "cells").glob("*.json")))
        worker = next(pid for pid in descendants(runner.pid) if b"spawn_main" in cmdline(pid))
        os.kill(worker, signal.SIGKILL)
        assert runner.wait(timeout=120) == 3
    states = OutputFolder.read(out).states.values()
    assert sorted(state.status for state in states) == ["done"] * 5 + ["failed"]
    assert "the worker died (killed, or out of memory)" in next(
        state.reason for state in states if state.status == "failed"
    )
    report = (out / "report.md").read_text(encoding="utf-8")
    assert "the worker died (killed, or out of memory)" in report
    assert benchmark(*words).returncode == 3
    assert benchmark(*words, "--retry-failed").returncode == 0


def test_a_failed_cell_is_a_record_and_the_rest_goes_on(tmp_path: Path) -> None:
    """All three rows diverge: the first failure does not keep the other two from being tried and recorded."""
    done = benchmark(
        "run", "--suite", "smoke", "--seeds", "1", "--source", "simulated", "--out", tmp_path / "out",
        "--set", "training.epochs=1", "--set", "training.learning_rate=1e30",
    )  # fmt: skip
    assert done.returncode == 3
    assert "FAILED dazle on cub, seed 0: FloatingPointError" in done.stderr
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    assert list(results["status"]) == ["failed"] * 9
    assert results["H"].isna().all()
    assert "diverged" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_fail_fast_stops_at_the_first_failure(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = benchmark(
        "run", "--suite", "smoke", "--seeds", "3", "--source", "simulated", "--out", out, "--fail-fast", "--workers", "1",
        "--set", "training.epochs=1", "--set", "training.learning_rate=1e30",
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr.count("FAILED") == 1
    assert "stopped at the first failure (--fail-fast)" in done.stderr
    states = OutputFolder.read(out).states.values()
    assert sorted(state.status for state in states) == ["failed"] + ["missing"] * 8
    assert not list((out / "locks").glob("[0-9a-f]*"))


def test_a_torn_record_counts_as_missing_and_is_made_again(undisturbed: Path, tmp_path: Path) -> None:
    import shutil

    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    torn = next((out / "cells").glob("*.json"))
    torn.write_bytes(torn.read_bytes()[:1000])
    status = benchmark("status", out)
    assert status.returncode == 3
    assert "1 missing" in status.stdout
    assert torn.name in status.stdout
    assert benchmark(*QUICK, "--out", out).returncode == 0
    assert curves(out) == curves(undisturbed)


def test_without_validation_there_is_no_honest_number(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = benchmark(
        "run", "--suite", "ablations", "--variants", "dazle,validated-margin", "--datasets", "cub", "--seeds", "1",
        "--source", "simulated", "--no-validation", "--set", "training.epochs=1", "--out", out,
    )  # fmt: skip
    assert done.returncode == 0
    assert "validated-margin is left out: its margin needs the validation phase" in done.stderr
    assert "validated-margin is left out" in (out / "manifest.json").read_text()
    results = pd.read_csv(out / "results.csv").set_index("protocol")
    assert pd.isna(results.loc["honest", "H"])
    assert results.loc["last", "H"] >= 0
    assert "no validation phase" in (out / "report.md").read_text(encoding="utf-8")


def test_a_run_can_be_widened_but_not_mixed(undisturbed: Path, tmp_path: Path) -> None:
    import shutil

    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    mixed = benchmark("run", "--suite", "smoke", "--seeds", "2", "--source", "simulated", "--out", out)
    assert mixed.returncode == 2
    assert mixed.stderr.count("\n") == 1
    assert "choose another --out" in mixed.stderr
    wider = benchmark(*QUICK, "--seeds", "3", "--variants", "dazle", "--out", out)
    assert wider.returncode == 0
    manifest = read_manifest(out)
    assert [(cell.variant, cell.seed) for cell in manifest.cells if cell.variant == "dazle"] == [
        ("dazle", 0), ("dazle", 1), ("dazle", 2)
    ]  # fmt: skip
    assert len(manifest.cells) == 7


def test_three_folds_and_saved_models(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    out = tmp_path / "out"
    done = benchmark(
        "run", "--suite", "smoke", "--variants", "dazle", "--seeds", "1", "--source", "simulated", "--folds", "3",
        "--set", "training.epochs=1", "--save-models", "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = read_record(next((out / "cells").glob("*.json")))
    assert [phase.name for phase in record.validation] == ["fold 1", "fold 2", "fold 3"]
    weights = load_file(out / "models" / f"{record.id}.safetensors")
    assert {"V", "W_e", "W_alpha", "W_beta"} <= set(weights)


def test_a_pool_has_no_more_workers_than_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows that differ in the margin at test time alone are one training."""
    pools = []

    def make_pool(workers: int, prepare: object) -> Immediate:
        pools.append(Immediate(workers))
        return pools[0]

    monkeypatch.setattr("benchmark.run.pools.processes.Processes", make_pool)
    monkeypatch.setattr("benchmark.reporting.report.write_report", lambda folder: folder.path / "report.md")
    options = RunOptions(
        "ablations", ["dazle", "no-test-margin", "validated-margin"], ["cub"], 1, "simulated", out=tmp_path / "out",
        overrides={"training.epochs": 1}, workers=2, device="cpu",
    )  # fmt: skip
    assert run(options) == 0
    assert [pool.workers for pool in pools] == [1]


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = benchmark(*QUICK, "--out", tmp_path / "out", "--dry-run")
    assert done.returncode == 0
    assert "6 cells: 3 variants, 1 datasets, 2 seeds" in done.stdout
    assert "expected time: up to" in done.stdout
    assert not (tmp_path / "out").exists()


def wait_for(condition, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "timed out"
        time.sleep(0.02)


def descendants(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
