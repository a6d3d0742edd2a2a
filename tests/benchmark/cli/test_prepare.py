"""The command `data prepare` on small archives with the layout of the owners' archives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import dazle.datasets.prepare
import dazle.extraction.backbones
from benchmark.cli.main import app
from dazle.errors import InputError
from dazle.features.feature_file import open_features
from tests.command_line import benchmark
from tests.dazle.datasets import deepfashion_archive
from tests.dazle.datasets.archives import CLASSES, ROWS, cells, make_archive, write_mats
from tests.dazle.extraction.small_backbone import small_backbone
from tests.dazle.features.small_features import TEST_SEEN, TEST_UNSEEN, TRAINVAL

SPLITS = {"trainval": TRAINVAL, "test_seen": TEST_SEEN, "test_unseen": TEST_UNSEEN}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAZLE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(dazle.extraction.backbones, "load_backbone", lambda *words, **options: small_backbone())
    return tmp_path / "data"


def call(*words: Any) -> str:
    """The output of the command. Raises its InputError, as the command line does before it prints it."""
    result = CliRunner().invoke(app, ["data", "prepare", *map(str, words)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("dataset", ["cub", "sun", "awa2"])
def test_an_archive_becomes_a_feature_file(dataset: str, tmp_path: Path, data: Path) -> None:
    archive = make_archive(tmp_path, dataset)
    np.save(tmp_path / "vectors.npy", np.ones((5, 2), np.float32))
    output = call(
        dataset, "--images", archive.images, "--splits", archive.splits, "--word-vectors", tmp_path / "vectors.npy"
    )
    assert "images 48" in output and "semantics word2vec: file vectors.npy" in output
    assert "extracted 48 images in" in output and f"written to {data}/{dataset}.h5" in output
    features = open_features(data / f"{dataset}.h5")
    assert features.preset == dataset and features.semantics["word2vec"].shape == (5, 2)
    assert (features.places is not None) == (dataset == "cub")
    assert features.provenance["package"] and features.provenance["word_vectors"] == {
        "word2vec": {"file": "vectors.npy"}
    }


def test_deepfashion_becomes_a_feature_file(tmp_path: Path, data: Path) -> None:
    deepfashion_archive.write(tmp_path)
    output = call(
        "deepfashion", "--images", tmp_path, "--annotations", tmp_path, "--class-vectors", "paper", "--name", "df"
    )
    assert "no attribute vectors: only `random` and `one-hot`" in output
    assert open_features(data / "df.h5").preset == "deepfashion"


def test_rows_of_zeros_beside_the_splits_are_not_taken_silently(tmp_path: Path, data: Path) -> None:
    archive = make_archive(tmp_path, "cub")
    vectors = np.ones((5, 2), np.float32)
    vectors[3] = 0
    np.save(archive.splits / "w2v.npy", vectors)
    words = ("cub", "--images", archive.images, "--splits", archive.splits)
    with pytest.raises(InputError, match="cub, semantics word2vec: no vector for 1 of 5 attributes"):
        call(*words)
    output = call(*words, "--allow-missing")
    assert "word2vec has no vector for 1 attributes, which start from zero: 'has_eye_color::red'" in output
    assert not open_features(data / "cub.h5").semantics["word2vec"][3].any()


def test_provenance_is_of_what_the_file_has(tmp_path: Path, data: Path) -> None:
    archive = make_archive(tmp_path, "sun")
    trained = next(row for row in range(48) if "zoo" not in archive.names[row])
    archive.image(trained).write_bytes(b"no image")
    np.save(tmp_path / "vectors.npy", np.ones((5, 2), np.float32))
    words = ("--word-vectors", tmp_path / "vectors.npy", "--skip-broken")
    call("sun", "--images", archive.images, "--splits", archive.splits, *words)
    features = open_features(data / "sun.h5")
    assert sum(features.provenance["honest_images"].values()) == len(features.trainval) == 29
    assert "semantics" not in features.provenance


def test_words_of_a_users_file_become_vectors(tmp_path: Path, data: Path) -> None:
    archive = make_archive(tmp_path, "cub")
    words = ("bill", "shape", "wing", "color", "size", "small", "eye", "belly", "red")
    (tmp_path / "glove.txt").write_text("".join(f"{word} {place}.0 1.0\n" for place, word in enumerate(words)))
    output = call(
        "cub", "--images", archive.images, "--splits", archive.splits, "--name", "mine",
        "--word-vectors", f"glove={tmp_path / 'glove.txt'}", "--combine", "average",
    )  # fmt: skip
    assert "file glove.txt; combined by average; words without a vector dagger, blue, white" in output
    vectors = open_features(data / "mine.h5").semantics["glove"]
    np.testing.assert_allclose(vectors[0], [0.5, 1])


@pytest.mark.parametrize("suffix", ["npy", "txt"])
def test_an_attribute_without_a_vector_needs_a_word_of_consent(suffix: str, tmp_path: Path, data: Path) -> None:
    archive = make_archive(tmp_path, "cub")
    file = tmp_path / f"vectors.{suffix}"
    vectors = np.ones((5, 2), np.float32)
    vectors[1] = 0
    np.save(tmp_path / "vectors.npy", vectors)
    (tmp_path / "vectors.txt").write_text("bill 1.0 2.0\neye 1.0 2.0\nbelly 1.0 2.0\nsize 1.0 2.0\n")
    words = ("cub", "--images", archive.images, "--splits", archive.splits, "--word-vectors", file)
    with pytest.raises(InputError, match=r"no vector for 1 of 5 attributes .*wing.*--allow-missing"):
        call(*words)
    assert not data.exists()
    call(*words, "--allow-missing")
    assert not open_features(data / "cub.h5").semantics["word2vec"][1].any()


@pytest.mark.parametrize("dataset", ["cub", "sun", "awa2"])
def test_broken_images_stop_the_command_or_are_left_out(dataset: str, tmp_path: Path, data: Path) -> None:
    archive = make_archive(tmp_path, dataset)
    archive.image(3).unlink()
    archive.image(4).write_bytes(b"no image")
    archive.image(5).write_bytes(archive.image(5).read_bytes()[:-200])
    words = (dataset, "--images", archive.images, "--splits", archive.splits)
    with pytest.raises(InputError, match=r"3 of 48 images cannot be used: .*image_0003\.jpg \(no such file\)") as error:
        call(*words)
    assert "image_0004.jpg (cannot identify" in str(error.value)
    assert "image_0005.jpg (image file is truncated" in str(error.value)
    assert "left out: 3 of 48" in call(*words, "--skip-broken")
    assert len(open_features(data / f"{dataset}.h5").labels) == 45


@pytest.mark.parametrize("dataset", ["cub", "sun", "awa2"])
def test_every_kind_of_picture_is_read(dataset: str, tmp_path: Path, data: Path) -> None:
    archive = make_archive(tmp_path, dataset)
    for row, mode in enumerate(("L", "CMYK", "RGBA", "P")):
        picture = Image.open(archive.image(row)).convert(mode)
        picture.save(archive.image(row), format="PNG" if mode in ("RGBA", "P") else "JPEG")
    call(dataset, "--images", archive.images, "--splits", archive.splits)
    features = open_features(data / f"{dataset}.h5")
    assert features.regions.read(np.arange(4)).any(axis=(1, 2)).all()


@pytest.mark.parametrize("dataset", ["cub", "sun", "awa2"])
@pytest.mark.parametrize(
    "changes, message",
    [
        ({f"{name}_loc": indices[:, None] for name, indices in SPLITS.items()}, "0-based|count from 0|index 0"),
        ({"labels": np.ones((3, 1))}, "48 image_files but 3 labels"),
        ({"labels": np.full((48, 1), 10.0)}, "labels has 10 in row 1, outside 1..9"),
        ({"att": None}, "att is missing|no att"),
        ({"trainval_loc": None}, "trainval_loc"),
    ],
    ids=["from 0", "fewer labels", "label out of range", "no att", "no trainval_loc"],
)
def test_a_wrong_split_file_is_one_line(
    dataset: str, changes: dict[str, Any], message: str, tmp_path: Path, data: Path
) -> None:
    archive = make_archive(tmp_path, dataset)
    write_mats(archive, **changes)
    with pytest.raises(InputError, match=message) as error:
        call(dataset, "--images", archive.images, "--splits", archive.splits)
    assert "\n" not in str(error.value) and not (data / f"{dataset}.h5").exists()


@pytest.mark.parametrize("dataset", ["cub", "sun", "awa2"])
def test_classes_in_another_order_are_found_out(dataset: str, tmp_path: Path, data: Path) -> None:
    archive = make_archive(tmp_path, dataset)
    swapped = np.array(CLASSES[dataset])[np.argsort(ROWS)][::-1]
    write_mats(archive, allclasses_names=cells(swapped))
    words = (dataset, "--images", archive.images, "--splits", archive.splits)
    with pytest.raises(InputError, match=r"allclasses\.txt: not the classes of allclasses_names in its order"):
        call(*words)
    (archive.splits / "allclasses.txt").unlink()
    with pytest.raises(InputError, match="allclasses_names and labels differ in the order of classes"):
        call(*words)


def test_vectors_that_were_added_are_not_orphaned(tmp_path: Path, data: Path) -> None:
    archive = make_archive(tmp_path, "sun")
    words = ("sun", "--images", archive.images, "--splits", archive.splits)
    call(*words)
    np.save(tmp_path / "mine.npy", np.ones((5, 2), np.float32))
    added = ["data", "add-semantics", "sun", "--semantics", f"mine={tmp_path / 'mine.npy'}"]
    assert CliRunner().invoke(app, added).exit_code == 0
    with pytest.raises(InputError, match=r"sun\.semantics-mine\.safetensors: was added to the features that this repl"):
        call(*words, "--overwrite")


def test_an_interrupted_preparation_says_how_to_go_on(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*words: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dazle.datasets.prepare, "extract", interrupt)
    archive = make_archive(tmp_path, "sun")
    words = ["data", "prepare", "sun", "--images", str(archive.images), "--splits", str(archive.splits)]
    done = benchmark(*words)
    assert (done.returncode, done.stderr) == (130, "interrupted; the same command continues\n")


@pytest.mark.parametrize("name", ["random", "one-hot"])
def test_vectors_cannot_have_the_name_of_a_choice(name: str, tmp_path: Path, data: Path) -> None:
    archive = make_archive(tmp_path, "sun")
    words = ("--images", archive.images, "--splits", archive.splits)
    with pytest.raises(InputError, match=f"semantics '{name}': is a choice of its own"):
        call("sun", *words, "--word-vectors", f"{name}={tmp_path / 'mine.npy'}")


def test_a_finished_file_is_replaced_only_when_told(tmp_path: Path, data: Path) -> None:
    archive = make_archive(tmp_path, "awa2")
    words = ("awa2", "--images", archive.images, "--splits", archive.splits)
    call(*words)
    with pytest.raises(InputError, match=r"awa2\.h5: exists already; add --overwrite"):
        call(*words)
    call(*words, "--overwrite")


def test_the_standard_split_tests_no_seen_class(tmp_path: Path, data: Path) -> None:
    archive = make_archive(tmp_path, "cub", test_seen_loc=None, train_loc=None, val_loc=None)
    words = ("cub", "--images", archive.images, "--splits", archive.splits, "--split", "standard")
    output = call(*words, "--name", "cub-standard")
    assert "T1 and U are all there is\n  class folds" in output and "a subset?" not in output
    features = open_features(data / "cub-standard.h5")
    assert not features.test_seen.size and len(features.test_unseen) == 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cubs", "--images", "."), "DATASET 'cubs' is not one of cub, sun, awa2, deepfashion"),
        (("cub", "--images", "."), "cub: --splits is missing; give the folder of the xlsa17 archive"),
        (("deepfashion", "--images", "."), "deepfashion: --annotations is missing"),
        (("sun", "--images", ".", "--splits", ".", "--split", "standard"), "--split standard: is not for sun"),
        (("cub", "--images", ".", "--splits", ".", "--class-vectors", "paper"), "--class-vectors paper: is not for"),
        (("cub", "--images", ".", "--splits", ".", "--name", "sun"), "name 'sun' is for real features"),
        (("cub", "--images", ".", "--splits", ".", "--name", "A B"), "name 'A B': use 1 to 64"),
        (("cub", "--images", ".", "--splits", ".", "--device", "tpu"), "--device 'tpu' is not one of"),
        (("cub", "--images", ".", "--splits", ".", "--grid", "7"), "--grid '7' is not ROWSxCOLUMNS, for example 7x7"),
        (("cub", "--images", ".", "--splits", ".", "--grid", "0x7"), "--grid '0x7' is not ROWSxCOLUMNS"),
        (("cub", "--images", ".", "--splits", ".", "--image-size", "0"), "--image-size '0' is less than 1"),
    ],
)
def test_wrong_words_are_answered_in_one_line(data: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as error:
        call(*words)
    assert message in str(error.value) and "\n" not in str(error.value)
