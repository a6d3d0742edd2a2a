"""CN-ZSL (Skorokhodov and Elhoseiny, ICLR 2021): class prototypes by a network with class normalisation.

    p_c = relu(V CS(relu(CS(W_2 relu(W_1 z_c))))),    s_c = 25 cos(f, p_c)

z_c: class signatures of length sqrt(A); W_1 (H, A), W_2 (H, H), V (D, H), all with bias, H = 1024. CS standardises each
unit over the classes, (x - mean) / (var + 1e-5): as in the released code it divides by the variance, not by its root.
In training mean and variance are those of the seen classes; in test the running ones (0.9 old + 0.1 new a step).
Initially V ~ U(-b, b), b = sqrt(3 / (H D)); the others as torch's linear layers. Cross-entropy over seen classes, Adam.
Published (U/S/H; the authors' own numbers, oracle protocol, not verified here): CUB 49.9/50.7/50.3, SUN 44.7/41.6/43.1,
AWA2 60.2/77.1/67.6.

Ours differs: theirs multiplies the logits of seen classes by 0.95 in test, ours adds a margin, fixed at 0 or chosen on
validation; features are the mean of this backbone's regions; the epoch is chosen on validation. The paper has no
DeepFashion: six epochs there are as many steps as fifty on AWA2.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from ablations.baselines.closed_form import MarginSettings, seen_positions
from dazle import config
from dazle.config import Frozen, MethodSettings, Range, TrainingSettings
from dazle.streams import stream
from dazle.training.fit import fit, schedule
from dazle.training.judge import Judge
from dazle.training.scorer import Scores
from dazle.training.step import Losses, Step
from dazle.training.task import Reads, Task

SCALE = 25.0
# The learning rate is multiplied by this after half of the steps.
DECAY = 0.1


class CnZslModelSettings(Frozen):
    """The network from class signatures to prototypes."""

    class_normalisation: bool = True
    # `plain`: V as torch's linear layers.
    initialisation: Literal["proper", "plain"] = "proper"
    hidden: PositiveInt = 1024


class CnZslTrainingSettings(TrainingSettings):
    """Adam, whose first beta is `momentum`; a tenth of the learning rate from half of the schedule on."""

    epochs: PositiveInt = 50
    batch_size: Annotated[PositiveInt, Range(32, 512, log=True)] = 256
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False), Range(0.1, 10.0, log=True, relative=True)] = 5e-4


class CnZslSettings(MethodSettings):
    """Switches, margin and training."""

    model: CnZslModelSettings = Field(default_factory=CnZslModelSettings)
    loss: MarginSettings = Field(default_factory=MarginSettings)
    training: CnZslTrainingSettings = Field(default_factory=CnZslTrainingSettings)

    @classmethod
    def preset(cls, dataset: str, simulated: bool = False) -> Self:
        """The paper's settings; `simulated`: the schedule of the simulated set of that name."""
        settings = cls().changed(PRESETS.get(dataset, {}))
        return settings.changed(SIMULATED_SCHEDULES.get(dataset, {})) if simulated else settings


PRESETS: dict[str, dict[str, Any]] = {"deepfashion": {"training.epochs": 6, "training.evaluate_every": 200}}
# DAZLE's batch size and epochs there, without its balanced batches, and a small network, so that a training costs about
# as much as DAZLE's. Of 0.0005 to 0.005 the learning rate with the highest validation H (fold 1) on the generator seeds
# 101 to 103, never reported.
_CHANGES = {"training.learning_rate": 0.003, "model.hidden": 128}
SIMULATED_SCHEDULES = {name: schedule | _CHANGES for name, schedule in config.SIMULATED_SCHEDULES.items()}


class ClassStandardisation(nn.Module):
    """CS: each unit standardised over the classes; `fixed` does it by the running statistics of training."""

    mean: Tensor
    variance: Tensor

    def __init__(self, units: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(units))
        self.register_buffer("variance", torch.ones(units))

    def forward(self, values: Tensor, fixed: bool) -> Tensor:
        """`values`: (classes, units). Not `fixed`: by the statistics of `values`, which move the running ones."""
        if fixed:
            return (values - self.mean) / (self.variance + 1e-5)
        mean, variance = values.mean(dim=0), values.var(dim=0)
        # In place: in a CUDA graph the memory must stay the same.
        self.mean.lerp_(mean.detach(), 0.1)
        self.variance.lerp_(variance.detach(), 0.1)
        return (values - mean) / (variance + 1e-5)


class NoStandardisation(nn.Module):
    """In the place of CS where class normalisation is off."""

    def forward(self, values: Tensor, fixed: bool) -> Tensor:
        """`values`, as they are."""
        return values


