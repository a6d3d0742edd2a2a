"""Pieces of work timed in turns, so that whatever else the machine does meets all of them alike.

The rule: times of one call of `take_turns` are pairs, round by round; times of two calls are not comparable.
"""

import math
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from reports.analysis.timings import median_interval

# Far above what starting a clock costs, and about the time slice of a scheduler.
MIN_BLOCK_SECONDS = 0.02
# The fewest whose median has a 95 % interval that is not the whole range.
MIN_ROUNDS = 9
WARM_UP_CALLS = 2
# A median is stable once it is known to so much; for that, up to so many times the seconds asked for are spent.
STABLE, PATIENCE = 0.05, 3

Work = Callable[[], object]
Clock = Callable[[Work, int], float]
"""Seconds a call, over a block of so many calls."""


@dataclass(frozen=True)
class Timed:
    """Raw seconds a call: `times` of blocks of `calls` calls, `latencies` of single calls; one of each a round."""

    calls: int
    times: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    @property
    def stable(self) -> bool:
        known = median_interval(self.times)
        return known.low is not None and known.high is not None and known.high - known.low <= STABLE * known.median


def wall_clock(work: Work, calls: int) -> float:
    """On a CPU: `timeit`, which keeps the garbage collector out, with the timer of torch's benchmarks."""
    from torch.utils import benchmark

    return timeit.Timer(work, timer=benchmark.timer).timeit(calls) / calls


class Event(Protocol):
    """What `torch.cuda.Event` can do."""

    def record(self) -> None: ...
    def synchronize(self) -> None: ...
    def elapsed_time(self, end_event: Any) -> float: ...


class EventClock:
    """On a GPU: between two events of its own clock, after all that was queued before is done."""

    def __init__(self, event: Callable[[], Event], synchronize: Callable[[], None]) -> None:
        """`event`: makes one that keeps the time; `synchronize`: waits for the device."""
        self.event, self.synchronize = event, synchronize

    def __call__(self, work: Work, calls: int) -> float:
        start, end = self.event(), self.event()
        self.synchronize()
        start.record()
        for _ in range(calls):
            work()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1000 / calls


def clock_of(device: str) -> Clock:
    """The clock that measures work on `cpu` or `cuda`."""
    if device == "cpu":
        return wall_clock
    import torch

    return EventClock(partial(torch.cuda.Event, enable_timing=True), torch.cuda.synchronize)


def take_turns(works: Mapping[str, Work], clock: Clock, seconds: float) -> dict[str, Timed]:
    """Times every work, a block each a round, every other round in the opposite order.

    `seconds`: for each work, more where its median is not stable by then; at least `MIN_ROUNDS` rounds.
    """
    timed = {name: Timed(_calls(work, clock)) for name, work in works.items()}
    spent, rounds, budget = 0.0, 0, seconds * len(works)
    while rounds < MIN_ROUNDS or spent < budget or (spent < PATIENCE * budget and not _all_stable(timed)):
        for name in list(works)[:: -1 if rounds % 2 else 1]:
            spent += _block(works[name], clock, timed[name])
        rounds += 1
    return timed


def _calls(work: Work, clock: Clock) -> int:
    """How many calls make a block, by the fastest of a few that warm caches, allocators and compilers up."""
    clock(work, 1)  # may compile
    return max(1, math.ceil(MIN_BLOCK_SECONDS / min(clock(work, 1) for _ in range(WARM_UP_CALLS))))


def _block(work: Work, clock: Clock, timed: Timed) -> float:
    """Adds a block to `timed`, and a single call where the block is more; the seconds that it all took."""
    timed.times.append(clock(work, timed.calls))
    timed.latencies.append(timed.times[-1] if timed.calls == 1 else clock(work, 1))
    return timed.calls * timed.times[-1] + (timed.latencies[-1] if timed.calls > 1 else 0)


def _all_stable(timed: Mapping[str, Timed]) -> bool:
    return all(each.stable for each in timed.values())
