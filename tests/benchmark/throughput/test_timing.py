"""Turns on a clock that is made, and clocks on work that takes known time."""

import itertools
import time
from collections.abc import Callable, Iterator

import pytest

from benchmark.throughput.timing import MIN_ROUNDS, PATIENCE, EventClock, Work, take_turns, wall_clock

WARM_UP = 3


class MadeClock:
    """Each work takes what its iterator says; every block is written down."""

    def __init__(self, seconds: dict[Work, Iterator[float]]) -> None:
        self.seconds = seconds
        self.blocks: list[tuple[Work, int]] = []

    def __call__(self, work: Work, calls: int) -> float:
        self.blocks.append((work, calls))
        return next(self.seconds[work])


def one() -> None: ...
def other() -> None: ...


def test_works_take_turns_and_every_other_round_is_reversed() -> None:
    clock = MadeClock({one: itertools.repeat(0.5), other: itertools.repeat(0.25)})
    timed = take_turns({"one": one, "other": other}, clock, 0.1)
    turns = [work for work, _ in clock.blocks[2 * WARM_UP :]]
    assert turns[:8] == [one, other, other, one, one, other, other, one]
    assert timed["one"].times == [0.5] * MIN_ROUNDS
    assert timed["other"].times == [0.25] * MIN_ROUNDS
    assert timed["one"].latencies == timed["one"].times


def test_short_work_is_timed_in_blocks_and_alone() -> None:
    clock = MadeClock({one: itertools.repeat(0.003)})
    timed = take_turns({"one": one}, clock, 0.0)["one"]
    assert timed.calls == 7
    assert clock.blocks[WARM_UP:] == [(one, 7), (one, 1)] * MIN_ROUNDS
    assert len(timed.latencies) == len(timed.times)


def test_the_seconds_are_spent_and_not_more_on_steady_work() -> None:
    timed = take_turns({"one": one}, MadeClock({one: itertools.repeat(0.5)}), 20)["one"]
    assert len(timed.times) == 40


def test_unsteady_work_is_given_more_time_but_not_for_ever() -> None:
    jumps = itertools.cycle([0.25, 0.75])
    timed = take_turns({"one": one}, MadeClock({one: jumps}), 20)["one"]
    assert sum(timed.times) == pytest.approx(20 * PATIENCE, abs=1)


class WallEvent:
    """What an event of a GPU can do, by the wall clock; it counts milliseconds as those do."""

    def record(self) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None: ...

    def elapsed_time(self, end_event: "WallEvent") -> float:
        return 1000 * (end_event.at - self.at)


@pytest.mark.parametrize("clock", [wall_clock, EventClock(WallEvent, lambda: None)], ids=["wall", "events"])
def test_a_clock_gives_seconds_a_call(clock: Callable[[Work, int], float]) -> None:
    called: list[int] = []

    def work() -> None:
        called.append(1)
        time.sleep(0.01)

    # How much longer a busy machine takes is not the clock's fault.
    assert 0.01 <= clock(work, 3) < 1
    assert len(called) == 3


def test_events_wait_for_what_was_queued_before() -> None:
    order: list[str] = []

    class Event(WallEvent):
        def record(self) -> None:
            super().record()
            order.append("record")

        def synchronize(self) -> None:
            order.append("wait for the event")

    EventClock(Event, lambda: order.append("wait for the device"))(lambda: order.append("work"), 2)
    assert order == ["wait for the device", "record", "work", "work", "record", "wait for the event"]
