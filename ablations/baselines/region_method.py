"""What trained methods on regions share: settings with DAZLE's schedule, the calibrated loss, the scorer, the training.

A method gives a model and a loss; its model's output has `scores` (B, C) without margin and `peaks()`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from dazle.config import Frozen, LossSettings, Margin, MethodSettings, Range, Settings, TrainingSettings, Weight
from dazle.method.losses import loss
from dazle.method.semantics import initial_semantics
from dazle.streams import stream
from dazle.training.fit import fit
from dazle.training.judge import Judge
from dazle.training.scorer import Scores
from dazle.training.step import Losses, Step
from dazle.training.task import Reads, Task


class CalibratedLossSettings(Frozen):
    """DAZLE's loss: cross-entropy over all classes without margin, plus lambda times self-calibration with it."""

    lambda_: Annotated[Weight, Range(1e-3, 1.0, log=True)] = Field(0.1, alias="lambda")
    train_margin: Annotated[Margin, Range(0.0, 2.0, needs="loss.lambda")] = 1.0
    test_margin: Annotated[Margin | Literal["validated"], Range(0.0, 2.0)] = 1.0


class RegionSettings(MethodSettings):
    """A method's presets are DAZLE's training on the dataset, then the changes of `presets` and `simulated_presets`."""

    training: TrainingSettings = TrainingSettings()

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    simulated_presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @classmethod
    def preset(cls, dataset: str, simulated: bool = False) -> Self:
        """Batches and epochs are DAZLE's, so that the rows of a seed are trained on the same batches."""
        dazle = Settings.preset(dataset, simulated).flat()
        training = {key: value for key, value in dazle.items() if key.startswith("training.")}
        settings = cls().changed({**training, **cls.presets.get(dataset, {})})
        return settings.changed(cls.simulated_presets.get(dataset, {})) if simulated else settings


class RegionScorer:
    """Scores by a model as it is at that moment, with dropout off."""

    normalise = True

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.parameters = sum(parameter.numel() for parameter in model.parameters())

    def __call__(self, images: Tensor, peaks: bool = False) -> Scores:
        """`images`: regions (b, R, D)."""
        training = self.model.training
        output = self.model.eval()(images)
        self.model.train(training)
        return Scores(output.scores, output.peaks() if peaks else None)


class RegionMethod(ABC):
    """Implements `dazle.training.method.Method`, but for `name`, `Settings` and the two functions below."""

    reads: Reads = "regions"
    deterministic = False
    revision = 1

    @abstractmethod
    def model(self, task: Task, settings: Any) -> nn.Module:
        """The untrained model for the label space of the task."""

    @abstractmethod
    def loss(self, task: Task, settings: Any) -> Callable[[Any, Tensor], Losses]:
        """From the model's output and labels (B,) to scalars by name."""

    def optimiser(self, model: nn.Module, task: Task, training: TrainingSettings) -> torch.optim.Optimizer:
        """DAZLE's optimiser."""
        return torch.optim.RMSprop(
            model.parameters(),
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
            momentum=training.momentum,
            capturable=task.device.type == "cuda",
        )

    def fit(self, task: Task, settings: Any, judge: Judge) -> None:
        """Trains for the epochs of the settings, with a point of the curve at each point of the schedule."""
        step = self.step(task, settings)
        fit(task, settings.training, step, RegionScorer(step.model), step.model.state_dict, judge)

    def scorer(self, state: Mapping[str, Tensor], task: Task, settings: Any) -> RegionScorer:
        """The model with this state. Raises RuntimeError if the state is of another model."""
        model = self.model(task, settings)
        model.load_state_dict(dict(state))
        return RegionScorer(model.to(task.device))

    def step(self, task: Task, settings: Any) -> Step:
        """One step of training on a model of its own."""
        model = self.model(task, settings).to(task.device)
        optimiser = self.optimiser(model, task, settings.training)
        return Step(model, self.loss(task, settings), optimiser, task.device)


def word_vectors(task: Task) -> Tensor:
    """The initial v_a (A, d): the word vectors of the feature file, L2-normalised."""
    return initial_semantics(task.semantics, task.attributes.shape[1], "word2vec", *task.seed)


def normal_weights(task: Task, *shape: int) -> Tensor:
    """Drawn from N(0, 1), from the stream of DAZLE's W_e: weights of the same shape are equal."""
    generator = torch.Generator().manual_seed(stream(*task.seed, "W_e"))
    return torch.randn(shape, generator=generator)


def calibrated_loss(task: Task, settings: CalibratedLossSettings) -> Callable[[Tensor, Tensor], dict[str, Tensor]]:
    """DAZLE's loss of scores (B, C) without margin and labels (B,)."""
    seen = torch.from_numpy(task.seen).to(task.device)
    shared = LossSettings(lambda_=settings.lambda_, train_margin=settings.train_margin)
    return lambda scores, labels: loss(scores, labels, seen, shared)


@contextmanager
def seeded(task: Task, purpose: str) -> Iterator[None]:
    """Torch's own random numbers come from the stream of this purpose, and are afterwards what they were before."""
    with torch.random.fork_rng(devices=[task.device] if task.device.type == "cuda" else []):
        torch.manual_seed(stream(*task.seed, purpose))
        yield
