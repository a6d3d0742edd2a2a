"""Ctrl-C, and being told to end: how a command notices, and that it says so exactly once.

The rule: a command that catches KeyboardInterrupt says what that means for its results by `say` and ends with
`INTERRUPTED`; `benchmark.cli.main.main` says it for all others.
"""

import signal
import sys
from types import FrameType

INTERRUPTED = 130
_unsaid: list[int] = []


def watch() -> None:
    """From here on both signals raise KeyboardInterrupt: a run that is told to end stops its workers as at Ctrl-C."""
    _unsaid.clear()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _unsaid.append(number)
    raise KeyboardInterrupt


def unsaid() -> bool:
    """Whether there was a signal that nobody has told the user of."""
    return bool(_unsaid)


def say(text: str = "the same command continues") -> None:
    """On stderr, what the interrupt means for the results."""
    _unsaid.clear()
    print(f"interrupted; {text}", file=sys.stderr)
