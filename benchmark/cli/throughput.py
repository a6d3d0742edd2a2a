"""`python -m benchmark throughput`: what every variant costs on this device."""

from pathlib import Path
from typing import Annotated

import typer


def throughput(
    variants: Annotated[
        str | None, typer.Option(metavar="GLOB,..", help="Only these; all of them where left out.")
    ] = None,
    shapes: Annotated[
        str, typer.Option(metavar="A,B", help="Datasets, or simulated-cub and so on for the simulated sizes.")
    ] = "cub,sun,awa2,deepfashion",
    precision: Annotated[str, typer.Option(metavar="A,B", help="float32, bf16, and on a GPU tf32.")] = "float32",
    compare: Annotated[
        str, typer.Option(metavar="A,B", help="Ways of the full model's step, or none.")
    ] = "reference,bf16,compile,together,graph",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="On a CPU; all cores where left out.")] = None,
    seconds: Annotated[float, typer.Option(help="For each piece of work, more where it is unsteady.")] = 0.3,
    out: Annotated[Path, typer.Option(help="Folder of throughput.md, .csv and .json.")] = Path("runs/throughput"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace measurements in that folder.")] = False,
) -> None:
    """Images/s, latency, memory and share of the device's peak for every variant; no data is needed."""
    from benchmark.cli import interrupts
    from benchmark.cli.interrupts import INTERRUPTED
    from benchmark.cli.options import names
    from benchmark.throughput.runner import Options, run

    options = Options(
        variants=names("--variants", variants),
        shapes=names("--shapes", shapes),
        precisions=names("--precision", precision),
        comparisons=() if compare == "none" else names("--compare", compare),
        device=device,
        threads=threads,
        seconds=seconds,
        out=out,
        overwrite=overwrite,
    )
    try:
        print(run(options))
    except KeyboardInterrupt:
        interrupts.say("nothing was written")
        raise typer.Exit(INTERRUPTED) from None
