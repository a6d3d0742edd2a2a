"""A file that records whether it was opened, by libraries in C too. The kernel (inotify) watches it."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

OPENED = 0x20  # IN_OPEN
NONBLOCKING = 0x800  # IN_NONBLOCK


class Canary:
    """Watches a file from when the canary is created."""

    def __init__(self, path: Path) -> None:
        self.path = path
        library = ctypes.CDLL(None, use_errno=True)
        self.events = library.inotify_init1(NONBLOCKING)
        assert library.inotify_add_watch(self.events, os.fsencode(path), OPENED) > 0, os.strerror(ctypes.get_errno())

    def opened(self) -> bool:
        """True if the file was opened since the last call, or since the canary was created."""
        try:
            return bool(os.read(self.events, 4096))
        except BlockingIOError:
            return False


@contextmanager
def watched(path: Path) -> Iterator[Canary]:
    """The file as a canary; skips the test where there is no inotify."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux reports that a file was opened")
    canary = Canary(path)
    try:
        yield canary
    finally:
        os.close(canary.events)
