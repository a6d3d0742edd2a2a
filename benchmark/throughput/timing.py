"""Timing of several workloads in turns, so that whatever else the machine does slows all of them alike.

The rule: the times of one call of `time_in_turns` are pairs, round by round; times of two calls are not comparable.
"""

import math
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from reports.analysis.timings import median_interval

# Far above the cost of starting a clock, and about the time slice of a scheduler.
MIN_BLOCK_SECONDS = 0.02
# The fewest rounds whose median has a 95 % interval that is not the whole range.
MIN_ROUNDS = 9
WARM_UP_CALLS = 2
# A median is stable if the width of its interval is at most this share of it.
STABLE_WIDTH = 0.05
# Unstable workloads take up to this many times the seconds that were asked for.
MAX_EXTENSION = 3

Workload = Callable[[], object]
"""A function that is timed."""
Clock = Callable[[Workload, int], float]
"""Seconds a call of a workload, from a block of so many calls."""


@dataclass(frozen=True)
class Timing:
    """Raw seconds a call: `times` from blocks of `calls` calls, `latencies` from single calls; one of each a round."""

    calls: int
    times: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    @property
    def stable(self) -> bool:
        interval = median_interval(self.times)
        if interval.low is None or interval.high is None:
            return False
        return interval.high - interval.low <= STABLE_WIDTH * interval.median


def wall_clock(workload: Workload, calls: int) -> float:
    """The clock on a CPU: `timeit`, which turns the garbage collector off, with the timer of torch's benchmarks."""
    from torch.utils import benchmark

    return timeit.Timer(workload, timer=benchmark.timer).timeit(calls) / calls


class Event(Protocol):
    """The methods of `torch.cuda.Event` that the clock uses."""

    def record(self) -> None: ...
    def synchronize(self) -> None: ...
    def elapsed_time(self, end_event: Any) -> float: ...


class EventClock:
    """The clock on a GPU: the time between two of its events, after all work that was queued before is done."""

    def __init__(self, event: Callable[[], Event], synchronize: Callable[[], None]) -> None:
        """`event` creates an event that records the time; `synchronize` waits for the device."""
        self.event, self.synchronize = event, synchronize

    def __call__(self, workload: Workload, calls: int) -> float:
        start, end = self.event(), self.event()
        self.synchronize()
        start.record()
        for _ in range(calls):
            workload()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1000 / calls


def device_clock(device: str) -> Clock:
    """The clock for workloads on `cpu` or `cuda`."""
    if device == "cpu":
        return wall_clock
    import torch

    return EventClock(partial(torch.cuda.Event, enable_timing=True), torch.cuda.synchronize)


def time_in_turns(workloads: Mapping[str, Workload], clock: Clock, seconds: float) -> dict[str, Timing]:
    """Times every workload, a block each a round, in the opposite order every other round.

    `seconds`: for each workload, more if its median is not stable by then; at least `MIN_ROUNDS` rounds.
    """
    timings = {name: Timing(_calls_per_block(workload, clock)) for name, workload in workloads.items()}
    spent, rounds, budget = 0.0, 0, seconds * len(workloads)
    while rounds < MIN_ROUNDS or spent < budget or (spent < MAX_EXTENSION * budget and not _all_stable(timings)):
        for name in list(workloads)[:: -1 if rounds % 2 else 1]:
            spent += _time_block(workloads[name], clock, timings[name])
        rounds += 1
    return timings


def _calls_per_block(workload: Workload, clock: Clock) -> int:
    """How many calls make a block, from the fastest of a few calls that warm up caches, allocators and compilers."""
    clock(workload, 1)  # may compile
    return max(1, math.ceil(MIN_BLOCK_SECONDS / min(clock(workload, 1) for _ in range(WARM_UP_CALLS))))


def _time_block(workload: Workload, clock: Clock, timing: Timing) -> float:
    """Adds a block to `timing`, and a single call if the block has several; returns the seconds of both."""
    timing.times.append(clock(workload, timing.calls))
    timing.latencies.append(timing.times[-1] if timing.calls == 1 else clock(workload, 1))
    return timing.calls * timing.times[-1] + (timing.latencies[-1] if timing.calls > 1 else 0)


def _all_stable(timings: Mapping[str, Timing]) -> bool:
    return all(timing.stable for timing in timings.values())
