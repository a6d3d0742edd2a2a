"""A task gives out train images and nothing else."""

import numpy as np
import pytest
import torch

from dazle.config import Settings
from dazle.features.splits import final_phase
from dazle.training.dazle import Dazle
from dazle.training.judge import Judge
from dazle.training.task import Task, task_of
from dazle.training.train import train
from tests.dazle.features.small_features import small

CPU = torch.device("cpu")
SETTINGS = Settings().changed({"training.epochs": 2, "training.batch_size": 8})


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
