"""The options of `throughput`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from benchmark.cells.options import ABOVE_ZERO, POSITIVE, CommandOptions, Option, read_names
from benchmark.machine import Device

Precision = Literal["float32", "tf32", "bf16"]
Comparison = Literal["reference", "bf16", "compile", "graph"]


def read_comparisons(flag: str, text: str) -> tuple[str, ...]:
    """The names of comparisons. The word `none` gives an empty list."""
    return () if text == "none" else read_names(flag, text)


@dataclass(frozen=True)
class Options(CommandOptions):
    """What is measured, for how long, and where the results go."""

    variants: Annotated[
        tuple[str, ...],
        Option(
            "Variants to measure: names or patterns such as lambda-*.", "NAME,NAME", default_text="all", read=read_names
        ),
    ] = ()
    shapes: Annotated[
        tuple[str, ...],
        Option(
            "Datasets whose shapes are measured; simulated-NAME: the smaller simulated set of that name.",
            "NAME,NAME",
            read=read_names,
        ),
    ] = ("cub", "sun", "awa2", "deepfashion")
    precisions: Annotated[
        tuple[Precision, ...],
        Option("float32, bf16, or on a GPU tf32.", "NAME,NAME", flag="--precision", read=read_names),
    ] = ("float32",)
    comparisons: Annotated[
        tuple[Comparison, ...],
        Option(
            "Other forms of the full model's training step to compare with: reference, bf16, compile, graph; or none.",
            "NAME,NAME",
            flag="--compare",
            read=read_comparisons,
        ),
    ] = ("reference", "bf16", "compile", "graph")
    device: Annotated[Device, Option("Device to measure; auto: a GPU if there is one, else the CPU.")] = "auto"
    threads: Annotated[int | None, Option("CPU threads.", "N", default_text="all cores", limits=POSITIVE)] = None
    seconds: Annotated[
        float,
        Option("Time for each measurement; it is extended if the times vary.", "SECONDS", limits=ABOVE_ZERO),
    ] = 0.3
    out: Annotated[Path, Option("Folder for throughput.md, .csv and .json.", "FOLDER")] = Path("runs/throughput")
    overwrite: Annotated[bool, Option("Replace measurements in that folder.")] = False
