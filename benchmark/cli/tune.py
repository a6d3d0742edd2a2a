"""`tune`: its options."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli import interrupts
from benchmark.cli.interrupts import INTERRUPTED


def tune(
    variant: Annotated[str, typer.Option(metavar="GLOB,..", help="Rows to tune, each with the same budget.")],
    dataset: Annotated[str, typer.Option(metavar="A,B", help="On these datasets.")],
    trials: Annotated[int, typer.Option(help="Trials of each study, the row's own settings first.")],
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="A database, for several machines; a journal in --out without.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Output folder; runs/tune-SOURCE where left out.")] = None,
    objective: Annotated[str, typer.Option(help="H, T1 or AUSUC on validation classes.")] = "H",
    sampler: Annotated[str, typer.Option(help="tpe, random or gp.")] = "tpe",
    pruner: Annotated[str, typer.Option(help="median, halving, hyperband or none.")] = "median",
    workers: Annotated[int | None, typer.Option(help="Trials at once; as many as the cores carry.")] = None,
    seeds: Annotated[int, typer.Option(help="Repetitions that a trial averages over.")] = 1,
    base_seed: Annotated[int, typer.Option(help="What the random streams of tuning derive from.")] = 214,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting; it is not tuned then.")
    ] = None,
    folds: Annotated[int, typer.Option(help="Class folds that a trial averages over, 1 to 3.")] = 3,
    source: Annotated[str, typer.Option(help="auto, real or simulated.")] = "auto",
    data: Annotated[Path | None, typer.Option(envvar="DAZLE_DATA", help="Folder of prepared features.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(help="Threads a trial.")] = 1,
) -> None:
    """Search settings for variants by their validation classes; `run --tuned OUT` takes the winners into a suite."""
    from benchmark.cli.options import names, overrides
    from benchmark.tuning.tuner import TuneOptions
    from benchmark.tuning.tuner import tune as run_studies

    options = TuneOptions(
        variants=names("--variant", variant),
        datasets=names("--dataset", dataset),
        trials=trials,
        storage=storage,
        out=out,
        objective=objective,
        sampler=sampler,
        pruner=pruner,
        workers=workers,
        seeds=seeds,
        base_seed=base_seed,
        overrides=overrides(set_ or []),
        folds=folds,
        source=source,
        data=data,
        device=device,
        threads=threads,
    )
    try:
        code = run_studies(options)
    except KeyboardInterrupt:
        interrupts.say()
        code = INTERRUPTED
    raise typer.Exit(code)
