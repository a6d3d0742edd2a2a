"""No image that reaches a trial is a test image, also on the real splits; its value is the honest protocol's."""

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch

from benchmark.cells.datasets import load_features
from benchmark.tuning.objective import Objective, tuning_seed
from benchmark.tuning.space import Space, search_space
from dazle.config import Settings
from dazle.datasets.xlsa17_splits import read_splits
from dazle.errors import InputError
from dazle.features.feature_set import ClassFold, FeatureSet, Regions
from dazle.features.splits import final_phase, validation_phase, without_test
from dazle.streams import stream
from dazle.training.fit import fit
from reports.analysis.protocols import Honest
from tests.benchmark.tuning.studies import dataset
from tests.dazle.features.small_features import TEST_SEEN, TEST_UNSEEN, TRAINVAL, small

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
CPU = torch.device("cpu")
# Under these the small features reach their best H, which is not 0, at the second of four epochs.
QUICK = Settings().changed(
    {"training.epochs": 4, "training.batch_size": 8, "training.learning_rate": 0.05, "loss.test_margin": 0.0}
)
SPACE: Space = search_space(QUICK, {"training.batch_size"})


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


def objective(features: FeatureSet, settings: Settings = QUICK, metric: str = "H", **changes: Any) -> Objective:
    arguments: dict[str, Any] = {"folds": len(features.folds), "seeds": [tuning_seed(214, features.name, 0)]}
    space = search_space(settings, {"training.batch_size"})
    return Objective(features, settings, space, metric, device=CPU, **arguments | changes)


def own_settings(settings: Settings = QUICK) -> optuna.trial.FixedTrial:
    return optuna.trial.FixedTrial({key: settings.flat()[key] for key in SPACE})


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


def test_a_trial_reads_every_trainval_image_and_no_test_image() -> None:
    features = small(regions=Watched(48), grid=(1, 1))
    objective(features)(own_settings())
    assert sorted(features.regions.images_read) == TRAINVAL.tolist()


@pytest.mark.parametrize("folder", ["CUB", "SUN", "AWA2", "CUB127/xlsa17/data/CUB"])
def test_no_index_that_reaches_a_trial_is_a_test_index_of_the_real_splits(folder: str) -> None:
    if not (SHARED / folder).is_dir():
        pytest.skip(f"the real split files are not here: {SHARED / folder}")
    features = real(folder)
    settings = QUICK.changed({"training.epochs": 1, "training.batch_size": 500})
    trial_objective = objective(features, settings)
    trial_objective(own_settings(settings))
    tested = {*features.test_seen.tolist(), *features.test_unseen.tolist()}
    phases = [
        images for phase in trial_objective.phases for images in (phase.train, phase.eval_seen, phase.eval_unseen)
    ]
    images_read = features.regions.images_read
    assert isinstance(features.regions, Watched)
    assert len(images_read) > 0.5 * len(features.trainval)
    assert not images_read & tested
    assert not set(np.concatenate(phases).tolist()) & tested
    assert images_read <= set(features.trainval.tolist())


@pytest.mark.parametrize("metric", ["H", "T1", "AUSUC"])
def test_the_value_is_the_best_of_the_curve_averaged_over_folds(metric: str) -> None:
    features = small()
    trial = own_settings()
    value = objective(features, metric=metric)(trial)
    seed = tuning_seed(214, "small", 0)
    curves = [fit(features, validation_phase(features, k), QUICK, seed, CPU).curve for k in (1, 2, 3)]
    means = [np.mean([curve[epoch][metric] for curve in curves]) for epoch in range(4)]
    assert value == pytest.approx(max(means))
    assert means[-1] < max(means)
    assert trial.user_attrs["epoch"] == 1 + means.index(max(means))
    if metric == "H":
        assert trial.user_attrs["epoch"] == 1 + Honest().choose(curves, curves[0])


def test_repetitions_are_averaged() -> None:
    features = small()
    seeds = [tuning_seed(214, "small", repetition) for repetition in (0, 1)]
    both = objective(features, seeds=seeds)
    curves = [fit(features, validation_phase(features, k), QUICK, seed, CPU).curve for seed in seeds for k in (1, 2, 3)]
    best = max(np.mean([curve[epoch]["H"] for curve in curves]) for epoch in range(4))
    assert both(own_settings()) == pytest.approx(best)
    assert best > 0
    assert both.points() == 2 * 3 * 4


def test_what_a_trial_suggests_is_what_is_trained() -> None:
    other = QUICK.changed({"training.learning_rate": 0.2})
    features = small()
    assert objective(features)(own_settings(other)) == objective(features, other)(own_settings(other))
    assert objective(features)(own_settings(other)) != objective(features)(own_settings())


def test_a_trial_is_pruned_and_says_where() -> None:
    class Always(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return len(trial.intermediate_values) == 5

    study = optuna.create_study(direction="maximize", pruner=Always())
    trial = study.ask()
    with pytest.raises(optuna.TrialPruned, match="pruned on fold 2 after epoch 1"):
        objective(small())(trial)
    assert list(study.trials[0].intermediate_values) == [1, 2, 3, 4, 5]


def test_trials_of_other_batch_sizes_report_at_the_same_points() -> None:
    """A curve with a point every so many steps has more of them with smaller batches."""
    settings = QUICK.changed({"training.evaluate_every": 1})
    space = search_space(settings, set(SPACE))
    study = optuna.create_study(direction="maximize")
    steps = []
    for size in (16, 8):
        study.enqueue_trial({"training.batch_size": size})
        trial = study.ask()
        trial_objective = Objective(small(), settings, space, "H", 3, [tuning_seed(1, "small", 0)], CPU)
        trial_objective(trial)
        steps.append(max(study.trials[-1].intermediate_values))
        assert steps[-1] == trial_objective.points()
    assert steps[0] == steps[1]


def test_tuning_and_cells_have_no_random_stream_in_common(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stream that is opened while a trial and while a cell of the same base seed and repetition are trained."""
    opened: dict[str, set[int]] = {}

    def recording(kind: str) -> Any:
        def opening(*parts: str | int) -> int:
            seed = stream(*parts)
            opened.setdefault(kind, set()).add(seed)
            return seed

        return opening

    features = small()
    phase = validation_phase(features, 1)
    settings = QUICK.changed({"model.semantics": "random"})
    names = ("dazle.training.fit.stream", "dazle.method.model.stream", "dazle.method.semantics.stream")
    for kind, work in (
        ("tuning", lambda: objective(features, settings)(own_settings())),
        ("cells", lambda: [fit(features, phase, settings, (214, "small", seed), CPU) for seed in range(6)]),
    ):
        for name in names:
            monkeypatch.setattr(name, recording(kind))
        work()
    assert len(opened["tuning"]) == 3
    assert len(opened["cells"]) == 18
    assert not opened["tuning"] & opened["cells"]


def test_an_unknown_fold_is_refused() -> None:
    with pytest.raises(InputError, match="fold 2: small has folds 1 to 1"):
        objective(small(folds=(ClassFold(np.array([0, 1]), np.array([2])),)), folds=2)


def test_simulated_features_serve() -> None:
    data = dataset()
    settings = data.settings.changed({"training.epochs": 1})
    trial = own_settings(settings)
    assert 0 <= objective(load_features(data.name, None, 0), settings, folds=1)(trial) <= 100
