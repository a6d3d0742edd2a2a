"""What a person sees while cells run: a live bar on a terminal, plain lines where output goes elsewhere."""

import statistics
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmark.cells.matrix import Cell
from benchmark.progress import duration
from benchmark.run.pools import Ended

PLAIN_EVERY_SECONDS = 10.0


class Display:
    """Cells done, running, failed, and how long is left by the mean time of those that ended."""

    def __init__(
        self,
        cells: Sequence[Cell],
        pending: Sequence[Cell],
        done: int,
        workers: int,
        running: Callable[[], list[tuple[Cell, float]]],
    ) -> None:
        self.pending, self.workers, self.running = pending, workers, running
        self.total, self.done, self.failed = len(cells), done, len(cells) - len(pending) - done
        self.seconds: dict[str, list[float]] = {}
        self.left = {cell.id: cell for cell in pending}
        self.console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[now]}"), console=self.console, disable=not self.console.is_terminal,
        )  # fmt: skip
        self.task = self.progress.add_task("cells", total=self.total, completed=self.done, now="")
        self.last_line = time.monotonic()

    def __enter__(self) -> Self:
        self.progress.start()
        if self.done:
            self.say(f"{self.done} of {self.total} cells were done before; {len(self.pending)} to go")
        if self.failed:
            self.say(f"{self.failed} failed before and are left as they are; --retry-failed runs them again")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.progress.stop()
        if kind is None and not self.console.is_terminal and self.pending:
            self.say(self._line())

    def say(self, line: str) -> None:
        """A line that stays."""
        self.progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def update(self, ended: Ended | None) -> None:
        """One cell ended, or (None) some time passed."""
        if ended is not None and ended.record is not None:
            self._count(ended)
        self.progress.update(self.task, completed=self.done + self.failed, now=self._now())
        if not self.console.is_terminal and time.monotonic() - self.last_line > PLAIN_EVERY_SECONDS:
            self.last_line = time.monotonic()
            self.say(self._line())

    def _count(self, ended: Ended) -> None:
        assert ended.record is not None
        self.left.pop(ended.cell.id, None)
        self.seconds.setdefault(ended.cell.dataset.name, []).append(ended.record.seconds)
        if ended.record.status == "done":
            self.done += 1
            return
        self.failed += 1
        last = (ended.record.error or "").strip().splitlines()[-1:]
        self.say(f"FAILED {ended.cell.title}: {' '.join(last)}")

    def _now(self) -> str:
        names = ", ".join(f"{cell.title} ({seconds:.0f} s)" for cell, seconds in self.running()[:4])
        return f"{self.failed} failed · {self.remaining()} left · {names}"

    def _line(self) -> str:
        return f"{self.done} of {self.total} cells done, {self.failed} failed, {self.remaining()} left"

    def remaining(self) -> str:
        """By the mean seconds of cells that ended, of the same dataset where there are any."""
        if not self.seconds:
            return "?" if self.left else duration(0)
        overall = statistics.fmean([each for of in self.seconds.values() for each in of])
        means = {name: statistics.fmean(of) for name, of in self.seconds.items()}
        total = sum(means.get(cell.dataset.name, overall) for cell in self.left.values())
        return duration(total / self.workers)
