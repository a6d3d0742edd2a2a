"""An output folder is read once, two runs that start at once lose no cell, and changed settings are refused."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ablations.variants import VARIANTS
from benchmark.cells import folder as folder_module
from benchmark.cells.folder import OutputFolder, record_path
from benchmark.cells.manifest import Manifest, make_manifest, read_manifest
from benchmark.cells.matrix import identity_hash
from benchmark.cells.records import Record
from benchmark.cli.main import main
from benchmark.gate.accepted import write_accepted
from benchmark.gate.candidate import read_candidate
from benchmark.reporting.report import write_report
from benchmark.run import runner
from benchmark.run.plan import RunOptions, plan
from dazle.config import SIMULATED_SCHEDULES
from dazle.errors import InputError
from dazle.features.feature_file import write
from tests.benchmark.example_run import make_run, record, run_options
from tests.command_line import benchmark
from tests.dazle.features.small_features import small

VALUES = {"dazle": [70.0, 71.0], "uniform": [30.0, 31.0]}


def start(out: Path, *variants: str) -> OutputFolder:
    run_plan = plan(RunOptions("smoke", variants=variants, seeds=1, source="simulated"))
    manifest = make_manifest("smoke", run_plan.cells, run_plan.conditions, [])
    return OutputFolder.start(out, manifest, run_plan.cells)


def files(out: Path) -> dict[str, bytes]:
    """The content of every file but locks."""
    return {str(path): path.read_bytes() for path in out.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_a_run_with_nothing_to_do_validates_each_record_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = make_run(tmp_path / "out", VALUES)
    write_accepted(tmp_path / "accepted.json", read_candidate(OutputFolder.read(out)).results)
    validations: Counter[str] = Counter()
    validate = Record.model_validate_json

    def counting(content: bytes) -> Record:
        validations[json.loads(content)["id"]] += 1
        return validate(content)

    monkeypatch.setattr(Record, "model_validate_json", counting)
    code = runner.run(run_options(VALUES, out=out, check=tmp_path / "accepted.json"))
    assert code == runner.COMPLETE
    assert validations == dict.fromkeys((cell.id for cell in read_manifest(out).cells), 1)
    assert (out / "report.html").is_file()
    assert (out / "verdicts.md").is_file()


def test_a_record_that_is_added_or_written_by_another_run_is_in_the_frame(tmp_path: Path) -> None:
    out = make_run(tmp_path / "out", {"dazle": [70.0, None, None]})
    folder = OutputFolder.read(out)
    cells = plan(run_options({"dazle": [0.0] * 3})).cells
    assert list(folder.frame()["status"]) == ["done", "missing", "missing"]
    folder.add(record(cells[1], 71.0))
    assert list(folder.frame()["status"]) == ["done", "done", "missing"]
    make_run(out, {"dazle": [None, None, 72.0], "uniform": [30.0, None, None]})
    folder.refresh()
    assert list(folder.frame()["status"]) == ["done", "done", "done", "done", "missing", "missing"]
    assert [H[0]["H"] for H in folder.frame()["test"][:4]] == [70.0, 71.0, 72.0, 30.0]


def test_a_record_that_did_not_reach_the_disk_is_missing_after_a_refresh(tmp_path: Path) -> None:
    out = make_run(tmp_path / "out", {"dazle": [None]})
    folder = OutputFolder.read(out)
    [cell] = plan(run_options({"dazle": [0.0]})).cells
    folder.add(record(cell, 70.0).model_copy(update={"status": "failed", "error": "No space left on device"}))
    assert folder.status(cell.id) == "failed"
    folder.refresh()
    assert folder.status(cell.id) == "missing"


@pytest.mark.parametrize("locked", [True, False])
def test_runners_that_begin_at_once_lose_no_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: bool) -> None:
    """All read before any writes, unless a lock keeps them apart: without it this test would see cells lost."""
    names = ["dazle", "uniform", "dense-gated-uncalibrated"]
    barrier = threading.Barrier(len(names), timeout=0.5)

    def write_slowly(out: Path, manifest: Manifest, write_manifest=folder_module.write_manifest) -> None:
        with suppress(threading.BrokenBarrierError):
            barrier.wait()
        write_manifest(out, manifest)

    if not locked:
        monkeypatch.setattr(folder_module, "manifest_lock", lambda out: nullcontext())
    start(tmp_path, "dazle")
    monkeypatch.setattr(folder_module, "write_manifest", write_slowly)
    runners = [threading.Thread(target=start, args=(tmp_path, name)) for name in names]
    for thread in runners:
        thread.start()
    for thread in runners:
        thread.join()
    variants = {cell.variant for cell in read_manifest(tmp_path).cells}
    assert (variants == set(names)) == locked


def test_a_manifest_lock_that_is_never_let_go_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.cells.locks.MANIFEST_PATIENCE_SECONDS", 0.1)
    message = r"manifest\.lock is held by another run"
    with folder_module.manifest_lock(tmp_path), pytest.raises(InputError, match=message):
        start(tmp_path, "dazle")


def edit_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(VARIANTS["uniform"], changes={"model.region_attention": "uniform", "loss.lambda": 0.6})
    monkeypatch.setitem(VARIANTS, "uniform", row)


def edit_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIMULATED_SCHEDULES, "cub", SIMULATED_SCHEDULES["cub"] | {"training.momentum": 0.5})


@pytest.mark.parametrize(
    ("edit", "values", "message"),
    [
        (edit_row, VALUES, "holds uniform on cub with loss.lambda = 0.1, this run has 0.6; choose another --out"),
        # One record of the row is enough to name the setting.
        (
            edit_row,
            VALUES | {"uniform": [None, 31.0]},
            "holds uniform on cub with loss.lambda = 0.1, this run has 0.6; choose another --out",
        ),
        (
            edit_row,
            VALUES | {"uniform": [None, None]},
            "holds uniform on cub with other settings or semantics than this run; choose another --out",
        ),
        (
            edit_preset,
            VALUES,
            "holds dazle on cub with training.momentum = 0.9, this run has 0.5; choose another --out",
        ),
    ],
)
def test_a_run_with_changed_settings_is_refused_in_one_line_and_the_folder_stays_as_it_was(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    edit: Callable[[pytest.MonkeyPatch], None],
    values: dict[str, list[float | None]],
    message: str,
) -> None:
    out = make_run(tmp_path / "out", values)
    before = files(out)
    edit(monkeypatch)
    words = ["benchmark", "run", "--suite", "smoke", "--variants", ",".join(values), "--seeds", "2"]
    monkeypatch.setattr("sys.argv", [*words, "--source", "simulated", "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {out} {message}\n"
    assert files(out) == before
    assert write_report(OutputFolder.read(out)).is_file()


def make_old(out: Path) -> Path:
    """The folder as package 0.3.0 would have left it: its version in the identity, records without a method."""
    manifest = json.loads((out / "manifest.json").read_text())
    for entry in manifest["cells"]:
        path = record_path(out, entry["id"])
        content = json.loads(path.read_text())
        identity = content["identity"]
        del identity["revision"], content["method"]
        identity |= {"identity": 1, "package": "0.3.0"}
        content |= {"id": identity_hash(identity), "side_by_side": 3}
        record_path(out, content["id"]).write_text(json.dumps(content))
        path.unlink()
        entry["id"] = content["id"]
    (out / "manifest.json").write_text(json.dumps(manifest | {"package": "0.3.0"}))
    return out


def test_a_folder_of_package_0_3_0_is_read_and_a_run_that_would_continue_it_is_refused(tmp_path: Path) -> None:
    new, out = make_run(tmp_path / "new", VALUES), make_old(make_run(tmp_path / "old", VALUES))
    status = benchmark("status", out)
    assert (status.returncode, status.stderr) == (0, "")
    assert "4 of 4 cells done" in status.stdout
    assert {state.record.side_by_side for state in OutputFolder.read(out).states.values() if state.record} == {3}
    frames = [OutputFolder.read(path).frame() for path in (new, out)]
    assert frames[1]["method"].tolist() == ["dazle"] * 4
    assert frames[0]["test"].tolist() == frames[1]["test"].tolist()
    for path in (new, out):
        assert benchmark("report", path).returncode == 0
    assert (out / "results.csv").read_text() == (new / "results.csv").read_text()
    before = files(out)
    assert "one-hot" not in VALUES
    for rows in (",".join(VALUES), "one-hot"):  # continued, and widened by a row that it does not have
        again = benchmark(
            "run", "--suite", "smoke", "--variants", rows, "--seeds", "2", "--source", "simulated", "--out", out
        )
        assert again.returncode == 2
        assert again.stderr == (
            f"error: {out} holds cells of dazle of package 0.3.0, which this version reads but cannot continue; "
            "choose another --out\n"
        )
        assert files(out) == before


def test_a_run_with_other_semantic_vectors_is_refused_and_names_them(tmp_path: Path) -> None:
    """The same images under the same fingerprint, with other vectors of the attributes."""
    features = small()
    write(tmp_path / "small.h5", features)
    options = RunOptions(
        "smoke", variants=["dazle"], datasets=["small"], seeds=1, data=tmp_path, out=tmp_path / "out",
        overrides={"training.epochs": 1},
    )  # fmt: skip
    assert runner.run(options) == runner.COMPLETE
    before = files(options.out)
    vectors = {name: np.roll(values, 1, axis=1) for name, values in features.semantics.items()}
    (tmp_path / "small.h5").unlink()
    write(tmp_path / "small.h5", replace(features, semantics=vectors))
    message = r"holds dazle on small with semantics = [0-9a-f]{12}, this run has [0-9a-f]{12}; choose another --out$"
    with pytest.raises(InputError, match=message):
        runner.run(options)
    assert files(options.out) == before
    assert OutputFolder.read(options.out).frame()["status"].tolist() == ["done"]


def test_a_damaged_record_of_a_changed_row_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = make_run(tmp_path / "out", VALUES)
    for cell in read_manifest(out).cells:
        record_path(out, cell.id).write_text("{")
    edit_row(monkeypatch)
    with pytest.raises(InputError, match="uniform on cub with other settings or semantics than this run"):
        runner.run(run_options(VALUES, out=out))


def test_a_setting_applies_to_the_rows_whose_method_has_it(tmp_path: Path) -> None:
    options = RunOptions(
        "baselines", variants=["dazle", "eszsl"], datasets=["cub"], source="simulated", seeds=1, out=tmp_path / "out",
        overrides={"training.epochs": 1},
    )  # fmt: skip
    assert runner.run(options) == runner.COMPLETE
    frame = OutputFolder.read(options.out).frame()
    settings = {row["variant"]: row["identity"]["settings"] for row in frame.to_dict("records")}
    assert settings["dazle"]["training.epochs"] == 1 and "training.epochs" not in settings["eszsl"]
    note = "--set training.epochs = 1 does not apply to eszsl: their methods have no such setting"
    assert note in (options.out / "report.md").read_text()
    with pytest.raises(InputError, match=r"unknown setting 'training.epochs'"):
        runner.run(replace(options, variants=["eszsl"], out=tmp_path / "other"))


def test_a_dry_run_refuses_what_the_run_would_refuse(tmp_path: Path) -> None:
    out = make_run(tmp_path / "out", VALUES)
    run = (
        "run",
        "--suite",
        "smoke",
        "--source",
        "simulated",
        "--out",
        out,
        "--set",
        "training.momentum=0.3",
        "--dry-run",
    )
    refused = benchmark(*run)
    assert refused.returncode == 2 and "holds a run with --set = {}, this one has" in refused.stderr
