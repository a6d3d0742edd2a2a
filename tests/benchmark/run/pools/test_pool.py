"""The contract of a pool, on processes of this machine and on a plain pool of threads."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from benchmark.run.jobs import Jobs
from benchmark.run.pools import processes
from benchmark.run.pools.pool import Job, JobError, Pool, WorkerDied
from benchmark.run.pools.processes import Processes
from tests.benchmark.thread_pool import Threads


@pytest.fixture(params=[Processes, Threads])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    pool = request.param(2)
    yield pool
    pool.close()


def double(value: int) -> int:
    return 2 * value


def fails(text: str) -> None:
    raise ValueError(text)


def waits(seconds: float) -> str:
    time.sleep(seconds)
    return "waited"


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def unsendable() -> Any:
    return threading.Lock()


def test_results_come_back(pool: Pool) -> None:
    futures = [pool.submit(Job(double, (value,))) for value in range(5)]
    assert [future.result(60) for future in futures] == [0, 2, 4, 6, 8]


def test_an_error_is_a_job_error_with_its_traceback(pool: Pool) -> None:
    error = pool.submit(Job(fails, ("broken",))).exception(60)
    assert isinstance(error, JobError)
    assert "ValueError: broken" in str(error)
    assert pool.submit(Job(double, (1,))).result(60) == 2


def test_the_start_is_known_once_it_began_and_stays(pool: Pool) -> None:
    before = time.monotonic()
    futures = [pool.submit(Job(waits, (0.3,))) for _ in range(3)]
    assert pool.started(futures[2]) is None  # two slots
    assert [future.result(60) for future in futures] == ["waited"] * 3
    starts = [pool.started(future) for future in futures]
    assert all(start is not None and before <= start <= time.monotonic() for start in starts)


def test_a_killed_job_fails_and_the_others_go_on(pool: Pool) -> None:
    hung, other = pool.submit(Job(waits, (5.0,))), pool.submit(Job(waits, (0.5,)))
    while pool.started(hung) is None:
        time.sleep(0.02)
    pool.kill(hung)
    assert isinstance(hung.exception(60), WorkerDied)
    assert other.result(60) == "waited"
    pool.kill(other)  # without effect
    assert pool.submit(Job(double, (4,))).result(60) == 8


def test_no_more_jobs_run_at_once_than_there_are_slots(pool: Pool) -> None:
    assert pool.slots() == 2
    [pool.submit(Job(double, (0,))).result(60) for _ in range(2)]  # the workers are up
    began = time.monotonic()
    for future in [pool.submit(Job(waits, (0.2,))) for _ in range(4)]:
        future.result(60)
    assert time.monotonic() - began >= 0.4


def test_a_worker_that_dies_takes_its_own_job_alone() -> None:
    pool = Processes(2)
    try:
        other, dead = pool.submit(Job(waits, (0.5,))), pool.submit(Job(dies))
        assert isinstance(dead.exception(60), WorkerDied)
        assert other.result(60) == "waited"
        assert pool.submit(Job(double, (3,))).result(60) == 6
    finally:
        pool.close()


def new_children(before: set[Any]) -> list[Any]:
    return [child for child in multiprocessing.active_children() if child not in before]


def test_a_worker_that_died_between_two_jobs_is_replaced() -> None:
    before = set(multiprocessing.active_children())
    pool = Processes(1)
    try:
        assert pool.submit(Job(double, (3,))).result(60) == 6
        [process] = new_children(before)
        process.kill()
        process.join()
        time.sleep(0.5)  # the executor finds out
        assert pool.submit(Job(double, (4,))).result(60) == 8
    finally:
        pool.close()


def test_a_worker_can_be_killed_while_it_starts() -> None:
    pool = Processes(1)
    try:
        future = pool.submit(Job(waits, (30.0,)))
        assert pool.started(future) is None
        pool.kill(future)
        assert isinstance(future.exception(60), WorkerDied)
        assert pool.submit(Job(double, (4,))).result(60) == 8
    finally:
        pool.close()


def test_the_time_of_a_worker_that_hangs_in_its_start_counts_from_the_submission(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "START_SECONDS", 0.5)
    pool = Processes(1, hang)
    with Jobs[str](pool, timeout=1.0) as jobs:
        jobs.submit("hung", Job(double, (4,)))
        assert "did not end within 1 s" in ended(jobs, 1)["hung"].failure


def hang() -> None:
    time.sleep(30)


def test_a_worker_that_died_is_not_killed_again_by_an_id_that_another_process_may_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the worker's death the system gives its id to another process, here by redirecting signals to that id."""
    before = set(multiprocessing.active_children())
    pool, other = Processes(1), sleeping()
    try:
        assert pool.submit(Job(double, (3,))).result(60) == 6
        [process] = [child for child in new_children(before) if child is not other]
        process.kill()
        process.join()
        send = os.kill
        monkeypatch.setattr(os, "kill", lambda pid, number: send(other.pid if pid == process.pid else pid, number))
        pool.close()
        other.join(0.5)
        assert other.is_alive()
    finally:
        other.kill()


