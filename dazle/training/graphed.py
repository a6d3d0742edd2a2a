"""A training step as one CUDA graph: a step of many small kernels is launched at once, and not bound by launching.

The rule: arguments are copied to the place that the graph reads, and what it returns is copied from there, so the
caller sees a function like any other. Only shapes that were captured are replayed.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]
Work = Callable[..., Tensors]
# The first calls run as they are: libraries choose their kernels and take their memory then.
WARM_UP = 3


def cuda_capture(work: Callable[[], Tensors]) -> tuple[Callable[[], Any], Tensors]:
    """What replays `work`, which is recorded and not run, and where its results will lie. RuntimeError: it cannot."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = work()
    return graph.replay, results


class Graphed:
    """`work` on tensors of one shape, as a graph after the first calls; eager where it cannot be captured."""

    def __init__(self, work: Work, capture: Callable[..., tuple[Callable[[], Any], Tensors]] = cuda_capture) -> None:
        self.work, self.capture, self.calls = work, capture, 0
        self.arguments: Tensors = ()
        self.results: Tensors = ()
        self.replay: Callable[[], Any] | None = None

    def __call__(self, *arguments: Tensor) -> Tensors:
        """The results of `work`, in memory of their own."""
        self.calls += 1
        if self.calls == WARM_UP + 1:
            self._record(arguments)
        if self.replay is None or [each.shape for each in arguments] != [each.shape for each in self.arguments]:
            return self.work(*arguments)
        for place, value in zip(self.arguments, arguments, strict=True):
            place.copy_(value)
        self.replay()
        return tuple(result.clone() for result in self.results)

    def _record(self, arguments: Tensors) -> None:
        self.arguments = tuple(each.clone() for each in arguments)
        try:
            self.replay, self.results = self.capture(lambda: self.work(*self.arguments))
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            warnings.warn(f"steps are launched kernel by kernel: no CUDA graph of them ({reason})", stacklevel=3)
