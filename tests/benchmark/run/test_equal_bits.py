"""Equal seed, machine, versions and threads give equal bits, and a damaged byte never gets into an average."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from benchmark.cells.folder import OutputFolder
from benchmark.cells.manifest import make_manifest
from benchmark.cells.records import read_record
from benchmark.reporting.report import write_report
from benchmark.run import runner
from benchmark.run.options import RunOptions
from benchmark.run.plan import plan
from dazle.errors import InputError
from dazle.features.feature_file import write
from tests.benchmark.example_run import train_here, weights
from tests.benchmark.thread_pool import Threads
from tests.dazle.features.small_features import small

EPOCHS = {"training.epochs": 2}


def phases(out: Path) -> dict[str, str]:
    """All phases of every record without their seconds, as text, which has every bit of a float."""
    texts = {}
    for path in (out / "cells").glob("*.json"):
        record = read_record(path)
        records = [phase for phase in [*record.validation, record.test] if phase is not None]
        texts[record.id] = str([phase.model_dump_json(exclude={"seconds", "train_seconds"}) for phase in records])
    return texts


def test_bits_do_not_depend_on_workers_or_on_what_runs_beside(tmp_path: Path) -> None:
    """Three rows with two workers, then every second cell alone, in this process, from the last to the first."""
    options = RunOptions("smoke", seeds=2, source="simulated", overrides=EPOCHS, workers=2, out=tmp_path / "two")
    assert runner.run(options) == runner.COMPLETE
    run_plan = plan(RunOptions("smoke", seeds=2, source="simulated", overrides=EPOCHS, workers=1, out=tmp_path / "one"))
    backwards = run_plan.cells[::-2]
    for cell in backwards:
        train_here(tmp_path / "one", [cell])
    two, alone = phases(tmp_path / "two"), phases(tmp_path / "one")
    assert len(two) == 6
    assert alone.keys() == {cell.id for cell in backwards}
    assert alone == {cell: two[cell] for cell in alone}
    assert len(set(two.values())) == 6


def test_a_run_on_another_pool_gives_the_same_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes and threads; the rows of one training are among the cells."""
    options = RunOptions(
        "ablations", ["dazle", "no-test-margin", "uniform"], ["cub"], 2, "simulated", workers=2, out=tmp_path / "processes",
        overrides=EPOCHS, save_models=True,
    )  # fmt: skip
    assert runner.run(options) == runner.COMPLETE
    pools = []

    def threads(workers: int, prepare: object) -> Threads:
        pools.append(Threads(workers))
        return pools[-1]

    monkeypatch.setattr("benchmark.run.pools.processes.Processes", threads)
    assert runner.run(replace(options, out=tmp_path / "threads")) == runner.COMPLETE
    assert [(pool.workers, pool.closed) for pool in pools] == [(2, True)]
    contents = [files(tmp_path / name) for name in ("processes", "threads")]
    assert len(contents[0]) == 6 * 2 + 1
    assert contents[0] == contents[1]


def files(out: Path) -> dict[str, object]:
    """Records, weights and results.csv, without times and memory."""
    varying = {"started", "seconds", "peak_memory", "validation", "test"}
    records = {path.name: read_record(path).model_dump(exclude=varying) for path in (out / "cells").glob("*.json")}
    models = {path.name: weights(path) for path in (out / "models").iterdir()}
    results = pd.read_csv(out / "results.csv").loc[:, :"AUSUC"]  # type: ignore[misc]
    for cell_id, text in phases(out).items():
        records[f"{cell_id}.json"]["phases"] = text
    return {**records, **models, "results.csv": results.to_csv()}


def options_of(folder: Path) -> RunOptions:
    return RunOptions(
        "smoke", variants=["dazle", "uniform"], datasets=["small"], seeds=1, data=folder, out=folder / "out", overrides=EPOCHS
    )  # fmt: skip


def flip(path: Path, key: str) -> None:
    with h5py.File(path) as file:
        at = file[key].id.get_chunk_info(0).byte_offset + 9
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("key", ["regions", "norms"])
def test_a_flipped_byte_of_the_regions_fails_every_cell_by_name_and_no_number_is_left(key: str, tmp_path: Path) -> None:
    write(tmp_path / "small.h5", small())
    options = options_of(tmp_path)
    run_plan = plan(options)
    OutputFolder.start(
        run_plan.out, make_manifest("smoke", run_plan.cells, run_plan.conditions, run_plan.notes), run_plan.cells
    )
    flip(tmp_path / "small.h5", key)
    for cell in run_plan.cells:
        [record] = train_here(run_plan.out, [cell])
        assert record.status == "failed"
        assert f"small.h5: {key} cannot be read, the file is damaged" in str(record.error)
    report = write_report(OutputFolder.read(run_plan.out)).read_text("utf-8")
    assert f"{key} cannot be read, the file is damaged" in report
    results = pd.read_csv(run_plan.out / "results.csv")
    assert set(results["status"]) == {"failed"}
    assert results[["S", "U", "H", "T1", "AUSUC"]].isna().to_numpy().all()


@pytest.mark.parametrize(
    "key", ["labels", "attributes", "splits/trainval", "semantics/word2vec", "folds/1/train_classes"]
)
def test_a_flipped_byte_elsewhere_is_found_before_the_first_cell(key: str, tmp_path: Path) -> None:
    write(tmp_path / "small.h5", small())
    plan(options_of(tmp_path))
    flip(tmp_path / "small.h5", key)
    with pytest.raises(InputError, match=rf"small\.h5: {key} cannot be read, the file is damaged"):
        plan(options_of(tmp_path))


def test_features_that_are_whole_train(tmp_path: Path) -> None:
    """The two tests above without a flipped byte."""
    write(tmp_path / "small.h5", small())
    options = options_of(tmp_path)
    run_plan = plan(options)
    [record] = train_here(run_plan.out, run_plan.cells[:1])
    assert record.status == "done", record.error
    assert np.isfinite(record.test.curve[-1].U)
