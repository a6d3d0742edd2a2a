"""Regions of 7 x 7 x 2,048 from a feature file and from memory, as a training step is given them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dazle.datasets.full_size import Sizes, full_size
from dazle.features.feature_file import open_features, write
from dazle.features.feature_set import FeatureSet
from dazle.training.batches import ImageReader, index_batches

Benchmark = Callable[..., Any]

SHAPE = Sizes(attributes=5, seen=6, unseen=3, trainval=120, test_seen=12, test_unseen=18)
BATCH, BATCHES = 50, 4


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("features") / "cub-full.h5"
    write(path, full_size("cub", SHAPE))
    return path


def open_at(file: Path, location: str) -> FeatureSet:
    features = open_features(file)
    return replace(features, regions=features.regions.load()) if location == "memory" else features


@pytest.mark.parametrize("location", ["file", "memory"])
def test_loader(benchmark: Benchmark, file: Path, location: str) -> None:
    features = open_at(file, location)
    reader = ImageReader(features.regions, features.trainval, True, torch.float32, torch.device("cpu"))
    batches = list(index_batches(features.labels[features.trainval], BATCHES, BATCH, False, seed=0))

    def epoch() -> list[tuple[np.ndarray, float]]:
        return [(batch, float(regions[-1].norm())) for batch, regions in reader.batches(batches)]

    batches_read = benchmark(epoch)
    assert [batch.tolist() for batch, _ in batches_read] == [batch.tolist() for batch in batches]
    for batch, norm in batches_read:
        last = features.regions.read(features.trainval[batch[-1:]])[0]
        assert norm == pytest.approx(float(np.linalg.norm(last.astype(np.float32))), rel=1e-5)


def test_open(benchmark: Benchmark, file: Path) -> None:
    features = benchmark(open_features, file)
    assert features.regions.shape == (SHAPE.images, 49, 2048)