class Prototypes(nn.Module):
    """p_c (D,) of class signatures, and the cosines of images to them.

    The mode of the module has no effect: `forward` is training, on seen classes; `scores` is test, on all classes.
    """

    signatures: Tensor

    def __init__(self, settings: CnZslModelSettings, task: Task) -> None:
        super().__init__()
        attributes, dimension, hidden = task.attributes.shape[1], task.images.shape[1], settings.hidden
        self.register_buffer("signatures", attributes**0.5 * functional.normalize(task.attributes, dim=1))
        self.seen = torch.from_numpy(task.seen).nonzero()[:, 0].to(task.device)
        generator = torch.Generator().manual_seed(stream(*task.seed, "prototypes"))
        self.W_1, self.W_2 = linear(attributes, hidden, generator), linear(hidden, hidden, generator)
        self.V = linear(hidden, dimension, generator)
        if settings.initialisation == "proper":
            bound = (3 / (hidden * dimension)) ** 0.5
            nn.init.uniform_(self.V.weight, -bound, bound, generator)
        self.CS_1, self.CS_2 = (
            ClassStandardisation(hidden) if settings.class_normalisation else NoStandardisation() for _ in range(2)
        )

    def prototypes(self, signatures: Tensor, fixed: bool) -> Tensor:
        """p (classes, D); `fixed`: by the running statistics."""
        values = self.CS_1(self.W_2(self.W_1(signatures).relu()), fixed)
        return self.V(self.CS_2(values.relu(), fixed)).relu()

    def forward(self, images: Tensor) -> Tensor:
        """25 cos(f, p_c) of the seen classes, (b, S); `images`: pooled features (b, D)."""
        return cosines(images, self.prototypes(self.signatures[self.seen], fixed=False))

    def scores(self, images: Tensor) -> Tensor:
        """25 cos(f, p_c) of all classes, (b, C), by the running statistics."""
        return cosines(images, self.prototypes(self.signatures, fixed=True))


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer, initialised as torch does it, from the generator."""
    layer, bound = nn.Linear(inputs, outputs), inputs**-0.5
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator)
    return layer


def cosines(images: Tensor, prototypes: Tensor) -> Tensor:
    """25 cos(f, p_c) of pooled features (b, D) and prototypes (classes, D)."""
    return SCALE * functional.normalize(images.to(prototypes.dtype), dim=1) @ functional.normalize(prototypes, dim=1).T


class PrototypeScorer:
    """Scores by a model as it is at that moment."""

    normalise = True

    def __init__(self, model: Prototypes) -> None:
        self.model = model
        self.parameters = sum(parameter.numel() for parameter in model.parameters())

    def __call__(self, images: Tensor, peaks: bool = False) -> Scores:
        """`images`: pooled features (b, D)."""
        return Scores(self.model.scores(images))


class CnZsl:
    """Implements `dazle.training.method.Method`."""

    name = "cn-zsl"
    reads: Reads = "pooled"
    deterministic = False
    revision = 1
    Settings = CnZslSettings

    def fit(self, task: Task, settings: CnZslSettings, judge: Judge) -> None:
        """Trains for the epochs of the settings."""
        step = self.step(task, settings)
        steps = schedule(settings.training, len(task.labels)).steps
        model = step.model
        assert isinstance(model, Prototypes)
        fit(task, settings.training, Decayed(step, steps // 2), PrototypeScorer(model), model.state_dict, judge)

    def scorer(self, state: Mapping[str, Tensor], task: Task, settings: CnZslSettings) -> PrototypeScorer:
        """The model with this state. Raises RuntimeError if the state is of another model."""
        model = Prototypes(settings.model, task)
        model.load_state_dict(dict(state))
        return PrototypeScorer(model.to(task.device))

    def step(self, task: Task, settings: CnZslSettings) -> Step:
        """One step of training on a model of its own, at the first learning rate."""
        model, training = Prototypes(settings.model, task).to(task.device), settings.training
        positions = seen_positions(task)
        optimiser = torch.optim.Adam(
            model.parameters(),
            # A tensor, so that it can change in a CUDA graph.
            lr=torch.tensor(training.learning_rate, device=task.device),
            betas=(training.momentum, 0.999),
            weight_decay=training.weight_decay,
            capturable=task.device.type == "cuda",
        )

        def loss(logits: Tensor, labels: Tensor) -> Losses:
            return {"total": functional.cross_entropy(logits, positions[labels])}

        return Step(model, loss, optimiser, task.device)


class Decayed:
    """A step whose learning rate is multiplied by `DECAY` after `first` steps."""

    def __init__(self, step: Step, first: int) -> None:
        self.step, self.first, self.done = step, first, 0

    def __call__(self, images: Tensor, labels: Tensor) -> Losses:
        """`images`: pooled features (b, D); `labels`: (b,) positions in the label space."""
        if self.done == self.first:
            for group in self.step.optimiser.param_groups:
                group["lr"].mul_(DECAY)
        self.done += 1
        return self.step(images, labels)
