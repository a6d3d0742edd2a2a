"""What is timed, on made-up inputs of real shapes: a training step, inference, the reference's step, matrix products.

The rule: the step is `dazle.training.step.Step` itself and inference the model's own forward pass, so a table can never
be faster than what a suite runs.
"""

import copy
import gc
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmark.throughput.shapes import Shape
from benchmark.throughput.timing import Clock, Work
from dazle.config import Settings
from dazle.method import reference
from dazle.method.model import Model
from dazle.training.cuda_graph import WARM_UP
from dazle.training.fit import DTYPES
from dazle.training.step import Step

# Square products from one that fits any cache to one that fills any GPU.
PRODUCT_SIZES = (512, 1024, 2048, 4096, 8192)
LONG_ENOUGH_SECONDS = 0.1


class Workbench:
    """The model of one variant and what can be done with it; the inputs are the same for all variants of a shape."""

    def __init__(self, shape: Shape, settings: Settings, device: str, models: int = 1) -> None:
        """`models`: how many the step trains side by side, each on a batch of its own."""
        draw = torch.Generator().manual_seed(0)
        regions = torch.rand(shape.batch, shape.regions, shape.channels, generator=draw)
        self.regions = functional.normalize(regions, dim=2).to(device, DTYPES[settings.training.precision])
        self.labels = (torch.arange(shape.batch) % shape.seen).to(device)
        self.seen = (torch.arange(shape.classes) < shape.seen).to(device)
        attributes = functional.normalize(torch.rand(shape.classes, shape.attributes, generator=draw), dim=1)
        one_hot = settings.model.semantics == "one-hot"
        vectors = (
            torch.eye(shape.attributes) if one_hot else torch.randn(shape.attributes, shape.dimension, generator=draw)
        )
        self.settings, self.maps, self.models = settings, shape.maps, models
        self.model = Model(settings.model, functional.normalize(vectors, dim=1), attributes, shape.channels, "bench")
        self.model.to(device)

    @cached_property
    def _step(self) -> Step:
        others = [copy.deepcopy(self.model) for _ in range(self.models - 1)]
        return Step([self.model, *others], self.seen, self.settings)

    @cached_property
    def _batches(self) -> tuple[Tensor, Tensor]:
        if self.models == 1:
            return self.regions[None], self.labels[None]
        return torch.stack([self.regions] * self.models), torch.stack([self.labels] * self.models)

    def step(self) -> None:
        """One step of training."""
        self._step(*self._batches)

    def ungraphed_step(self) -> None:
        """The same, launched kernel by kernel on a GPU too."""
        self._step.eager(*self._batches)

    def compile(self) -> None:
        """From here on the step's way from regions to scores is compiled; the optimiser and the loss are not."""
        self._step.scores = torch.compile(self._step.scores)  # type: ignore[method-assign]

    @torch.inference_mode()
    def inference(self) -> Tensor:
        """Class scores of one batch."""
        return self.model(self.regions).scores

    @cached_property
    def _products(self) -> tuple[Tensor, Tensor, Tensor]:
        rows = self.regions.flatten(0, 1)
        return rows, rows.new_ones(self.maps, rows.shape[1]), rows.new_ones(rows.shape[0], self.maps)

    def products(self) -> None:
        """The two products that no step of the full model avoids: regions by weights, and the weights' gradient."""
        rows, weights, gradient = self._products
        torch.mm(rows, weights.T)
        torch.mm(gradient.T, rows)


class ReferenceStep:
    """The step in the paper's notation, on a model of its own, with torch's own optimiser."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        chosen = bench.settings.training
        self.optimiser = torch.optim.RMSprop(
            bench.model.parameters(),
            lr=chosen.learning_rate,
            weight_decay=chosen.weight_decay,
            momentum=chosen.momentum,
            foreach=True,
        )

    def __call__(self) -> None:
        bench, settings = self.bench, self.bench.settings
        parameters = {"V": bench.model.V} | dict(bench.model.named_parameters())
        scores = reference.scores(parameters, bench.model.class_attributes, bench.regions, settings.model)
        self.optimiser.zero_grad(set_to_none=True)
        reference.loss(scores, bench.labels, bench.seen, settings.loss).backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()


def warm_up_calls(device: str) -> int:
    """How many calls there are before a step is what it will be: on a GPU it is captured as a graph on the way."""
    return WARM_UP + 1 if device == "cuda" else 0


def compiled_step(bench: Workbench) -> Work:
    """The same step with the model compiled; the first call compiles, and fails where there is no compiler."""
    bench.compile()
    return bench.step


@dataclass(frozen=True)
class Operations:
    """What one call does: floating-point operations of its matrix products, and every operation with its shapes."""

    flops: int
    trace: tuple[Any, ...]


def operations(work: Work) -> Operations:
    """Of two pieces of work with equal traces one need not be measured: they differ in the values of numbers alone."""
    with FlopCounterMode(display=False) as counter, _Trace() as seen:
        work()
    return Operations(counter.get_total_flops(), tuple(seen.trace))


class _Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.trace: list[Any] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.trace.append((str(func), *map(_kind, tree_leaves((args, kwargs or {})))))
        return func(*args, **kwargs or {})


def _kind(argument: Any) -> Any:
    """Shape and type of a tensor, the type of a float, any other argument itself: an axis or a size is an int."""
    if isinstance(argument, Tensor):
        return tuple(argument.shape), str(argument.dtype)
    return "float" if isinstance(argument, float) else str(argument)


@dataclass(frozen=True)
class PeakProduct:
    """The square matrix product of the highest rate found on this device, `flops` operations a call."""

    size: int
    flops: int
    work: Work


def peak_product(device: str, dtype: torch.dtype, clock: Clock) -> PeakProduct:
    """Tries sizes until one takes long, and keeps the best rate of three calls."""
    best, best_rate = None, 0.0
    for size in PRODUCT_SIZES:
        product = PeakProduct(size, 2 * size**3, _product(size, device, dtype))
        clock(product.work, 1)
        seconds = min(clock(product.work, 1) for _ in range(3))
        if best is None or product.flops / seconds > best_rate:
            best, best_rate = product, product.flops / seconds
        if seconds > LONG_ENOUGH_SECONDS:
            break
    assert best is not None
    return best


def _product(size: int, device: str, dtype: torch.dtype) -> Work:
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    out = torch.empty(size, size, device=device, dtype=dtype)
    return lambda: torch.mm(left, right, out=out)


def peak_memory(shape: Shape, settings: Settings, device: str, threads: int, what: str) -> int:
    """Bytes at the peak of `what` (`step` or `inference`), done twice; for a process that does nothing else.

    On a CPU the resident memory of the process, on a GPU what was allocated there.
    """
    from benchmark import machine as environment

    torch.set_num_threads(threads)
    if device == "cuda":
        # The process is used again: what is left of the work before does not count.
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    work: Callable[[], object] = getattr(Workbench(shape, settings, device), what)
    for _ in range(warm_up_calls(device) + 2):
        work()
    return torch.cuda.max_memory_allocated() if device == "cuda" else environment.peak_memory()
