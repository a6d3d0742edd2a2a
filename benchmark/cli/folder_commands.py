"""The commands that read output folders: status, report, compare, accept, check, attention."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from benchmark.cells.exit_codes import COMPLETE, INCOMPLETE
from benchmark.cells.options import Option, Rows
from benchmark.reporting.options import AttentionOptions
from dazle.errors import InputError

Run = Annotated[Path, Option("Output folder of a run.", positional=True)]
Protocol = Annotated[Literal["honest", "last", "oracle"], Option("Protocol that chooses the reported epoch.")]


def status(out: Run) -> int:
    """Show the state of the cells of a run (variant x dataset x seed), and the time left."""
    from benchmark.cells.folder import OutputFolder
    from benchmark.progress import duration

    folder = OutputFolder.read(out)
    manifest, states = folder.manifest, folder.states
    counts = Counter(state.status for state in states.values())
    total = len(manifest.cells)
    print(f"suite {manifest.suite}, {manifest.source} features: {counts['done']} of {total} cells done, "
          f"{counts['running']} running, {counts['failed']} failed, {counts['missing']} missing")  # fmt: skip
    for entry in manifest.cells:
        state = states[entry.id]
        if state.status == "running" or state.reason:
            title = f"{entry.variant} on {entry.dataset}, seed {entry.seed}"
            print(f"  {state.status} {title} {state.last_line or ''}".rstrip())
    seconds = [state.record.seconds for state in states.values() if state.status == "done" and state.record]
    if seconds and len(seconds) < total:
        left = sum(seconds) / len(seconds) * (total - len(seconds) - counts["failed"])
        print(f"time left: {duration(left)} of one worker (the mean time of the finished cells times those left)")
    return COMPLETE if counts["done"] == total else INCOMPLETE


def report(out: Run, protocol: Protocol = "honest") -> None:
    """Write the report of a run again, from its records, and print it."""
    from benchmark.cells.folder import OutputFolder
    from benchmark.reporting.report import write_report

    folder = OutputFolder.read(out)
    for reason in dict.fromkeys(state.reason for state in folder.states.values() if state.status == "missing"):
        if reason is not None:
            print(reason, file=sys.stderr)
    print(write_report(folder, protocol).read_text(encoding="utf-8"))
    # On stderr, because the Markdown above may go into a file.
    print(f"the page is {out / 'report.html'}", file=sys.stderr)


def compare(
    out_a: Run,
    out_b: Annotated[Path, Option("Output folder of the run that is compared with it.", positional=True)],
    protocol: Protocol = "honest",
) -> None:
    """Compare two runs cell by cell. Shows the second minus the first, and the settings and versions that differ."""
    from benchmark.cells.folder import OutputFolder
    from reports.tables.comparison import compare_runs
    from reports.writers import markdown

    run_a, run_b = OutputFolder.read(out_a), OutputFolder.read(out_b)
    a, b = run_a.manifest, run_b.manifest
    if a.source != b.source:
        raise InputError(f"{out_a} is of {a.source} features, {out_b} of {b.source} ones; a table never mixes the two")
    if not {data.name for data in a.datasets} & {data.name for data in b.datasets}:
        raise InputError(f"{out_a} and {out_b} have no dataset in common: choose runs that have")
    tables = compare_runs(run_a.frame(), run_b.frame(), protocol)
    notes = [f"A: {out_a}, suite {a.suite}, package {a.package}.", f"B: {out_b}, suite {b.suite}, package {b.package}."]
    print(markdown.document(tables, "B compared with A", notes))


def accept(
    out: Run,
    into: Annotated[Path, Option("File of accepted results, such as benchmark/accepted/NAME.json.", "FILE")],
    replace: Annotated[
        bool, Option("Replace a file of another suite or source, or remove rows that are not in this run.")
    ] = False,
) -> int:
    """Write the results of a run as accepted results. Later runs are checked against the file."""
    from benchmark.gate.accept import accept

    lines, code = accept(out, into, replace)
    print("\n".join(lines))
    return code


def check(
    out: Run,
    against: Annotated[Path, Option("File of accepted results.", "FILE")],
    rows: Rows = "all",
) -> int:
    """Compare a run with accepted results.

    The exit code is 1 if a row regressed, else 2 if a row cannot be compared, else 3 if a row is missing, else 0.
    """
    from benchmark.cells.folder import OutputFolder
    from benchmark.gate.accepted import read_accepted
    from benchmark.gate.check import check

    folder = OutputFolder.read(out)
    text, code = check(folder, read_accepted(against), against, rows)
    print(text)
    return code


def attention(options: AttentionOptions) -> None:
    """Draw attention maps of one image into OUT/figures. They are written as SVG and PNG."""
    from benchmark.reporting.attention import attention_picture
    from benchmark.reporting.files import write_picture

    picture = attention_picture(options)
    print(f"{picture.title}\n{picture.caption}\n{write_picture(options.out, picture)}")
    if options.images is None:
        print("drawn on plain cells; --images FOLDER draws on the photograph")
