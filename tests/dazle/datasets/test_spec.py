"""A dataset is one file: a new one is found by its name, and the specifications are complete."""

from pathlib import Path

import pytest

from dazle.config import DATASETS
from dazle.datasets import spec as module
from dazle.datasets.published_counts import published_counts
from dazle.datasets.simulated import SHAPES
from dazle.datasets.spec import names, spec, specs
from dazle.errors import InputError


def test_the_datasets_of_the_suites_come_first() -> None:
    assert names() == (*DATASETS, "own")
    assert tuple(SHAPES) == DATASETS
    assert all(published_counts(name) for name in DATASETS) and not published_counts("own")
    assert all(entry.name == name and entry.about for name, entry in specs().items())


def test_a_new_file_is_a_new_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flowers.py").write_text(
        "from dazle.datasets.spec import DatasetSpec\n"
        "SPEC = DatasetSpec(name='flowers', about='102 flowers', read=print, published={'images': 8189})\n"
    )
    import dazle.datasets.specs as folder

    monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(folder, "__path__", [str(tmp_path)])
    names.cache_clear()
    try:
        assert names() == (*DATASETS, "flowers")
        assert spec("flowers").read is print and published_counts("flowers") == {"images": 8189}
    finally:
        names.cache_clear()
        spec.cache_clear()


def test_an_unknown_dataset_is_one_line() -> None:
    with pytest.raises(InputError, match="unknown dataset 'cup'; the nearest is 'cub'"):
        spec("cup")
