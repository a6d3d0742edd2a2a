"""The command line as tests use it.

The rule: `benchmark` works in this process, which spares each call the seconds that Python and torch need to start;
what kills or signals a command starts `command` as a process of its own.
"""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

import pytest

from benchmark.cli.main import main

ROOT = Path(__file__).resolve().parents[1]


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "benchmark", *map(str, words)]


def benchmark(*words: str | Path) -> CompletedProcess[str]:
    """How the command ended and what it said."""
    said, told = io.StringIO(), io.StringIO()
    given = ["benchmark", *map(str, words)]
    with (
        patch.object(sys, "argv", given), redirect_stdout(said), redirect_stderr(told),
        pytest.raises(SystemExit) as ended,
    ):  # fmt: skip
        main()
    code = ended.value.code
    assert isinstance(code, int | None)
    return CompletedProcess(given, code or 0, said.getvalue(), told.getvalue())