def sleeping() -> BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,), daemon=True)
    process.start()
    return process


def test_a_worker_is_prepared_once_before_its_first_job() -> None:
    pool = Processes(1, prepare)
    try:
        assert [pool.submit(Job(preparations)).result(60) for _ in range(2)] == [1, 1]
    finally:
        pool.close()


prepared = 0


def prepare() -> None:
    global prepared
    prepared += 1


def preparations() -> int:
    return prepared


def test_a_worker_whose_preparation_raises_returns_the_traceback() -> None:
    pool = Processes(1, partial(fails, "no such module"))
    try:
        for _ in range(2):
            error = pool.submit(Job(double, (3,))).exception(60)
            assert isinstance(error, JobError)
            assert "ValueError: no such module" in str(error)
    finally:
        pool.close()


def test_jobs_of_a_closed_pool_fail(pool: Pool) -> None:
    """Also those that wait for a slot."""
    futures = [pool.submit(Job(waits, (5.0,))) for _ in range(4)]
    pool.close()
    assert [type(future.exception(10)) for future in futures] == [WorkerDied] * 4


def test_a_process_that_another_thread_starts_is_not_taken_for_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes start shortly before and after the worker."""
    others: list[BaseProcess] = []
    submit = ProcessPoolExecutor.submit

    def submit_later(*arguments: Any) -> Any:
        others.extend(sleeping() for _ in range(3))
        future = submit(*arguments)
        others.extend(sleeping() for _ in range(3))
        return future

    monkeypatch.setattr(ProcessPoolExecutor, "submit", submit_later)
    pool = Processes(1)
    try:
        future = pool.submit(Job(waits, (30.0,)))
        pool.kill(future)
        assert isinstance(future.exception(10), WorkerDied)
        assert all(other.is_alive() for other in others)
    finally:
        pool.close()
        for other in others:
            other.kill()


def test_a_result_that_cannot_travel_is_a_job_error() -> None:
    pool = Processes(1)
    try:
        assert isinstance(pool.submit(Job(unsendable)).exception(60), JobError)
        assert pool.submit(Job(double, (3,))).result(60) == 6
    finally:
        pool.close()


def test_a_closed_pool_leaves_no_process_of_its_own_and_those_of_others_alone() -> None:
    before = set(multiprocessing.active_children())
    pool, other = Processes(2), sleeping()
    futures = [pool.submit(Job(waits, (30.0,))) for _ in range(2)]
    while None in [pool.started(future) for future in futures]:
        time.sleep(0.02)
    pool.close()
    assert new_children(before) == [other]
    other.kill()


def ended(jobs: Jobs[Any], count: int) -> dict[Any, Any]:
    outcomes: dict[Any, Any] = {}
    until = time.monotonic() + 60
    while len(outcomes) < count and time.monotonic() < until:
        outcomes |= {outcome.key: outcome for outcome in jobs.wait(0.1)}
    return outcomes


def test_an_overdue_job_is_killed_and_known_by_its_key(pool: Pool) -> None:
    with Jobs[str](pool, timeout=1.0) as jobs:
        jobs.submit("short", Job(waits, (0.1,)))
        jobs.submit("hung", Job(waits, (20.0,)))
        assert jobs.free == 0
        outcomes = ended(jobs, 2)
        assert outcomes["short"].value == "waited"
        remedy = "run again with --retry-failed and a longer --timeout"
        assert outcomes["hung"].failure == f"did not end within 1 s, so it was killed; {remedy}"
        assert jobs.free == 2


def test_the_time_limit_does_not_count_the_wait_for_a_slot(pool: Pool) -> None:
    """Four jobs on two slots: the last two end later after their submission than the limit allows."""
    with Jobs[int](pool, timeout=1.2) as jobs:
        for key in range(4):
            jobs.submit(key, Job(waits, (0.7,)))
        assert [outcome.value for outcome in ended(jobs, 4).values()] == ["waited"] * 4


def test_an_error_is_an_outcome_with_its_traceback(pool: Pool) -> None:
    with Jobs[str](pool) as jobs:
        jobs.submit("bad", Job(fails, ("broken",)))
        outcome = ended(jobs, 1)["bad"]
        assert "ValueError: broken" in outcome.failure
        assert outcome.value is None


@pytest.mark.parametrize(("lost", "succeeds"), [(1, True), (2, True), (3, False)])
def test_a_job_whose_node_was_lost_runs_again_twice(lost: int, succeeds: bool) -> None:
    pool = Threads(1)
    pool.lost = lost
    with Jobs[str](pool) as jobs:
        jobs.submit("job", Job(double, (4,)))
        outcome = ended(jobs, 1)["job"]
    assert (outcome.value == 8) == succeeds
    assert (outcome.failure is None) == succeeds
