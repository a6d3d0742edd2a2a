"""A task gives out train images and nothing else."""

import numpy as np
import pytest
import torch

from dazle.config import Settings
from dazle.features.splits import final_phase
from dazle.training.dazle import Dazle
from dazle.training.judge import Judge
from dazle.training.step import Step
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


def test_a_method_that_looks_for_the_evaluation_in_its_judge_finds_no_attribute() -> None:
    features = small()
    found: list[set[str]] = []

    class Curious(Dazle):
        def fit(self, task: Task, settings: Settings, judge: Judge) -> None:
            super().fit(task, settings, judge)
            found.append({name for name in dir(judge) if not name.startswith("__")} | vars(judge).keys())
            assert not hasattr(judge, "curves") and not hasattr(judge, "__self__")

    evaluations = train(Curious(), features, final_phase(features), SETTINGS, (1, "small", 0), CPU)
    assert found == [set()] and len(evaluations.curves[0]) == 2


def test_a_task_has_the_train_images_in_order() -> None:
    features = small()
    phase = final_phase(features)
    task = task_of(features, phase, (1,), CPU)
    (_, regions), *_ = task.reader().batches([np.arange(len(task.labels))])
    assert np.array_equal(regions.numpy(), features.regions.read(phase.train).astype(np.float32))
    assert np.array_equal(phase.classes[task.labels], features.labels[phase.train])
    assert task.images_trained == len(phase.train)


@pytest.mark.parametrize("wrong", [torch.tensor(1.0), {"class": torch.tensor(1.0)}])
def test_a_loss_without_a_total_is_refused_in_plain_words(wrong: object) -> None:
    model = torch.nn.Linear(2, 2)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    step = Step(model, lambda output, labels: wrong, optimiser, CPU)  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError, match="scalars by name, with `total`"):
        step(torch.ones(1, 2), torch.zeros(1, dtype=torch.long))
