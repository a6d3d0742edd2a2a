"""`python -m benchmark`: its commands, and from errors to exit codes.

The rule: a command imports torch, pandas, optuna and matplotlib inside its function, so that `--help` and `list` answer
at once.
"""

import errno
import os
import sys
import traceback
from collections.abc import Callable

import typer

from benchmark.cells.exit_codes import BAD_INPUT, BROKEN_PIPE, FAULT, INTERRUPTED
from benchmark.cli import folder_commands, interrupts
from benchmark.cli.data import app as data_app
from benchmark.cli.export import export
from benchmark.cli.interrupts import CONTINUES, InterruptError
from benchmark.cli.listing import list_names
from benchmark.cli.options import Group, register
from benchmark.cli.prepare import prepare
from benchmark.cli.run import run, throughput, tune
from dazle.errors import InputError

# Errors of files and folders that are no fault of this project -> the remedy.
REMEDIES = {
    **dict.fromkeys([errno.ENOSPC, errno.EDQUOT, errno.EROFS], "make room or choose another folder"),
    **dict.fromkeys([errno.EACCES, errno.EPERM], "check its permissions or choose another folder"),
    **dict.fromkeys(
        [errno.EEXIST, errno.ENOTDIR], "a folder is needed there: move the file away or choose another folder"
    ),
    errno.EISDIR: "a file is needed there: move the folder away or choose another folder",
    errno.ENAMETOOLONG: "choose a shorter path",
}

app = typer.Typer(
    cls=Group,
    help="Measure which parts of a zero-shot model matter: train its variants, compare them, and write reports.",
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS: dict[str, Callable[..., int | None]] = {
    "list": list_names,
    "run": run,
    "status": folder_commands.status,
    "report": folder_commands.report,
    "compare": folder_commands.compare,
    "accept": folder_commands.accept,
    "check": folder_commands.check,
    "tune": tune,
    "attention": folder_commands.attention,
    "throughput": throughput,
}
for name, command in COMMANDS.items():
    register(app, name)(command)
register(data_app)(prepare)
register(data_app)(export)
app.add_typer(data_app, name="data")


def main() -> None:
    """The command line; ends the process with an exit code of `benchmark.cells.exit_codes`."""
    interrupts.watch()
    code: int = BROKEN_PIPE
    try:
        code = _run()
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):
        # typer and rich raise SystemExit(1) for a broken pipe.
        code = code or BROKEN_PIPE
        _discard_output()
    sys.exit(code)


def _run() -> int:
    """Runs the command, and returns the exit code."""
    consequence = CONTINUES
    try:
        code: int = app(standalone_mode=False)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except InterruptError as interrupt:
        code, consequence = INTERRUPTED, str(interrupt)
    except Exception as error:
        code = _failed(error)
    if code == INTERRUPTED:
        print(f"interrupted; {consequence}", file=sys.stderr)
    return code


def _discard_output() -> None:
    """Without it Python flushes both streams when it ends, fails, and exits with 120."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(null, stream.fileno())


def _failed(error: Exception) -> int:
    """Prints the error, in one line unless it is a fault of this project. Returns the exit code."""
    # A native module that is interrupted while it is imported raises an error of its own.
    if interrupts.received():
        return INTERRUPTED
    if isinstance(error, InputError):
        line = f"error: {error}"
    elif isinstance(error, OSError) and error.errno in REMEDIES:
        line = f"error: {error.filename}: {error.strerror}; {REMEDIES[error.errno]}"
    else:
        traceback.print_exception(error)
        return FAULT
    print("\n".join([line, *getattr(error, "__notes__", [])]), file=sys.stderr)
    return BAD_INPUT
