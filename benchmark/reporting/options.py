"""The options of `attention`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from benchmark.cells.options import POSITIVE, CommandOptions, Data, Option


@dataclass(frozen=True)
class AttentionOptions(CommandOptions):
    """Whose attention is drawn, on which image, and for how many attributes."""

    out: Annotated[Path, Option("Output folder of a run with --save-models.", positional=True)]
    dataset: Annotated[str, Option("Dataset of the image; one that is in the run.", "NAME")]
    image: Annotated[str, Option("Index of the image, or its file name as stored in the feature file.", "IMAGE")]
    variant: Annotated[str, Option("Variant whose model is shown.", "NAME")] = "dazle"
    seed: Annotated[int, Option("Repetition whose model is shown.", "N", limits={"ge": 0})] = 0
    top: Annotated[
        int,
        Option(
            "Number of attributes to draw: those with the largest share of the score of the predicted class.",
            "N",
            limits=POSITIVE,
        ),
    ] = 6
    images: Annotated[
        Path | None,
        Option("Folder of the photographs to draw the maps on.", "FOLDER", default_text="plain cells of the grid"),
    ] = None
    data: Data = None
