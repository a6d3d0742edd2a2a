"""The commands of `data` for features that are prepared already or imported from a file."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from benchmark.cli.data import app, named_files
from dazle.errors import InputError
from dazle.features.feature_file import open_features
from tests.dazle.features.small_features import write_reference


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, the default of all commands; the source is beside it."""
    write_reference(tmp_path / "feature_map_ResNet_101_CUB.hdf5")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAZLE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def call(*words: str) -> Result:
    """The output and the exit code of a command. Raises its InputError, as the command line does before it prints it."""
    result = CliRunner().invoke(app, list(words))
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code in (0, 2), result.output
    return result


def import_small(name: str = "small", *more: str) -> Result:
    return call("import", "feature_map_ResNet_101_CUB.hdf5", "--name", name, "--preset", "cub", *more)


def test_import_says_what_it_found(data: Path) -> None:
    output = import_small().output
    assert "small: real features, preset cub, ResNet-101, 2 x 3 regions of 8 channels" in output
    assert (
        "images 48, attributes 5, seen classes 6, unseen classes 3, trainval 30, test_seen 6, test_unseen 12" in output
    )
    assert "differs from the published counts (a subset?): images 11,788" in output
    assert "class folds (train + validation classes): 4 + 2, 4 + 2, 4 + 2" in output
    assert f"written to {data}/small.h5" in output
    assert (data / "small.h5").exists()


def test_import_takes_another_folder_semantics_and_backbone(data: Path, tmp_path: Path) -> None:
    np.save("glove.npy", np.ones((5, 2), np.float32))
    import_small("small", "--data", "other", "--semantics", "glove=glove.npy", "--backbone", "mine")
    features = open_features(tmp_path / "other" / "small.h5")
    assert features.semantics["glove"].shape == (5, 2) and features.backbone == "mine"
    assert not data.exists()


def test_import_takes_no_vector_of_zeros_silently(data: Path, tmp_path: Path) -> None:
    vectors = np.ones((5, 3), np.float32)
    vectors[2] = 0
    write_reference(tmp_path / "feature_map_ResNet_101_CUB.hdf5", w2v_att=vectors)
    with pytest.raises(
        InputError, match=r"semantics word2vec: no vector for 1 of 5 attributes \(2\); .*--allow-missing"
    ):
        import_small()
    assert (
        "word2vec has no vector for 1 attributes, which start from zero: 2"
        in import_small("a", "--allow-missing").output
    )
    write_reference(tmp_path / "feature_map_ResNet_101_CUB.hdf5")
    np.save("mine.npy", vectors)
    with pytest.raises(InputError, match="semantics mine: no vector for 1 of 5"):
        import_small("b", "--semantics", "mine=mine.npy")
    with pytest.raises(InputError, match="semantics 'random': is a choice of its own"):
        import_small("b", "--semantics", "random=mine.npy")


def test_import_replaces_only_when_told(data: Path) -> None:
    import_small()
    with pytest.raises(InputError, match=r"small\.h5: exists already; add --overwrite"):
        import_small()
    import_small("small", "--overwrite")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("../up",), "name '../up': use 1 to 64"),
        (("sun",), "name 'sun' is for real features of the preset sun"),
        (("small", "--semantics", "glove"), "--semantics glove: write NAME=FILE"),
        (("small", "--semantics", "Glove=x.npy"), "semantics 'Glove': use 1 to 64"),
        (("small", "--semantics", "a=x.npy", "--semantics", "a=y.npy"), "a is given twice"),
        (("small", "--semantics", "a=none.npy"), "none.npy: no such file"),
    ],
)
def test_import_refuses_in_one_line(data: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        import_small(*words)
    assert "\n" not in str(error.value) and not list(data.glob("*"))


def test_names_of_the_published_datasets_are_for_their_own_preset(data: Path) -> None:
    import_small("cub")
    assert (data / "cub.h5").exists()


def test_an_unknown_preset_is_refused(data: Path) -> None:
    with pytest.raises(InputError, match="--preset 'imagenet' is not one of cub, sun, awa2, deepfashion, own"):
        call("import", "feature_map_ResNet_101_CUB.hdf5", "--name", "a", "--preset", "imagenet")


def test_info_and_verify_take_one_or_all(data: Path) -> None:
    import_small("one")
    import_small("two")
    (data / ".three.h5.partial").write_bytes(b"half")
    assert [line.split(",")[0] for line in call("verify").output.splitlines()] == ["one: ok", "two: ok"]
    assert call("verify", "two").output.startswith("two: ok, 48 images, fingerprint ")
    assert call("info").output.count("real features") == 2
    assert call("info", "one").output.startswith("one: real features")


def test_verify_says_which_is_bad_goes_on_and_exits_2(data: Path) -> None:
    import_small("one")
    import_small("two")
    with h5py.File(data / "one.h5") as file:
        at = file["regions"].id.get_chunk_info(0).byte_offset
    content = bytearray((data / "one.h5").read_bytes())
    content[at] ^= 1
    (data / "one.h5").write_bytes(content)
    result = call("verify")
    assert result.exit_code == 2
    assert result.stdout.startswith("two: ok") and result.stdout.count("\n") == 1
    assert "one.h5: regions cannot be read, the file is damaged; make it again" in result.stderr.replace("\n", " ")
    assert call("info").exit_code == 0


def test_nothing_prepared_and_unknown_names_say_what_to_do(data: Path) -> None:
    with pytest.raises(InputError, match="no prepared features; import some with `data import`"):
        call("verify")
    import_small("cub127")
    with pytest.raises(InputError, match="no features named 'cub12'; the nearest is 'cub127'"):
        call("info", "cub12")
    with pytest.raises(InputError, match="no features named 'x'; there is only cub127"):
        call("info", "x")


def test_help_needs_no_heavy_import() -> None:
    code = "import sys, benchmark.cli.data; print({'numpy', 'h5py', 'rich.progress'} & set(sys.modules))"
    root = Path(__file__).resolve().parents[3]
    environment = os.environ | {"PYTHONPATH": str(root)}
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert output.stdout.strip() == "set()"


def test_files_by_name(tmp_path: Path) -> None:
    assert named_files("--semantics", ["a=x.npy", "b=y=z.npy"]) == {"a": Path("x.npy"), "b": Path("y=z.npy")}
    existing = tmp_path / "a=b.npy"
    existing.touch()
    assert named_files("--word-vectors", [str(existing)], "word2vec") == {"word2vec": existing}
    for words, message in (
        (["x.npy"], "--semantics x.npy: write NAME=FILE"),
        (["a="], "--semantics a=: write NAME=FILE"),
        (["a=x", "a=y"], "--semantics a=y: a is given twice; write OTHERNAME=y"),
    ):
        with pytest.raises(InputError, match=message):
            named_files("--semantics", words)
