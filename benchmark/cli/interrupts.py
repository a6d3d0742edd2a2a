"""Ctrl-C and SIGTERM: both end a command with KeyboardInterrupt, and `benchmark.cli.main.main` prints one line.

The rule: a command that the same command cannot continue raises `InterruptError` with the consequence for its results.
"""

import signal
from types import FrameType

CONTINUES = "the same command continues"
_signals: list[int] = []


class InterruptError(Exception):
    """A command was interrupted; `str()` is the consequence for its results."""


def watch() -> None:
    """From here on both signals raise KeyboardInterrupt, so that SIGTERM stops the workers of a run as Ctrl-C does."""
    _signals.clear()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _signals.append(number)
    raise KeyboardInterrupt


def received() -> bool:
    """Whether one of the signals came since `watch`."""
    return bool(_signals)
