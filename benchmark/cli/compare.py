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
    from benchmark.cells import folder as store
    from benchmark.cli.options import protocol_name
    from dazle.errors import InputError
    from reports.tables.comparison import compare_runs
    from reports.writers import markdown

    used = protocol_name(protocol)
    a, b = store.read_manifest(out_a), store.read_manifest(out_b)
    if a.source != b.source:
        raise InputError(f"{out_a} is of {a.source} features, {out_b} of {b.source} ones; a table never mixes the two")
    if not {data.name for data in a.datasets} & {data.name for data in b.datasets}:
        raise InputError(f"{out_a} and {out_b} have no dataset in common: choose runs that have")
    tables = compare_runs(store.frame(out_a), store.frame(out_b), used)
    notes = [f"A: {out_a}, suite {a.suite}, package {a.package}.", f"B: {out_b}, suite {b.suite}, package {b.package}."]
    print(markdown.document(tables, "B compared with A", notes))
