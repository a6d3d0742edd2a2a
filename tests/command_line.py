"""The command line for tests.

The rule: `benchmark` runs in this process, which saves the seconds that Python and torch need to start. A test that
kills or signals a command starts `command` in a process of its own.
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
    """The exit code and the output of a command."""
    stdout, stderr = io.StringIO(), io.StringIO()
    arguments = ["benchmark", *map(str, words)]
    with (
        patch.object(sys, "argv", arguments), redirect_stdout(stdout), redirect_stderr(stderr),
        pytest.raises(SystemExit) as ended,
    ):  # fmt: skip
        main()
    code = ended.value.code
    assert isinstance(code, int | None)
    return CompletedProcess(arguments, code or 0, stdout.getvalue(), stderr.getvalue())
