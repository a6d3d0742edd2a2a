"""`python -m benchmark attention`: where a trained model looks in one image."""

from pathlib import Path
from typing import Annotated

import typer


def attention(
    out: Annotated[Path, typer.Argument(help="The output folder of a run with --save-models.")],
    dataset: Annotated[str, typer.Option(help="A dataset of that run.")],
    image: Annotated[str, typer.Option(help="Index of the image, or its file name in the features.")],
    variant: Annotated[str, typer.Option(help="Whose model.")] = "dazle",
    seed: Annotated[int, typer.Option(help="Of which repetition.")] = 0,
    top: Annotated[int, typer.Option(help="So many attributes that speak most for the predicted class.")] = 6,
    images: Annotated[Path | None, typer.Option(help="Folder of the photographs, to draw on them.")] = None,
    data: Annotated[Path | None, typer.Option(envvar="DAZLE_DATA", help="Folder of prepared features.")] = None,
) -> None:
    """Draw the maps of an image's top attributes into OUT/figures, as SVG and PNG."""
    from benchmark.reporting.attention import AttentionOptions, attention_picture
    from benchmark.reporting.files import write_picture

    picture = attention_picture(AttentionOptions(out, dataset, image, variant, seed, top, images, data))
    print(f"{picture.title}\n{picture.caption}\n{write_picture(out, picture)}")
    if images is None:
        print("on plain cells: --images FOLDER draws on the photograph")
