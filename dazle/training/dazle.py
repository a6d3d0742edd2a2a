"""DAZLE as a method: its model, its loss and torch's RMSprop, trained by the common loop (Huynh & Elhamifar 2020)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from dazle.config import Settings as DazleSettings
from dazle.training.scorer import Scorer, Scores

if TYPE_CHECKING:
    from torch import Tensor

    from dazle.method.model import Model
    from dazle.training.judge import Judge
    from dazle.training.step import Step
    from dazle.training.task import Task


class Dazle:
    """Implements `dazle.training.method.Method`."""

    name = "dazle"
    reads: Literal["regions", "pooled"] = "regions"
    deterministic = False
    revision = 1
    Settings = DazleSettings

    def fit(self, task: "Task", settings: DazleSettings, judge: "Judge") -> None:
        """Trains for the epochs of the settings, with a point of the curve at each point of the schedule."""
        from dazle.training.fit import fit

        model = build(task, settings).to(task.device)
        step = training_step(model, task, settings)
        fit(task, settings.training, step, ModelScorer(model, settings), model.state_dict, judge)

    def scorer(self, state: "Mapping[str, Tensor]", task: "Task", settings: DazleSettings) -> Scorer:
        """The model with this state. Raises RuntimeError if the state is of another model."""
        model = build(task, settings)
        model.load_state_dict(dict(state))
        return ModelScorer(model.to(task.device), settings)

    def step(self, task: "Task", settings: DazleSettings) -> "Step":
        """One step of training on a model of its own, for measurements."""
        return training_step(build(task, settings).to(task.device), task, settings)


class ModelScorer:
    """Scores by a model as it is at that moment."""

    def __init__(self, model: "Model", settings: DazleSettings) -> None:
        self.model, self.normalise = model, settings.model.normalise_regions
        self.parameters = sum(parameter.numel() for parameter in model.parameters())

    def __call__(self, images: "Tensor", peaks: bool = False) -> Scores:
        output = self.model(images)
        return Scores(output.scores, output.peaks() if peaks else None)


def build(task: "Task", settings: DazleSettings) -> "Model":
    """The untrained model for the label space of the task."""
    from dazle.method.model import Model
    from dazle.method.semantics import initial_semantics

    attributes = task.attributes
    semantics = initial_semantics(task.semantics, attributes.shape[1], settings.model.semantics, *task.seed)
    return Model(settings.model, semantics, attributes, task.images.shape[2], *task.seed)


def training_step(model: "Model", task: "Task", settings: DazleSettings) -> "Step":
    """DAZLE's step on `model`, which lies on the device of the task."""
    from functools import partial

    import torch

    from dazle.method.losses import log_prior, loss
    from dazle.training.step import Step

    seen = torch.from_numpy(task.seen).to(task.device)
    training = settings.training
    optimiser = torch.optim.RMSprop(
        model.parameters(),
        lr=training.learning_rate,
        weight_decay=training.weight_decay,
        momentum=training.momentum,
        capturable=task.device.type == "cuda",
    )
    score_loss = partial(loss, seen=seen, settings=settings.loss)
    if settings.loss.class_loss == "prior":
        labels = torch.from_numpy(task.labels).to(task.device)
        prior = log_prior(labels, seen, settings.loss.prior_ratio, training.balanced_batches)
        score_loss = partial(score_loss, log_prior=prior)
    return Step(model, lambda output, labels: score_loss(output.scores, labels), optimiser, task.device)
