"""Bad features through the command line: one line that names file or key, value and remedy, and exit code 2."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli.main import main
from tests.dazle.features.small_features import CHANNELS, LABELS, TEST_SEEN, TEST_UNSEEN, TRAINVAL, write_reference


def with_nan() -> np.ndarray:
    values = np.random.default_rng(0).random((48, CHANNELS, 2, 3), np.float32)
    values[7, 0, 0, 0] = np.nan
    return values


def truncated(path: Path) -> None:
    write_reference(path)
    path.write_bytes(path.read_bytes()[:3000])


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no such file"),
    "truncated": (truncated, "truncated"),
    "not-hdf5": (lambda path: path.write_text("hello"), "not an HDF5 file"),
    "shape": (lambda path: write_reference(path, labels=LABELS[:-1]), "labels"),
    "label": (lambda path: write_reference(path, labels=np.where(LABELS == 3, 99, LABELS)), "99"),
    "overlap": (lambda path: write_reference(path, test_unseen_loc=np.array([*TEST_UNSEEN, 0])), "trainval"),
    "classes": (
        lambda path: write_reference(path, trainval_loc=np.array([*TRAINVAL, 36]), test_unseen_loc=TEST_UNSEEN[1:]),
        "class 6",
    ),
    "index": (lambda path: write_reference(path, test_seen_loc=np.array([*TEST_SEEN, 48])), "48"),
    "nan": (lambda path: write_reference(path, feature_map=with_nan()), "image 7"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_one_line_and_nothing_written(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make, names = BROKEN[kind]
    file, data = tmp_path / "feature_map_ResNet_101_CUB.hdf5", tmp_path / "data"
    make(file)
    words = ["benchmark", "data", "import", str(file), "--name", "mine", "--preset", "cub", "--data", str(data)]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    line = capsys.readouterr().err
    assert ended.value.code == 2
    assert line.startswith("error: ")
    assert line.count("\n") == 1
    assert file.name in line
    assert names in line
    assert not [*data.glob("*.h5")]
