"""How far a long piece of work is: a bar on a terminal, a line every ten seconds where output goes to a file.

The rule for callers: what is counted has a name (`extracting`), and a stage may begin where an earlier run ended.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PLAIN_EVERY_SECONDS = 10.0

Progress = Callable[[str, int, int], None]  # what is done, how much of it, of how much


@contextmanager
def progress(name: str) -> Iterator[Progress]:
    """A function to call with each advance; one bar a stage, titled with the stage and `name`, gone in the end."""
    from rich import progress as rich
    from rich.console import Console
    from rich.text import Text

    class Rate(rich.ProgressColumn):
        def render(self, task: rich.Task) -> Text:
            return Text(f"{task.speed:,.1f}/s" if task.speed else "")

    columns = (rich.TextColumn("{task.description}"), rich.BarColumn(), rich.MofNCompleteColumn(), Rate())
    console = Console(stderr=True)
    stages: dict[str, rich.TaskID] = {}
    said = time.monotonic()
    with rich.Progress(
        *columns, rich.TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:

        def update(doing: str, done: int, of: int) -> None:
            nonlocal said
            if doing not in stages:  # begins where an interrupted run ended, which is no speed
                stages[doing] = bar.add_task(f"{doing} {name}", total=of, completed=done)
            bar.update(stages[doing], completed=done, total=of)
            if not console.is_terminal and time.monotonic() - said > PLAIN_EVERY_SECONDS:
                said = time.monotonic()
                task = bar.tasks[stages[doing]]
                speed = f", {task.speed:,.1f}/s" if task.speed else ""
                left = f", {duration(task.time_remaining)} left" if task.time_remaining is not None else ""
                console.print(f"{doing} {name}: {done:,} of {of:,}{speed}{left}", highlight=False, markup=False)

        yield update


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
