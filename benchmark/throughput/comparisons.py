"""Comparisons of two forms of the full model's training step, timed in turns.

To add one, add an entry to `COMPARISONS`. Both of its workloads must train on the same inputs; `gain` is the number of
images that a call of the second trains on, divided by that of the first.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmark.throughput.shapes import Shape
from benchmark.throughput.timing import Workload
from benchmark.throughput.workloads import ModelWorkloads
from dazle.config import Settings
from dazle.method import reference

Pair = tuple[Workload, Workload]


@dataclass(frozen=True)
class Comparison:
    """`about`: the ratio of speeds, second over first; `precisions` and `devices`: those in which it makes sense."""

    about: str
    make: Callable[[Shape, Settings, str], Pair]
    precisions: tuple[str, ...] = ("float32", "tf32", "bf16")
    devices: tuple[str, ...] = ("cpu", "cuda")
    gain: int = 1


class ReferenceStep:
    """The training step in the paper's notation (`dazle/method/reference.py`) with the RMSprop of torch."""

    def __init__(self, workloads: ModelWorkloads) -> None:
        self.workloads = workloads
        training = workloads.settings.training
        self.optimiser = torch.optim.RMSprop(
            workloads.model.parameters(),
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
            momentum=training.momentum,
            foreach=True,
        )

    def __call__(self) -> None:
        model, settings = self.workloads.model, self.workloads.settings
        parameters = {"V": model.V} | dict(model.named_parameters())
        scores = reference.scores(parameters, model.class_attributes, self.workloads.regions, settings.model)
        self.optimiser.zero_grad(set_to_none=True)
        loss = reference.loss(scores, self.workloads.labels, self.workloads.seen, settings.loss)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()


def _reference(shape: Shape, settings: Settings, device: str) -> Pair:
    return ReferenceStep(ModelWorkloads(shape, settings, device)), ModelWorkloads(shape, settings, device).step


def _bf16(shape: Shape, settings: Settings, device: str) -> Pair:
    bf16 = settings.changed({"training.precision": "bf16"})
    return ModelWorkloads(shape, settings, device).step, ModelWorkloads(shape, bf16, device).step


def _compile(shape: Shape, settings: Settings, device: str) -> Pair:
    # torch compiles one function only a few times; after that it runs it uncompiled, without a warning.
    torch.compiler.reset()
    compiled = ModelWorkloads(shape, settings, device)
    compiled.compile()
    return ModelWorkloads(shape, settings, device).step, compiled.step


def _graph(shape: Shape, settings: Settings, device: str) -> Pair:
    return ModelWorkloads(shape, settings, device).ungraphed_step, ModelWorkloads(shape, settings, device).step


COMPARISONS = {
    "reference": Comparison("fast form over dazle/method/reference.py", _reference, precisions=("float32", "tf32")),
    "bf16": Comparison("bf16 over float32", _bf16, precisions=("float32",)),
    "compile": Comparison("torch.compile over eager", _compile),
    "graph": Comparison("one CUDA graph over single launches", _graph, devices=("cuda",)),
}
