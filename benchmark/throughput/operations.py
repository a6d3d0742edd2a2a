"""The operations of a workload: counted, listed with their shapes, and timed one by one by torch's profiler.

The rule: a profile shows the limiting resource, not the duration, because profiling takes time of its own.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmark.throughput.timing import Workload

WARM_UP_CALLS, PROFILED_CALLS = 2, 5


@dataclass(frozen=True)
class Operations:
    """One call of a workload: floating-point operations of its matrix products, and every operation with its shapes."""

    flops: int
    trace: tuple[Any, ...]


def count_operations(workload: Workload) -> Operations:
    """Runs the workload once. Two workloads with equal traces differ in the values of numbers alone."""
    with FlopCounterMode(display=False) as counter, _Trace() as mode:
        workload()
    return Operations(counter.get_total_flops(), tuple(mode.trace))


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
class OperationTime:
    """One operation on tensors of these sizes: how many times a call of the workload does it, and its seconds a call.

    Seconds are without those of the operations that it calls: of the processor, or of its kernels on a GPU.
    """

    operation: str
    sizes: tuple[tuple[int, ...], ...]
    calls: float
    seconds: float


def profile_operations(workload: Workload, device: str) -> list[OperationTime]:
    """All operations of a workload on `cpu` or `cuda`, the longest first."""
    # Keeps the profiler's library from writing to stderr; it reads the variable once, at its first use.
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device == "cuda" else [])
    for _ in range(WARM_UP_CALLS):
        workload()
    with profile(activities=activities, record_shapes=True) as profiler:
        for _ in range(PROFILED_CALLS):
            workload()
        if device == "cuda":
            torch.cuda.synchronize()
    return operation_times(profiler.key_averages(group_by_input_shape=True), device)


def operation_times(events: Sequence[Any], device: str) -> list[OperationTime]:
    """From the profiler's averages over `PROFILED_CALLS` calls; kernels count for the operation that launched them."""
    times = [
        OperationTime(
            event.key.removeprefix("aten::"),
            tuple(tuple(sizes) for sizes in event.input_shapes if sizes),
            event.count / PROFILED_CALLS,
            (event.self_device_time_total if device == "cuda" else event.self_cpu_time_total) / 1e6 / PROFILED_CALLS,
        )
        for event in events
        if event.device_type.name == "CPU"
    ]
    return sorted((time for time in times if time.seconds > 0), key=lambda time: -time.seconds)
