"""`accept` and `check`: accepted results in git, and a run against them."""

from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[Path, typer.Argument(help="The output folder of a run.")]


def accept(
    out: Run,
    into: Annotated[Path, typer.Option(help="The file of accepted results, such as benchmark/accepted/NAME.json.")],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Also where the file holds another suite, source, or rows that the run lacks."),
    ] = False,
) -> None:
    """Take the results of a finished run as those to be reached from now on, and say what changed."""
    from benchmark.gate.accept import accept

    lines, code = accept(out, into, replace)
    print("\n".join(lines))
    raise typer.Exit(code)


def check(
    out: Run,
    against: Annotated[Path, typer.Option(help="The file of accepted results.")],
    rows: Annotated[str, typer.Option(help="all, or present: only those rows of the file that the run has.")] = "all",
) -> None:
    """Compare a run with accepted results: exit code 1 regressed, 2 incomparable, 3 missing, in this order."""
    from benchmark.cells.folder import OutputFolder
    from benchmark.gate.check import check

    text, code = check(OutputFolder.read(out), against, rows)
    print(text)
    raise typer.Exit(code)
