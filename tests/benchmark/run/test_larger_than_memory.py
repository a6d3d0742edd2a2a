"""Features on the disk: the same bits as in memory, within the memory limit, and simulated ones are never real."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from benchmark.cells.datasets import resolve
from benchmark.cli.main import app
from benchmark.run import runner
from benchmark.run.estimate import expected_seconds
from benchmark.run.options import RunOptions
from benchmark.run.plan import plan
from dazle.config import DATASETS, Settings
from dazle.datasets.full_size import Sizes, full_size, sizes
from dazle.datasets.published_counts import published_counts
from dazle.errors import InputError
from dazle.features.added_semantics import add, side_file
from dazle.features.feature_file import open_features, write
from dazle.features.feature_set import FeatureSet
from dazle.features.splits import final_phase
from dazle.training.dazle import Dazle
from dazle.training.train import train

CPU = torch.device("cpu")
SMALL = Sizes(20, 6, 3, 240, 30, 45, channels=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write(folder / "cub-full.h5", full_size("cub", SMALL), lambda done, images: None)
    return folder


def stored(folder: Path, read_ahead: int) -> FeatureSet:
    features = open_features(folder / "cub-full.h5")
    features.regions.read_ahead = read_ahead
    return features


@pytest.mark.parametrize("normalise", [True, False])
def test_the_same_bits_from_memory_and_from_the_disk(folder: Path, normalise: bool) -> None:
    changes = {"training.epochs": 2, "model.normalise_regions": normalise}
    settings = Settings.preset("cub").changed(changes)
    curves = []
    for read_ahead in (0, 1, 2**20):
        features = stored(folder, read_ahead)
        curves.append(train(Dazle(), features, final_phase(features), settings, (1, "x", 0), CPU).curves[0])
    loaded = replace(features, regions=features.regions.load())
    curves.append(train(Dazle(), loaded, final_phase(loaded), settings, (1, "x", 0), CPU).curves[0])
    assert all(curve == curves[0] for curve in curves)


def test_a_damaged_file_is_named_while_training(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "cub-full.h5"
    content = bytearray((folder / "cub-full.h5").read_bytes())
    content[len(content) // 2] ^= 1
    broken.write_bytes(content)
    features = open_features(broken)
    features.regions.read_ahead = 2**20
    with pytest.raises(InputError, match=r"cub-full\.h5"):
        settings = Settings.preset("cub").changed({"training.epochs": 9})
        train(Dazle(), features, final_phase(features), settings, (1, "x", 0), CPU)


@pytest.mark.parametrize("name", DATASETS)
def test_full_sizes_are_the_published_ones(name: str) -> None:
    shape = sizes(name)
    assert shape.images == published_counts(name)["images"]
    assert (shape.seen, shape.unseen) == (
        published_counts(name)["seen classes"],
        published_counts(name)["unseen classes"],
    )


def test_full_size_features_are_simulated_whatever_is_asked(folder: Path) -> None:
    data, _ = resolve(["cub-full"], ["cub"], "auto", folder)
    assert (data[0].source, data[0].published_counts) == ("simulated", False)
    with pytest.raises(InputError, match="is simulated, and a table never mixes sources"):
        resolve(["cub-full"], ["cub"], "real", folder)


@pytest.mark.parametrize("size", ["much", "-1GiB", "0", "12"])
def test_memory_that_cannot_be_kept_is_one_line(folder: Path, size: str) -> None:
    words = "run --suite smoke --datasets cub-full --dry-run --memory"
    arguments = [*words.split(), size, "--data", str(folder)]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, InputError), result.output
    assert str(result.exception).startswith("--memory")


def test_memory_is_shared_by_the_workers(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memories = []

    class Stopped(Exception):  # noqa: N818
        pass

    def make(out: Path, pool: object, memory: int, **options: object) -> None:
        memories.append(memory)
        raise Stopped

    monkeypatch.setattr("benchmark.run.cell_jobs.CellJobs", make)
    with pytest.raises(Stopped):
        runner.run(RunOptions("smoke", datasets=["cub-full"], data=folder, memory=2**30, workers=4, out=tmp_path))
    assert memories == [2**28]


def test_vectors_are_added_beside_the_file_and_only_to_it(folder: Path) -> None:
    path = folder / "cub-full.h5"
    features = open_features(path)
    vectors = np.random.default_rng(0).random((20, 7), np.float32)
    add(path, features, "glove", vectors, {"file": "x"})
    again = open_features(path)
    assert np.array_equal(again.semantics["glove"], vectors)
    assert again.fingerprint == features.fingerprint
    rows = {cell.variant.name for cell in plan(RunOptions("ablations", datasets=["cub-full"], data=folder)).cells}
    assert "glove" in rows
    glove = plan(RunOptions("ablations", variants=["glove"], datasets=["cub-full"], data=folder))
    assert expected_seconds(glove.cells) > 0
    add(path, replace(features, fingerprint="0" * 64), "glove", vectors, {})
    with pytest.raises(InputError, match="belongs to other features"):
        open_features(path)
    side_file(path, "glove").unlink()


def test_rows_whose_vectors_are_not_there_are_left_out_and_said() -> None:
    run_plan = plan(RunOptions("ablations", source="simulated"))
    assert len(run_plan.cells) == 576
    assert any(note.startswith("glove is left out on cub, sun, awa2, deepfashion") for note in run_plan.notes)


@pytest.mark.slow
def test_a_file_larger_than_the_budget_stays_within_it(tmp_path: Path) -> None:
    """CUB's full shape, 2.4 GB, with a budget of 700 MiB: peak resident memory of a child process."""
    write(tmp_path / "cub-full.h5", full_size("cub"), lambda done, images: None)
    code = """
import resource, sys, time
import torch
from pathlib import Path
from dazle.training.batches import ImageReader, index_batches
from dazle.config import Settings
from dazle.features.splits import final_phase
from dazle.training.dazle import Dazle
from dazle.training.train import train
from benchmark.cells.datasets import load_features
torch.set_num_threads(1)
cpu = torch.device("cpu")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
features = load_features("cub-full", Path(sys.argv[1]), 700 * 2**20)
assert not features.regions.in_memory
settings = Settings.preset("cub").changed({"training.epochs": 1, "training.precision": "bf16"})
phase = final_phase(features)
judge = train(Dazle(), features, phase, settings, (1, "cub-full", 0), cpu)
trained = judge.images_trained / judge.train_seconds
reader = ImageReader(features.regions, phase.train, True, torch.bfloat16, cpu)
started = time.perf_counter()
read = sum(len(batch) for batch, _ in reader.batches(index_batches(features.labels[phase.train], 100, 50, False, 1)))
print(f"before {before:.0f} MiB, peak {peak():.0f} MiB, training {trained:.0f} images/s, "
      f"reading alone {read / (time.perf_counter() - started):.0f} images/s")
"""
    command = [sys.executable, "-c", code, str(tmp_path / "cub-full.h5")]
    root = Path(__file__).resolve().parents[3]
    process = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    print(process.stdout)
    memory = re.search(r"before (\d+) MiB, peak (\d+) MiB", process.stdout)
    assert memory
    assert int(memory[2]) - int(memory[1]) < 700
