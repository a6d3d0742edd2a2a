"""CUDA graphs of a training step: all its small kernels are launched at once.

The rule: arguments are copied to the memory that the graph reads, and results are copied from the memory that it
writes, so a caller sees an ordinary function. Only the captured shapes are replayed.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]
Work = Callable[..., Tensors]
# The first calls run without a graph: libraries choose their kernels and allocate their memory in them.
WARM_UP = 3


def cuda_capture(work: Callable[[], Tensors]) -> tuple[Callable[[], Any], Tensors]:
    """Records `work` without running it: a function that replays it, and the memory of its results.

    Raises RuntimeError if `work` cannot be captured.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = work()
    return graph.replay, results


class GraphedFunction:
    """`work` on tensors of fixed shapes, replayed as a CUDA graph after the first calls; eager if capturing fails."""

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
        if self.replay is None or [tensor.shape for tensor in arguments] != [place.shape for place in self.arguments]:
            return self.work(*arguments)
        for place, value in zip(self.arguments, arguments, strict=True):
            place.copy_(value)
        self.replay()
        return tuple(result.clone() for result in self.results)

    def _record(self, arguments: Tensors) -> None:
        self.arguments = tuple(tensor.clone() for tensor in arguments)
        try:
            self.replay, self.results = self.capture(lambda: self.work(*self.arguments))
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            warnings.warn(f"steps are launched kernel by kernel: no CUDA graph of them ({reason})", stacklevel=3)
