"""`python -m benchmark` with injected faults, which environment variables select.

TRAININGS=FILE: the id of every cell whose training begins is appended to the file. SLOW=SECONDS: every training takes so
much longer. HANG=VARIANT: its training never ends. GREEDY=VARIANT: it allocates more memory than its limit.
KILLED=VARIANT: its worker is killed, as the kernel does if memory runs out. NO_LOCKS=1: no cell is locked. CLOCK=BACK:
the clock is an hour earlier at every reading. Workers import this module too, because it is the main module.
"""

import os
import resource
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import psutil

from benchmark.cells import manifest
from benchmark.cells.matrix import Cell
from benchmark.run import cell_jobs
from benchmark.run import train as training

train, clock_readings = training._train, count(1)


def train_with_faults(cells: Sequence[Cell], options: training.TrainOptions) -> Any:
    names = {cell.variant.name for cell in cells}
    if "TRAININGS" in os.environ:
        handle = os.open(os.environ["TRAININGS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, "".join(f"{cell.id}\n" for cell in cells).encode())
        os.close(handle)
    time.sleep(float(os.environ.get("SLOW", 0)))
    if os.environ.get("KILLED") in names:
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("GREEDY") in names:
        exceed_memory_limit()
    while os.environ.get("HANG") in names:
        time.sleep(1)
    return train(cells, options)


def exceed_memory_limit() -> None:
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 2**28, limits[1]))
    try:
        bytearray(2**30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


class BackwardClock(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(tz) - timedelta(hours=next(clock_readings))


def no_lock(out: Any, cell_id: str) -> Any:
    path = out / f"{cell_id}.unlocked"
    path.touch()
    return SimpleNamespace(lock_file=path, acquire=lambda: None, release=lambda: None)


training._train = train_with_faults
if "NO_LOCKS" in os.environ:
    cell_jobs.cell_lock = no_lock
if "CLOCK" in os.environ:
    start = datetime.now(UTC).timestamp()
    time.time = lambda: start - 3600 * next(clock_readings)
    training.datetime = manifest.datetime = BackwardClock

if __name__ == "__main__":
    from benchmark.cli.main import main

    main()
