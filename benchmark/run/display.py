"""The progress of a run: a live bar on a terminal, or plain lines if stderr is a file."""

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from benchmark.cells.folder import CellState
from benchmark.cells.matrix import Cell
from benchmark.progress import Bars, duration
from benchmark.run.cell_jobs import Ended


class Display:
    """Cells done, running and failed, and the time left by the mean time of the cells that ended."""

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
        self.seconds: dict[str, list[float]] = {}  # of ended cells, by dataset
        self.left = {cell.id: cell for cell in pending}
        self.rows = Counter(cell.id for cell in pending)  # a tuned row may share its cells with another row
        self.bars = Bars()
        self.bar = self.bars.add("cells", self.total, self.done)

    def __enter__(self) -> Self:
        self.bars.__enter__()
        if self.done:
            self.print(f"{self.done} of {self.total} cells were done before; {len(self.pending)} to go")
        if self.failed:
            self.print(f"{self.failed} failed before and are left as they are; --retry-failed runs them again")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bars.__exit__(kind, error, at)
        if kind is None and not self.bars.terminal and self.pending:
            self.print(self._line())

    def print(self, line: str) -> None:
        """Prints a line that stays."""
        self.bars.print(line)

    def update(self, ended: Ended | None) -> None:
        """A cell ended, or (None) some time passed."""
        if ended is not None and ended.record is not None:
            self._count(ended)
        self.bars.update(self.bar, self.done + self.failed, note=self._note())
        self.bars.print_plain(self._line)

    def _count(self, ended: Ended) -> None:
        assert ended.record is not None
        self.left.pop(ended.cell.id, None)
        self.seconds.setdefault(ended.cell.dataset.name, []).append(ended.record.seconds)
        if ended.record.status == "done":
            self.done += self.rows[ended.cell.id]
            return
        self.failed += self.rows[ended.cell.id]
        state = CellState(ended.record.status, ended.record, ended.record.error)
        self.print(f"FAILED {ended.cell.title}: {state.last_line or ''}")

    def _note(self) -> str:
        cells = ", ".join(f"{cell.title} ({seconds:.0f} s)" for cell, seconds in self.running()[:4])
        return f"{self.failed} failed · {self.remaining()} · {cells}"

    def _line(self) -> str:
        return f"{self.done} of {self.total} cells done, {self.failed} failed, {self.remaining()}"

    def remaining(self) -> str:
        """The time left, from the mean seconds of ended cells: of the same dataset, if one of its cells has ended."""
        if not self.seconds:
            return "time left unknown" if self.left else f"{duration(0)} left"
        overall = statistics.fmean([value for values in self.seconds.values() for value in values])
        means = {name: statistics.fmean(values) for name, values in self.seconds.items()}
        total = sum(means.get(cell.dataset.name, overall) for cell in self.left.values())
        return f"{duration(total / self.workers)} left"
