"""`python -m benchmark compare`: two runs, paired cell by cell, and what they were told differently."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    out_a: Annotated[Path, typer.Argument(help="The output folder of a run.")],
    out_b: Annotated[Path, typer.Argument(help="Of the run that is compared with it.")],
    protocol: Annotated[str, typer.Option(help="honest, last or oracle.")] = "honest",
) -> None:
    """The second run minus the first, row by row, and the settings, versions and conditions that differ."""
    from benchmark.cells.folder import OutputFolder
    from benchmark.cli.options import protocol_name
    from dazle.errors import InputError
    from reports.tables.comparison import compare_runs
    from reports.writers import markdown

    used = protocol_name(protocol)
    run_a, run_b = OutputFolder.read(out_a), OutputFolder.read(out_b)
    a, b = run_a.manifest, run_b.manifest
    if a.source != b.source:
        raise InputError(f"{out_a} is of {a.source} features, {out_b} of {b.source} ones; a table never mixes the two")
    if not {data.name for data in a.datasets} & {data.name for data in b.datasets}:
        raise InputError(f"{out_a} and {out_b} have no dataset in common: choose runs that have")
    tables = compare_runs(run_a.frame(), run_b.frame(), used)
    notes = [f"A: {out_a}, suite {a.suite}, package {a.package}.", f"B: {out_b}, suite {b.suite}, package {b.package}."]
    print(markdown.document(tables, "B compared with A", notes))
