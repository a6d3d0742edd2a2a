"""`data add-semantics` on a prepared file, through the command line."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmark.cli.main import app
from dazle.datasets.import_reference import import_reference
from dazle.errors import InputError
from dazle.features.feature_file import open_features
from tests.dazle.features.small_features import write_reference


@pytest.fixture
def data(tmp_path: Path) -> Path:
    source = write_reference(tmp_path / "feature_map_ResNet_101_CUB.hdf5")
    import_reference(source, tmp_path / "mine.h5", name="mine", preset="cub")
    return tmp_path


def test_vectors_of_a_file_are_added_once(data: Path) -> None:
    np.save(data / "v.npy", np.ones((5, 3), np.float32))
    words = ["data", "add-semantics", "mine", "--semantics", f"glove={data / 'v.npy'}", "--data", str(data)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.exception
    assert open_features(data / "mine.h5").semantics["glove"].tolist() == [[1, 1, 1]] * 5
    again = CliRunner().invoke(app, words)
    assert isinstance(again.exception, InputError)
    assert "add --overwrite" in str(again.exception)


@pytest.mark.parametrize(
    ("vectors", "line"),
    [(np.ones((4, 3), np.float32), r"not \(5, d\)"), (np.zeros((5, 3), np.float32), "no vector for 5 of 5")],
)
def test_vectors_that_do_not_fit_are_refused(data: Path, vectors: np.ndarray, line: str) -> None:
    np.save(data / "v.npy", vectors)
    words = ["data", "add-semantics", "mine", "--semantics", f"glove={data / 'v.npy'}", "--data", str(data)]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, InputError)
    with pytest.raises(InputError, match=line):
        raise done.exception
    assert list(open_features(data / "mine.h5").semantics) == ["word2vec"]
