"""The workloads that are timed, on random inputs of real shapes: a training step, inference, and matrix products.

The rule: the step is `dazle.training.step.Step` itself and inference the model's own forward pass, so a table can never
be faster than what a suite runs.
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ablations.methods import load_method
from benchmark.throughput.shapes import Shape
from benchmark.throughput.timing import Clock, Workload
from dazle.config import MethodSettings
from dazle.training.cuda_graph import WARM_UP
from dazle.training.scorer import Scorer
from dazle.training.task import made_up_task

# Square products from one that fits any cache to one that fills any GPU.
PRODUCT_SIZES = (512, 1024, 2048, 4096, 8192)
LONG_PRODUCT_SECONDS = 0.1


class ModelWorkloads:
    """The model of one variant with its workloads; the inputs are the same for all variants of a shape."""

    def __init__(self, shape: Shape, settings: MethodSettings, device: str, method: str = "dazle") -> None:
        self.settings: Any = settings
        self.maps = shape.maps
        self.task = made_up_task(
            (shape.regions, shape.channels), shape.attributes, (shape.seen, shape.classes - shape.seen), shape.batch,
            dimension=shape.dimension, semantics=settings.flat().get("model.semantics", "word2vec"), device=device,
            precision=settings.precision,
        )  # fmt: skip
        (_, self.regions), *_ = self.task.reader().batches([np.arange(shape.batch)])
        self.labels = torch.from_numpy(self.task.labels).to(device)
        self.seen = torch.from_numpy(self.task.seen).to(device)
        self._method = load_method(method)
        self._training_step = self._method.step(self.task, settings)
        self.model: Any = self._training_step.model

    @cached_property
    def _scorer(self) -> Scorer:
        return self._method.scorer(self.model.state_dict(), self.task, self.settings)

    def step(self) -> None:
        """One step of training."""
        self._training_step(self.regions, self.labels)

    def ungraphed_step(self) -> None:
        """The same step, launched kernel by kernel on a GPU too."""
        self._training_step.eager(self.regions, self.labels)

    def compile(self) -> None:
        """Compiles the model and its loss, at the next call of the step; the optimiser is not."""
        step = self._training_step
        step.model = torch.compile(step.model)  # type: ignore[assignment]
        step.loss = torch.compile(step.loss)

    @torch.inference_mode()
    def inference(self) -> Tensor:
        """Class scores (B, C) of one batch."""
        return self._scorer(self.regions).values

    @cached_property
    def _factors(self) -> tuple[Tensor, Tensor, Tensor]:
        rows = self.regions.flatten(0, 1)
        return rows, rows.new_ones(self.maps, rows.shape[1]), rows.new_ones(rows.shape[0], self.maps)

    def products(self) -> None:
        """The two products that no step of the full model avoids: regions by weights, and the weights' gradient."""
        rows, weights, gradient = self._factors
        torch.mm(rows, weights.T)
        torch.mm(gradient.T, rows)


def warm_up_calls(device: str) -> int:
    """The number of calls before all later ones are alike: on a GPU the step becomes a graph after a few."""
    return WARM_UP + 1 if device == "cuda" else 0


@dataclass(frozen=True)
class PeakProduct:
    """The square matrix product with the highest rate on a device; `flops` operations a call."""

    size: int
    flops: int
    workload: Workload


def peak_product(device: str, dtype: torch.dtype, clock: Clock) -> PeakProduct:
    """Tries sizes until one takes long, three calls each; the best rate counts."""
    best, best_rate = None, 0.0
    for size in PRODUCT_SIZES:
        product = PeakProduct(size, 2 * size**3, _square_product(size, device, dtype))
        clock(product.workload, 1)
        seconds = min(clock(product.workload, 1) for _ in range(3))
        if best is None or product.flops / seconds > best_rate:
            best, best_rate = product, product.flops / seconds
        if seconds > LONG_PRODUCT_SECONDS:
            break
    assert best is not None
    return best


def _square_product(size: int, device: str, dtype: torch.dtype) -> Workload:
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    out = torch.empty(size, size, device=device, dtype=dtype)
    return lambda: torch.mm(left, right, out=out)


def peak_memory(
    shape: Shape, settings: MethodSettings, device: str, threads: int, name: str, method: str = "dazle"
) -> int:
    """Bytes at the peak of a workload (`step` or `inference`) that runs twice, in a process that does nothing else.

    On a CPU the resident memory of the process, on a GPU the memory that was allocated there.
    """
    from benchmark import machine

    torch.set_num_threads(threads)
    if device == "cuda":
        # The process measures several workloads: what is left of the one before does not count.
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    workload: Callable[[], object] = getattr(ModelWorkloads(shape, settings, device, method), name)
    for _ in range(warm_up_calls(device) + 2):
        workload()
    return torch.cuda.max_memory_allocated() if device == "cuda" else machine.peak_memory()
