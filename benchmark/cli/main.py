"""`python -m benchmark`: the commands. What is heavy is imported when a command needs it.

Exit codes: 0 fine; 1 regression; 2 bad usage or input; 3 incomplete (failed or missing cells); 130 interrupted.
"""

import errno
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli import interrupts
from benchmark.cli.attention import attention
from benchmark.cli.compare import compare
from benchmark.cli.data import app as data_app
from benchmark.cli.gate import accept, check
from benchmark.cli.interrupts import INTERRUPTED
from benchmark.cli.options import names, overrides, protocol_name
from benchmark.cli.prepare import prepare
from benchmark.cli.throughput import throughput
from benchmark.cli.tune import tune
from dazle.errors import InputError

BAD_INPUT = 2
# What a disk says that is full or may not be written: no fault of this project.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)

app = typer.Typer(
    help="Which parts of a zero-shot model matter, on which data, by how much, how sure are we, and at what cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app.command()(prepare)
app.add_typer(data_app, name="data")
app.command()(compare)
app.command()(attention)
app.command()(throughput)
app.command()(tune)
app.command()(accept)
app.command()(check)

Out = Annotated[Path, typer.Argument(help="The output folder of a run.")]


def main() -> None:
    """The command line; ends the process with one of the exit codes above."""
    interrupts.watch()
    try:
        app()
    except SystemExit as ended:
        if ended.code == INTERRUPTED and interrupts.unsaid():
            interrupts.say()
        raise
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except Exception as error:
        # A native module that is interrupted while it is imported raises an error of its own.
        if interrupts.unsaid():
            interrupts.say()
            sys.exit(INTERRUPTED)
        if not isinstance(error, OSError) or error.errno not in NO_ROOM:
            raise
        print(f"error: {error.filename}: {error.strerror}; make room or choose another folder", file=sys.stderr)
        sys.exit(BAD_INPUT)


@app.command("list")
def list_names(
    what: Annotated[str, typer.Argument(help="variants, suites or datasets; all of them where left out.")] = "",
) -> None:
    """Names of variants, suites and datasets, with what each is."""
    from benchmark.cli.listing import LISTS

    if what and what not in LISTS:
        raise InputError(f"list {what!r}: there are {', '.join(LISTS)}")
    for name, lines in LISTS.items():
        if what in ("", name):
            print("\n".join([f"{name}:", *lines(), ""]))


@app.command()
def run(
    suite: Annotated[str, typer.Option(help="Which suite: python -m benchmark list suites.")],
    variants: Annotated[str | None, typer.Option(metavar="GLOB,..", help="Only these rows.")] = None,
    datasets: Annotated[str | None, typer.Option(metavar="A,B", help="These datasets in place of the suite's.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Repetitions; the suite's number where left out.")] = None,
    base_seed: Annotated[int, typer.Option(help="What all random streams derive from.")] = 214,
    source: Annotated[str, typer.Option(help="auto, real or simulated.")] = "auto",
    data: Annotated[Path | None, typer.Option(envvar="DAZLE_DATA", help="Folder of prepared features.")] = None,
    out: Annotated[Path | None, typer.Option(help="Output folder; runs/SUITE-SOURCE where left out.")] = None,
    workers: Annotated[int | None, typer.Option(help="Cells at once; as many as the cores carry.")] = None,
    memory: Annotated[
        str,
        typer.Option(
            metavar="SIZE", help="Features in memory, all workers together, such as 4GiB; half of what is free."
        ),
    ] = "",
    threads: Annotated[int, typer.Option(help="Threads a cell; part of its identity.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting, for every cell.")
    ] = None,
    folds: Annotated[int, typer.Option(help="Class folds that validation averages over, 1 to 3.")] = 1,
    validation: Annotated[bool, typer.Option(help="Without it there is no honest number.")] = True,
    tuned: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="An --out of `tune`: its winners beside the rows' own settings."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the matrix and the expected time.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failed cell.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed cells again.")] = False,
    save_models: Annotated[bool, typer.Option("--save-models", help="Keep the weights of the honest epoch.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="A cell that takes longer is ended and recorded as failed; N in one step have N times as long.",
        ),
    ] = None,
    check: Annotated[Path | None, typer.Option(help="Then check against these accepted results.")] = None,
    rows: Annotated[str, typer.Option(help="Of --check: all rows of the file, or those present in the run.")] = "all",
    together: Annotated[
        int | None, typer.Option(metavar="N", help="Seeds trained in one step; as many as is faster where left out.")
    ] = None,
) -> None:
    """Train every cell of a suite that is not done yet, and write the table."""
    from benchmark.run import plan, runner

    options = plan.RunOptions(
        suite=suite,
        variants=names("--variants", variants),
        datasets=names("--datasets", datasets),
        seeds=seeds,
        source=source,
        data=data,
        out=out,
        workers=workers,
        memory=_bytes(memory) if memory else None,
        threads=threads,
        device=device,
        overrides=overrides(set_ or []),
        base_seed=base_seed,
        folds=folds,
        validation=validation,
        tuned=tuned,
        dry_run=dry_run,
        fail_fast=fail_fast,
        retry_failed=retry_failed,
        save_models=save_models,
        timeout=timeout,
        check=check,
        rows=rows,
        together=together,
    )
    if dry_run:
        from benchmark.run.estimate import print_plan

        print_plan(plan.plan(options))
        return
    try:
        code = runner.run(options)
    except KeyboardInterrupt:
        interrupts.say()
        code = INTERRUPTED
    raise typer.Exit(code)


@app.command()
def status(out: Out) -> None:
    """What of a run is done, running, failed and missing, and how long is left."""
    from benchmark.cli.listing import print_status

    raise typer.Exit(print_status(out))


@app.command()
def report(out: Out, protocol: Annotated[str, typer.Option(help="honest, last or oracle.")] = "honest") -> None:
    """Write the report of a run again, from its records."""
    from benchmark.cells.folder import OutputFolder
    from benchmark.reporting.report import write_report

    name = protocol_name(protocol)
    path = write_report(OutputFolder.read(out), name)
    print(path.read_text(encoding="utf-8"))
    # Beside the Markdown, which may go into a file.
    print(f"the page is {out / 'report.html'}", file=sys.stderr)


def _bytes(text: str) -> int:
    """A size such as 4GiB, 700MiB or 2.5GB."""
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        size = TypeAdapter(ByteSize).validate_python(text)
    except ValidationError:
        size = ByteSize(0)
    if size < 1:
        raise InputError(f"--memory {text!r} is not a size; write it as 4GiB, 700MiB or 2.5GB")
    return size
