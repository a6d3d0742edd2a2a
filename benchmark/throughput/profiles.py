"""Where the time of a training step goes, operation by operation, by torch's profiler.

The rule: a profile says what bounds a step, not how long it takes, for watching costs time of its own.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.throughput.timing import Work

WARM_UP_CALLS, CALLS = 2, 5


@dataclass(frozen=True)
class Part:
    """One operation on tensors of these sizes: how often one call of the work does it, and its seconds in that call.

    Seconds are its own, without operations that it calls: of the processor, or of its kernels on a GPU.
    """

    operation: str
    sizes: tuple[tuple[int, ...], ...]
    calls: float
    seconds: float


def profiled(work: Work, device: str) -> list[Part]:
    """All operations of `work` on `cpu` or `cuda`, those that take longest first."""
    # The profiler's library tells on stderr when it starts and stops, unless it is told before its first use.
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device == "cuda" else [])
    for _ in range(WARM_UP_CALLS):
        work()
    with profile(activities=activities, record_shapes=True) as watched:
        for _ in range(CALLS):
            work()
        if device == "cuda":
            import torch

            torch.cuda.synchronize()
    return parts(watched.key_averages(group_by_input_shape=True), device)


def parts(events: Sequence[Any], device: str) -> list[Part]:
    """From averages of the profiler over `CALLS` calls; kernels stand there under the operation that launched them."""
    found = [
        Part(
            event.key.removeprefix("aten::"),
            tuple(tuple(sizes) for sizes in event.input_shapes if sizes),
            event.count / CALLS,
            (event.self_device_time_total if device == "cuda" else event.self_cpu_time_total) / 1e6 / CALLS,
        )
        for event in events
        if event.device_type.name == "CPU"
    ]
    return sorted((part for part in found if part.seconds > 0), key=lambda part: -part.seconds)
