"""Turns on a clock with planned times, and clocks on workloads that take a known time."""

import itertools
import time
from collections.abc import Callable, Iterator

import pytest

from benchmark.throughput.timing import MAX_EXTENSION, MIN_ROUNDS, EventClock, Workload, time_in_turns, wall_clock

WARM_UP = 3


class PlannedClock:
    """Each workload takes the seconds that its iterator gives; `blocks` lists the calls of the clock."""

    def __init__(self, seconds: dict[Workload, Iterator[float]]) -> None:
        self.seconds = seconds
        self.blocks: list[tuple[Workload, int]] = []

    def __call__(self, workload: Workload, calls: int) -> float:
        self.blocks.append((workload, calls))
        return next(self.seconds[workload])


def one() -> None: ...
def other() -> None: ...


def test_works_take_turns_and_every_other_round_is_reversed() -> None:
    clock = PlannedClock({one: itertools.repeat(0.5), other: itertools.repeat(0.25)})
    timings = time_in_turns({"one": one, "other": other}, clock, 0.1)
    turns = [workload for workload, _ in clock.blocks[2 * WARM_UP :]]
    assert turns[:8] == [one, other, other, one, one, other, other, one]
    assert timings["one"].times == [0.5] * MIN_ROUNDS
    assert timings["other"].times == [0.25] * MIN_ROUNDS
    assert timings["one"].latencies == timings["one"].times


def test_short_work_is_timed_in_blocks_and_alone() -> None:
    clock = PlannedClock({one: itertools.repeat(0.003)})
    timing = time_in_turns({"one": one}, clock, 0.0)["one"]
    assert timing.calls == 7
    assert clock.blocks[WARM_UP:] == [(one, 7), (one, 1)] * MIN_ROUNDS
    assert len(timing.latencies) == len(timing.times)


def test_the_seconds_are_spent_and_not_more_on_steady_work() -> None:
    timing = time_in_turns({"one": one}, PlannedClock({one: itertools.repeat(0.5)}), 20)["one"]
    assert len(timing.times) == 40


def test_unsteady_work_is_given_more_time_but_not_for_ever() -> None:
    jumps = itertools.cycle([0.25, 0.75])
    timing = time_in_turns({"one": one}, PlannedClock({one: jumps}), 20)["one"]
    assert sum(timing.times) == pytest.approx(20 * MAX_EXTENSION, abs=1)


class WallEvent:
    """The methods of a GPU's event with the wall clock, in milliseconds."""

    def record(self) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None: ...

    def elapsed_time(self, end_event: "WallEvent") -> float:
        return 1000 * (end_event.at - self.at)


@pytest.mark.parametrize("clock", [wall_clock, EventClock(WallEvent, lambda: None)], ids=["wall", "events"])
def test_a_clock_gives_seconds_a_call(clock: Callable[[Workload, int], float]) -> None:
    calls: list[int] = []

    def workload() -> None:
        calls.append(1)
        time.sleep(0.01)

    # A busy machine may take longer; that is no fault of the clock.
    assert 0.01 <= clock(workload, 3) < 1
    assert len(calls) == 3


def test_events_wait_for_what_was_queued_before_and_give_seconds_a_call() -> None:
    order: list[str] = []

    class Event:
        def record(self) -> None:
            order.append("record")

        def synchronize(self) -> None:
            order.append("wait for the event")

        def elapsed_time(self, end_event: "Event") -> float:
            return 60.0

    clock = EventClock(Event, lambda: order.append("wait for the device"))
    assert clock(lambda: order.append("work"), 2) == 0.03
    assert order == ["wait for the device", "record", "work", "work", "record", "wait for the event"]
