"""A user's own data on the command line: the commands of docs/your-data.md, on tiny images with a stand-in backbone."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dazle.extraction.backbones
from dazle.features.feature_file import open_features
from tests.command_line import benchmark
from tests.dazle.datasets import own_images
from tests.dazle.extraction.small_backbone import small_backbone
from tests.dazle.features.small_features import write_reference

PAGE = Path(__file__).resolve().parents[3] / "docs" / "your-data.md"
COMMANDS = re.findall(r"^python -m benchmark (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
# A small network and so few images need one epoch only.
SHORT = {"run": ("--seeds", "1", "--set", "training.epochs=1", "--workers", "1")}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the page names, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAZLE_DATA", raising=False)
    monkeypatch.setattr(dazle.extraction.backbones, "load_backbone", lambda *words, **options: small_backbone())
    own_images.write(tmp_path)
    (tmp_path / "images").rename(tmp_path / "photos")
    words = own_images.ATTRIBUTES
    (tmp_path / "glove.txt").write_text("".join(f"{word} {place}.5 1.0\n" for place, word in enumerate(words)))
    unseen = ("zebra", "seal")
    lines = [f"{name},{'test_unseen' if name in unseen else 'train'}" for name in own_images.CLASSES]
    (tmp_path / "splits.csv").write_text("\n".join(["class,split", *lines]))
    write_reference(tmp_path / "features.hdf5", w2v_att=None)
    return tmp_path


def prepare(*words: Any, name: str = "animals") -> str:
    done = benchmark(
        "data", "prepare", "own", "--images", "photos", "--attributes", "attributes.csv", "--name", name, *words
    )
    return done.stdout + done.stderr


def test_the_commands_of_the_page(folder: Path) -> None:
    assert len(COMMANDS) == 7
    for command in COMMANDS:
        words = shlex.split(command)
        done = benchmark(*words, *SHORT.get(words[0], ()))
        assert done.returncode == 0, (command, done.stderr)
    features = open_features(folder / "data" / "animals.h5")
    assert features.preset == "own" and features.semantics.keys() == {"word2vec", "other"}
    assert features.class_names == own_images.CLASSES
    again = ("data", "import", "features_animals.hdf5", "--name", "animals", "--preset", "own", "--data", "again")
    assert benchmark(*again).returncode == 0
    assert open_features(folder / "again" / "animals.h5").fingerprint == features.fingerprint
    assert not open_features(folder / "data" / "imported.h5").semantics
    report = (folder / "runs" / "supplement-real" / "report.md").read_text(encoding="utf-8")
    assert "On real features of animals" in report and "no features of" not in report


def test_without_word_vectors_a_run_says_what_to_do(folder: Path) -> None:
    assert "no attribute vectors: only `random` and `one-hot` semantics will run" in prepare()
    run = ("run", "--suite", "smoke", "--datasets", "animals", *SHORT["run"])
    done = benchmark(*run)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "data add-semantics animals --semantics word2vec=FILE" in done.stderr
    assert benchmark(*run, "--set", "model.semantics=one-hot").returncode == 0


def test_broken_images_stop_the_command_or_are_left_out(folder: Path) -> None:
    (folder / "photos/zebra/2-1.JPG").write_bytes(b"no image")
    assert "1 of 48 images cannot be used: zebra/2-1.JPG" in prepare()
    assert not (folder / "data" / "animals.h5").exists()
    assert "left out: 1 of 48" in prepare("--skip-broken")
    assert len(open_features(folder / "data" / "animals.h5").labels) == 47


def test_options_of_others_are_refused(folder: Path) -> None:
    assert "--split standard: is not for own; leave it out" in prepare("--split", "standard")
    done = benchmark("data", "prepare", "own", "--images", "photos")
    assert "own: --attributes is missing; give a CSV file" in done.stderr
    done = benchmark("data", "prepare", "cub", "--images", "photos", "--draw-unseen", "2")
    assert "--draw-unseen 2: is not for cub; leave it out" in done.stderr
    assert "--draw-unseen '0' is less than 1" in prepare("--draw-unseen", "0")


def test_export_replaces_no_file(folder: Path) -> None:
    prepare("--word-vectors", "vectors.npy")
    export = ("data", "export", "animals", "--into")
    done = benchmark(*export, "data/animals.h5", "--overwrite")
    assert done.returncode == 2 and "exists already" in done.stderr
    assert benchmark(*export, "a.hdf5").returncode == 0
    assert "a.hdf5: exists already; add --overwrite" in benchmark(*export, "a.hdf5").stderr
    assert benchmark(*export, "a.hdf5", "--overwrite").returncode == 0
    assert (
        "no features named 'animal'; the nearest is 'animals'"
        in benchmark("data", "export", "animal", "--into", "b").stderr
    )
    np.testing.assert_array_equal(open_features(folder / "data/animals.h5").grid, (2, 2))
