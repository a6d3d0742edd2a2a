"""On a real part of CUB, where it lies beside the project: what simulated features never show."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dazle.config import Settings
from dazle.datasets.import_reference import import_reference
from dazle.features.feature_file import open_features
from dazle.features.feature_set import FeatureSet
from dazle.features.splits import final_phase, validation_phase
from dazle.training.dazle import Dazle
from dazle.training.train import train

FILE = Path(__file__).resolve().parents[4] / "shared/data/CUB127/feature_map_EfficientNet_Lite0_CUB.hdf5"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILE.is_file(), reason="the real photographs' features are not beside the project"),
]


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureSet]:
    target = tmp_path_factory.mktemp("real") / "cub127.h5"
    import_reference(FILE, target, name="cub127", preset="cub")
    opened = open_features(target)
    yield replace(opened, regions=opened.regions.load())
    target.unlink()


def test_counts(features: FeatureSet) -> None:
    splits = (features.trainval, features.test_seen, features.test_unseen)
    assert [len(split) for split in splits] == [4402, 1087, 1967]
    assert (len(features.seen_classes), len(features.unseen_classes)) == (94, 33)
    test = np.concatenate(splits[1:])
    for fold in (1, 2, 3):
        phase = validation_phase(features, fold)
        touched = np.concatenate([phase.train, phase.eval_seen, phase.eval_unseen])
        assert not np.intersect1d(touched, test).size
        assert len(np.unique(touched)) == len(touched)


def test_bf16_moves_H_by_less_than_another_seed_does(features: FeatureSet) -> None:
    """Two epochs, three seeds, paired: the mean difference lies within one standard deviation over seeds."""
    phase, H = final_phase(features), {}
    for precision in ("float32", "bf16"):
        settings = Settings.preset("cub").changed({"training.precision": precision, "training.epochs": 2})
        fits = [
            train(Dazle(), features, phase, settings, (1, "cub127", seed), torch.device("cpu")) for seed in range(3)
        ]
        H[precision] = np.array([fitted.curves[0][-1]["H"] for fitted in fits])
    print(H)
    assert H["float32"].min() > 50
    assert abs((H["bf16"] - H["float32"]).mean()) < H["float32"].std(ddof=1)
