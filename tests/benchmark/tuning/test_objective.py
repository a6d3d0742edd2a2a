"""No image that reaches a trial is a test image, also on the real splits; its value is the honest protocol's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.cells.matrix import Cell
from benchmark.tuning.objective import PartialTrial, train_part, tuning_seed
from dazle.config import Settings
from dazle.datasets.xlsa17_splits import read_splits
from dazle.errors import InputError
from dazle.features.feature_set import ClassFold, FeatureSet, Regions
from dazle.features.splits import final_phase, validation_phase, without_test
from dazle.streams import stream
from dazle.training import train as training
from dazle.training.dazle import Dazle
from dazle.training.judge import Curve
from reports.analysis.protocols import Honest
from tests.benchmark.tuning.studies import cell
from tests.dazle.features.small_features import TEST_SEEN, TEST_UNSEEN, TRAINVAL, small

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
CPU = torch.device("cpu")
# Under these the small features reach their best H, which is not 0, at the second of four epochs.
QUICK = Settings().changed(
    {"training.epochs": 4, "training.batch_size": 8, "training.learning_rate": 0.05, "loss.test_margin": 0.0}
)


class Watched(Regions):
    """Regions that record the images that are read, in any way."""

    def __init__(self, images: int, channels: int = 2) -> None:
        draw = np.random.default_rng(0).random((images, 1, channels)).astype(np.float16)
        super().__init__(draw, np.ones((images, 1), np.float32))
        self.images_read: set[int] = set()

    def read(self, indices: np.ndarray) -> np.ndarray:
        self.images_read |= set(indices.tolist())
        return super().read(indices)

    def read_into(self, indices: np.ndarray, values: np.ndarray) -> None:
        self.images_read |= set(indices.tolist())
        super().read_into(indices, values)

    def read_norms(self, indices: np.ndarray) -> np.ndarray:
        self.images_read |= set(indices.tolist())
        return super().read_norms(indices)


@pytest.fixture
def features(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FeatureSet:
    """The small features, as those of the dataset of a trial; a parameter replaces them."""
    features: FeatureSet = getattr(request, "param", small)()
    monkeypatch.setattr("benchmark.tuning.objective.load_features", lambda name, file, memory: features)
    return features


def cell_of(features: FeatureSet, settings: Settings = QUICK) -> Cell:
    example = cell()
    return replace(
        example, settings=settings,
        dataset=replace(example.dataset, name=features.name, fingerprint=features.fingerprint),
    )  # fmt: skip


def curves_of_parts(features: FeatureSet, settings: Settings = QUICK, repetitions: int = 1) -> list[Curve]:
    parts = [(r, k) for r in range(repetitions) for k in range(1, len(features.folds) + 1)]
    return [train_part(cell_of(features, settings), {}, *part, 0) for part in parts]


def partial_trial(curves: list[Curve], metric: str = "H") -> PartialTrial:
    return PartialTrial(metric, [(0, fold) for fold in range(1, len(curves) + 1)], curves)


def curve(features: FeatureSet, fold: int, settings: Settings = QUICK, repetition: int = 0) -> Curve:
    seed = tuning_seed(214, features.name, repetition)
    return training.train(Dazle(), features, validation_phase(features, fold), settings, seed, CPU).curves[0]


def real(folder: str) -> FeatureSet:
    """The real splits and class vectors. The labels of CUB, SUN and AWA2 come with `res101.mat`, which is not here:
    those are drawn evenly from the classes of each part, so that every index is real and every fold exists.
    """
    splits = read_splits(SHARED / folder)
    assert splits.seen is not None and splits.unseen is not None
    images = 1 + max(map(np.max, (splits.trainval, splits.test_seen, splits.test_unseen)))
    labels = np.zeros(images, np.int64)
    parts = [(splits.trainval, splits.seen), (splits.test_seen, splits.seen), (splits.test_unseen, splits.unseen)]
    if splits.train is not None and splits.validation is not None:
        fold = splits.folds[0]
        parts += [(splits.train, fold.train_classes), (splits.validation, fold.validation_classes)]
    for indices, classes in parts:
        labels[indices] = np.resize(classes, len(indices))
    return small(
        name="real-splits", regions=Watched(images), labels=labels, attributes=splits.attributes, grid=(1, 1),
        semantics={"word2vec": np.eye(splits.attributes.shape[1], 3, dtype=np.float32)},
        trainval=splits.trainval, test_seen=splits.test_seen, test_unseen=splits.test_unseen, folds=splits.folds,
    )  # fmt: skip


def test_features_without_test_have_no_test_split_and_no_label_of_a_test_image() -> None:
    features = without_test(small())
    assert features.test_seen.size == features.test_unseen.size == 0
    assert (features.labels[np.concatenate([TEST_SEEN, TEST_UNSEEN])] == -1).all()
    assert np.array_equal(features.labels[TRAINVAL], small().labels[TRAINVAL])
    assert final_phase(features).eval_unseen.size == 0


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_the_validation_phase_is_the_same_without_the_test_split(fold: int) -> None:
    whole, without = validation_phase(small(), fold), validation_phase(without_test(small()), fold)
    for name in ("classes", "seen", "train", "eval_seen", "eval_unseen"):
        assert np.array_equal(getattr(whole, name), getattr(without, name))


@pytest.mark.parametrize("features", [lambda: small(regions=Watched(48), grid=(1, 1))], indirect=True)
def test_a_trial_reads_every_trainval_image_and_no_test_image(features: FeatureSet) -> None:
    curves_of_parts(features)
    assert isinstance(features.regions, Watched)
    assert sorted(features.regions.images_read) == TRAINVAL.tolist()


@pytest.mark.parametrize("folder", ["CUB", "SUN", "AWA2", "CUB127/xlsa17/data/CUB"])
def test_no_index_that_reaches_a_trial_is_a_test_index_of_the_real_splits(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (SHARED / folder).is_dir():
        pytest.skip(f"the real split files are not here: {SHARED / folder}")
    features = real(folder)
    phases = []
    train = training.train

    def watched(method: Any, reduced: FeatureSet, phase: Any, *arguments: Any) -> Any:
        assert reduced.test_seen.size == reduced.test_unseen.size == 0
        phases.extend([phase.train, phase.eval_seen, phase.eval_unseen])
        return train(method, reduced, phase, *arguments)

    monkeypatch.setattr(training, "train", watched)
    monkeypatch.setattr("benchmark.tuning.objective.load_features", lambda name, file, memory: features)
    curves_of_parts(features, QUICK.changed({"training.epochs": 1, "training.batch_size": 500}))
    tested = {*features.test_seen.tolist(), *features.test_unseen.tolist()}
    assert isinstance(features.regions, Watched)
    images_read = features.regions.images_read
    assert len(phases) == 3 * len(features.folds)
    assert len(images_read) > 0.5 * len(features.trainval)
    assert not images_read & tested
    assert not set(np.concatenate(phases).tolist()) & tested
    assert images_read <= set(features.trainval.tolist())


@pytest.mark.parametrize("metric", ["H", "T1", "AUSUC"])
def test_the_value_is_the_best_of_the_curve_averaged_over_folds(features: FeatureSet, metric: str) -> None:
    value, epoch = partial_trial(curves_of_parts(features), metric).best()
    curves = [curve(features, fold) for fold in (1, 2, 3)]
    means = [np.mean([curve[point][metric] for curve in curves]) for point in range(4)]
    assert value == pytest.approx(max(means))
    assert means[-1] < max(means)
    assert epoch == 1 + means.index(max(means))
    if metric == "H":
        assert epoch == 1 + Honest().choose(curves, curves[0])


def test_repetitions_are_averaged(features: FeatureSet) -> None:
    value, _ = partial_trial(curves_of_parts(features, repetitions=2)).best()
    curves = [curve(features, fold, repetition=repetition) for repetition in (0, 1) for fold in (1, 2, 3)]
    assert value == pytest.approx(max(np.mean([curve[point]["H"] for curve in curves]) for point in range(4)))
    assert value > 0


def test_the_next_part_is_the_first_that_is_not_trained() -> None:
    trial = PartialTrial("H", [(0, 1), (0, 2)])
    assert trial.next_part == (0, 1)
    trial.curves.append([])
    assert trial.next_part == (0, 2)
    trial.curves.append([])
    assert trial.next_part is None


def test_what_a_trial_suggests_is_what_is_trained(features: FeatureSet) -> None:
    other = {"training.learning_rate": 0.2}
    trained = train_part(cell_of(features), other, 0, 2, 0)
    assert trained == curve(features, 2, QUICK.changed(other))
    assert trained != curve(features, 2)


def test_folds_of_other_lengths_are_compared_at_the_same_fraction_of_the_schedule() -> None:
    long = [{"fraction": i / 4, "epoch": float(i), "H": h} for i, h in enumerate([1.0, 2.0, 9.0, 3.0, 4.0])]
    short = [{"fraction": i / 2, "epoch": float(i), "H": h} for i, h in enumerate([1.0, 5.0, 4.0])]
    assert partial_trial([long, short]).best() == (7.0, 2.0)


def test_a_metric_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="H does not exist in validation"):
        partial_trial([[{"fraction": 1.0, "epoch": 1.0, "H": None}]]).best()


def test_tuning_and_cells_have_no_random_stream_in_common(
    features: FeatureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every stream that is opened while a trial and while a cell of the same base seed and repetition are trained."""
    opened: dict[str, set[int]] = {}

    def recording(kind: str) -> Any:
        def opening(*parts: str | int) -> int:
            seed = stream(*parts)
            opened.setdefault(kind, set()).add(seed)
            return seed

        return opening

    phase = validation_phase(features, 1)
    settings = QUICK.changed({"model.semantics": "random"})
    names = ("dazle.training.fit.stream", "dazle.method.model.stream", "dazle.method.semantics.stream")
    for kind, work in (
        ("tuning", lambda: curves_of_parts(features, settings)),
        ("cells", lambda: [training.train(Dazle(), features, phase, settings, (214, "small", seed), CPU)
                           for seed in range(6)]),
    ):  # fmt: skip
        for name in names:
            monkeypatch.setattr(name, recording(kind))
        work()
    assert len(opened["tuning"]) == 3
    assert len(opened["cells"]) == 18
    assert not opened["tuning"] & opened["cells"]


@pytest.mark.parametrize(
    "features", [lambda: small(folds=(ClassFold(np.array([0, 1]), np.array([2])),))], indirect=True
)
def test_an_unknown_fold_is_refused(features: FeatureSet) -> None:
    with pytest.raises(InputError, match="fold 2: small has folds 1 to 1"):
        train_part(cell_of(features), {}, 0, 2, 0)


def test_features_that_changed_during_the_study_are_refused(features: FeatureSet) -> None:
    changed = cell_of(replace(features, fingerprint="1" * 64))
    with pytest.raises(RuntimeError, match="the features of small changed during the study; use a new --out"):
        train_part(changed, {}, 0, 1, 0)


def test_simulated_features_serve() -> None:
    example = cell(overrides={"training.epochs": 1})
    points = train_part(example, {"loss.lambda": 0.2}, 0, 1, 0)
    assert len(points) == 1
    assert 0 <= points[0]["H"] <= 100
