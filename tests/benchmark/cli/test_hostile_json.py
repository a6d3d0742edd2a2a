"""Damaged records and manifests and hostile options: read as before, or one line that names the file."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ablations.suites import find
from benchmark.cells.folder import OutputFolder, read_state
from benchmark.cells.manifest import make_manifest, read_manifest
from benchmark.cells.matrix import identity_hash
from benchmark.cells.options import read_names, read_overrides
from benchmark.cells.records import read_record
from benchmark.gate.accepted import read_accepted, write_accepted
from benchmark.gate.candidate import read_candidate
from benchmark.reporting.report import write_report
from benchmark.run.plan import RunOptions, plan
from dazle.errors import InputError
from tests.benchmark.example_run import read_run, train_here
from tests.mutations import HOSTILE, damaged, mistaken

FUZZED = settings(suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with one done cell."""
    out = tmp_path_factory.mktemp("run")
    options = RunOptions(
        "smoke", variants=["dazle"], seeds=1, source="simulated", overrides={"training.epochs": 1}, validation=False
    )
    run_plan = plan(options)
    manifest = make_manifest("smoke", run_plan.cells, run_plan.conditions, ["a note"])
    OutputFolder.start(out, manifest, run_plan.cells)
    [record] = train_here(out, run_plan.cells)
    assert record.status == "done"
    return out


def assert_one_line(error: InputError, path: Path) -> None:
    assert str(error).startswith(str(path))
    assert str(error).isprintable()


@FUZZED
@given(data=st.data())
def test_records(run: Path, data: st.DataObject) -> None:
    """A record that is read has the identity of its file name, so it cannot stand for another cell."""
    [original] = (run / "cells").glob("*.json")
    content = original.read_bytes()
    path = run / "fuzzed" / original.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data.draw(st.one_of(damaged(content), mistaken(content))))
    try:
        record = read_record(path)
    except InputError as error:
        assert_one_line(error, path)
    else:
        assert record.id == path.stem == identity_hash(record.identity)


@FUZZED
@given(data=st.data())
def test_manifests(run: Path, data: st.DataObject) -> None:
    out = run / "fuzzed-manifest"
    out.mkdir(exist_ok=True)
    content = (run / "manifest.json").read_bytes()
    (out / "manifest.json").write_bytes(data.draw(st.one_of(damaged(content), mistaken(content))))
    try:
        manifest = read_manifest(out)
    except InputError as error:
        assert_one_line(error, out / "manifest.json")
    else:
        assert all("/" not in entry.id + entry.dataset + entry.variant for entry in manifest.cells)


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("accepted")
    candidate = read_candidate(read_run(folder / "run", {"dazle": [70.0, 71.0], "uniform": [30.0, 31.0]}))
    write_accepted(folder / "accepted.json", candidate.results)
    return (folder / "accepted.json").read_bytes()


@FUZZED
@given(data=st.data())
def test_accepted_results(accepted: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("fuzzed") / "accepted.json"
    path.write_bytes(data.draw(st.one_of(damaged(accepted), mistaken(accepted))))
    try:
        read = read_accepted(path)
    except InputError as error:
        assert_one_line(error, path)
    else:
        assert all(read.tolerances(row) for row in read.rows)


HOSTILE_TEXT = "<script>alert(1)</script> & | ` $HOME ${x} \\input{/etc/passwd} \x1b[2J ../../x\n# \u202e"


def test_free_text_of_a_manifest_stays_text_and_in_the_folder(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "inside" / "out"
    shutil.copytree(run / "cells", out / "cells")
    content = json.loads((run / "manifest.json").read_text())
    content |= {"notes": [HOSTILE_TEXT], "package": HOSTILE_TEXT, "created": HOSTILE_TEXT}
    for part in (*content["datasets"], *content["cells"]):
        part |= {key: HOSTILE_TEXT for key in ("label", "change", "backbone", "about") if key in part}
    (out / "manifest.json").write_text(json.dumps(content))
    write_report(OutputFolder.read(out))
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


TEXT = st.one_of(st.text(max_size=30), HOSTILE.map(str), st.sampled_from([",", ",,", "*", "[", "[!]", "**", "?" * 50]))


@FUZZED
@given(
    variants=TEXT,
    datasets=TEXT,
    suite=TEXT,
    pairs=st.lists(st.one_of(TEXT, st.tuples(TEXT, TEXT).map("=".join)), max_size=2),
)
def test_what_is_typed(variants: str, datasets: str, suite: str, pairs: list[str]) -> None:
    for attempt in (
        lambda: find(suite),
        lambda: plan(RunOptions("smoke", variants=read_names("--variants", variants), source="simulated")),
        lambda: plan(RunOptions("smoke", datasets=read_names("--datasets", datasets), source="simulated")),
        lambda: plan(RunOptions("smoke", overrides=read_overrides("--set", pairs), source="simulated")),
    ):  # fmt: skip
        try:
            attempt()
        except InputError as error:
            assert str(error).isprintable()


KEYS = st.sampled_from(["training.epochs", "loss.lambda", "loss.test_margin", "model.semantics", "training.precision"])


@FUZZED
@given(key=KEYS, value=st.one_of(HOSTILE.map(str), st.sampled_from(["1e999", "[" * 5000, "9" * 5000, "{}", "true"])))
def test_settings_that_are_typed(key: str, value: str) -> None:
    try:
        run_plan = plan(
            RunOptions(
                "smoke", variants=["dazle"], overrides=read_overrides("--set", [f"{key}={value}"]), source="simulated"
            )
        )
    except InputError as error:
        assert str(error).isprintable()
    else:
        assert all(json.loads(json.dumps(dict(cell.identity), allow_nan=False)) for cell in run_plan.cells)


def test_a_record_that_cannot_be_read_counts_as_missing_and_says_why(run: Path, tmp_path: Path) -> None:
    [original] = (run / "cells").glob("*.json")
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / original.name).symlink_to("/proc/self/mem")
    assert read_state(tmp_path, original.stem).status == "missing"
