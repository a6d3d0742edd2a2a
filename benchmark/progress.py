"""Progress of long work on stderr: bars on a terminal, or a plain line every ten seconds if stderr is a file.

`progress` is for work in stages whose items are counted; `Bars` is for displays that print lines of their own.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

PLAIN_EVERY_SECONDS = 10.0

Progress = Callable[[str, int, int], None]  # stage, items done, items in all


class Bars:
    """Bars, and lines above them that stay.

    A bar ends with the time so far and a note. With `rate` it ends with the rate and the time left, and vanishes when
    the work is done.
    """

    def __init__(self, rate: bool = False) -> None:
        from rich import progress as rich
        from rich.console import Console

        console = Console(stderr=True)
        last = (_rate(), rich.TimeRemainingColumn()) if rate else (
            rich.TimeElapsedColumn(), rich.TextColumn("{task.fields[note]}")
        )  # fmt: skip
        self.terminal = console.is_terminal
        self._bars = rich.Progress(
            rich.TextColumn("{task.description}"), rich.BarColumn(), rich.MofNCompleteColumn(), *last,
            console=console, transient=rate, disable=not self.terminal,
        )  # fmt: skip
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def add(self, title: str, total: int, done: int = 0) -> Any:
        """A new bar, for `update`. Items that were done before do not count for the rate."""
        return self._bars.add_task(title, total=total, completed=done, note="")

    def update(self, bar: Any, done: int, total: int | None = None, note: str = "") -> None:
        self._bars.update(bar, completed=done, total=total, note=note)

    def rate(self, bar: Any) -> str:
        """`, 12.3/s, 5 s left`; shorter at the beginning, when they cannot be computed."""
        task = self._bars.tasks[bar]
        speed = f", {task.speed:,.1f}/s" if task.speed else ""
        return speed + (f", {duration(task.time_remaining)} left" if task.time_remaining is not None else "")

    def print(self, line: str) -> None:
        """A line that stays."""
        self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def print_plain(self, line: Callable[[], str]) -> None:
        """A line instead of the bars, if stderr is no terminal and the last one was ten seconds ago."""
        if not self.terminal and time.monotonic() - self._last_line > PLAIN_EVERY_SECONDS:
            self._last_line = time.monotonic()
            self.print(line())


@contextmanager
def progress(name: str) -> Iterator[Progress]:
    """A function to call with each advance. Each stage has one bar, titled with the stage and `name`.

    A stage may begin where an interrupted run ended: the first call has the number of items done before.
    """
    stages: dict[str, Any] = {}
    with Bars(rate=True) as bars:

        def update(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add(f"{stage} {name}", total, done)
            bars.update(stages[stage], done, total)
            bars.print_plain(lambda: f"{stage} {name}: {done:,} of {total:,}{bars.rate(stages[stage])}")

        yield update


def _rate() -> Any:
    """A column of rich with the items per second."""
    from rich import progress as rich
    from rich.text import Text

    class Rate(rich.ProgressColumn):
        def render(self, task: rich.Task) -> Text:
            return Text(f"{task.speed:,.1f}/s" if task.speed else "")

    return Rate()


def duration(seconds: float) -> str:
    """Seconds in the largest unit that suits them: `42 s`, `12 min`, `3.4 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
