"""`python -m benchmark` with faults, told by the environment. Workers import it too, as they do every main module.

TRAININGS=FILE: a line for every training that begins. SLOW=SECONDS: every training takes so much longer.
HANG=VARIANT: its training never ends. GREEDY=VARIANT: it asks for more memory than its limit. KILLED=VARIANT: it is
killed, as the kernel does where memory runs out. NO_LOCKS=1: runners do not see each other. CLOCK=BACK: the clock jumps
back an hour whenever it is asked.
"""

import os
import resource
import signal
import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import psutil

from benchmark.cells import manifest
from benchmark.run import pools as executors
from benchmark.run import train as cells

train, ticks = cells._train, count(1)


def counted(group: Sequence[cells.Cell], job: cells.Job) -> list[dict[str, Any]]:
    names = {cell.variant.name for cell in group}
    if "TRAININGS" in os.environ:
        handle = os.open(os.environ["TRAININGS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, "".join(f"{cell.id}\n" for cell in group).encode())
        os.close(handle)
    time.sleep(float(os.environ.get("SLOW", 0)))
    if os.environ.get("KILLED") in names:
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("GREEDY") in names:
        take_all_memory()
    while os.environ.get("HANG") in names:
        time.sleep(1)
    return train(group, job)


def take_all_memory() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 2**28, before[1]))
    try:
        bytearray(2**30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


class BackwardClock(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(tz) - timedelta(hours=next(ticks))


def unlocked(out: Any, cell_id: str) -> Any:
    path = out / f"{cell_id}.unlocked"
    path.touch()
    return nullcontext(SimpleNamespace(lock_file=path))


cells._train = counted
if "NO_LOCKS" in os.environ:
    executors.cell_lock = unlocked
if "CLOCK" in os.environ:
    real, start = time.time, datetime.now(UTC).timestamp()
    time.time = lambda: start - 3600 * next(ticks)
    cells.datetime = manifest.datetime = BackwardClock

if __name__ == "__main__":
    from benchmark.cli.main import main

    main()
