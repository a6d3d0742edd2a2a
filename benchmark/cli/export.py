"""The command `data export`: prepared features as a file that the authors' codes read."""

from pathlib import Path
from typing import Annotated, Literal

from benchmark.cells.options import Data, Option
from benchmark.cli.data import prepared
from benchmark.progress import progress
from dazle.errors import InputError


def export(
    name: Annotated[str, Option("Prepared dataset.", positional=True)],
    into: Annotated[Path, Option("File that is written.", "FILE.hdf5")],
    layout: Annotated[
        Literal["reference"], Option("Layout of the file; reference: that of DAZLE, MSDN and TransZero.")
    ] = "reference",
    data: Data = None,
    overwrite: Annotated[bool, Option("Replace a file of that name.")] = False,
) -> None:
    """Write prepared features in another layout, so that other codes can be run on them."""
    from dazle.datasets.export_reference import export_reference
    from dazle.features.feature_file import open_features

    [path] = prepared(data, name)
    if into.exists() and (into.is_dir() or not overwrite or into.samefile(path)):
        raise InputError(f"{into}: exists already; add --overwrite to replace a file, or give another name")
    features = open_features(path)
    with progress(name) as update:
        export_reference(features, into, lambda done, images: update("exporting", done, images))
    rows, columns = features.grid
    shape = f"({len(features.labels):,}, {features.regions.shape[2]:,}, {rows}, {columns})"
    print(f"{name}: feature_map {shape}, written to {into}: {into.stat().st_size / 1e6:,.0f} MB")
    if features.original_attributes is None:
        print("  without original_att: the features have only normalised class attributes")
