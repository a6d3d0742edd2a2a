"""A task gives out train images and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dazle.config import Settings
from dazle.features.feature_set import FeatureSet, Regions
from dazle.features.splits import Phase, final_phase, validation_phase
from dazle.training.dazle import Dazle
from dazle.training.judge import Judge
from dazle.training.task import Task, task_of
from dazle.training.train import train
from tests.dazle.features.small_features import small

CPU = torch.device("cpu")
SETTINGS = Settings().changed({"training.epochs": 2, "training.batch_size": 8})


def with_noise(features: FeatureSet, phase: Phase) -> FeatureSet:
    """Every image that the phase does not train on replaced by noise, and the labels of the evaluation images permuted."""
    draw = np.random.default_rng(1)
    count = len(features.labels)
    others = np.setdiff1d(np.arange(count), phase.train)
    values, norms = features.regions.read(np.arange(count)).copy(), features.regions.read_norms(np.arange(count)).copy()
    values[others] = draw.random(values[others].shape)
    norms[others] = draw.random(norms[others].shape)
    labels = features.labels.copy()
    evaluated = np.concatenate([phase.eval_seen, phase.eval_unseen])
    labels[evaluated] = draw.permutation(labels[evaluated])
    return replace(features, regions=Regions(values, norms), labels=labels)


@pytest.mark.parametrize("phase_of", [final_phase, lambda features: validation_phase(features, 1)])
def test_evaluation_images_and_labels_do_not_reach_the_fitted_state(phase_of) -> None:  # type: ignore[no-untyped-def]
    features = small()
    phase = phase_of(features)
    states = []
    for data in (features, with_noise(features, phase)):
        judge = train(Dazle(), data, phase, SETTINGS, (1, "small", 0), CPU, states_at=[None])
        states.append(judge.states[0])
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_method_that_asks_for_other_images_gets_an_error() -> None:
    features = small()
    phase = final_phase(features)

    class Curious(Dazle):
        def fit(self, task: Task, settings: Settings, judge: Judge) -> None:
            list(task.reader().batches([np.arange(len(task.labels), len(features.labels))]))

    with pytest.raises(IndexError):
        train(Curious(), features, phase, SETTINGS, (1, "small", 0), CPU)
    images = task_of(features, phase, (1,), CPU).images
    buffer = np.empty((1, *images.shape[1:]), np.float16)
    for position in (-1, len(phase.train)):
        with pytest.raises(IndexError, match=f"there are {len(phase.train)} train images"):
            images.read_into(np.array([position]), buffer)


def test_a_task_has_the_train_images_in_order() -> None:
    features = small()
    phase = final_phase(features)
    task = task_of(features, phase, (1,), CPU)
    (_, regions), *_ = task.reader().batches([np.arange(len(task.labels))])
    assert np.array_equal(regions.numpy(), features.regions.read(phase.train).astype(np.float32))
    assert np.array_equal(phase.classes[task.labels], features.labels[phase.train])
    assert task.images_trained == len(phase.train)
