"""Which features a run uses: prepared real ones, or simulated ones, never both."""

import os
from collections.abc import Sequence
from pathlib import Path

from benchmark.matrix import Dataset
from dazle.config import DATASETS, preset
from dazle.errors import InputError

SOURCES = ("auto", "real", "simulated")


def data_folder(given: Path | None) -> Path:
    """The folder of prepared features: `--data`, else $DAZLE_DATA, else `data`."""
    return given or Path(os.environ.get("DAZLE_DATA") or "data")


def feature_path(folder: Path, name: str) -> Path:
    """Where the prepared features of that name lie; `name` has been checked."""
    return folder / f"{name}.h5"


def resolve(
    names: Sequence[str] | None, suite_datasets: Sequence[str], source: str, folder: Path
) -> tuple[list[Dataset], list[str]]:
    """The datasets of a run and lines that say what was left out and why.

    `auto`: the named or the suite's own datasets that are prepared in `folder`; where none is, the simulated ones. A
    dataset that was named and cannot be had from that source raises InputError.
    """
    if source not in SOURCES:
        raise InputError(f"--source {source!r} is not one of {', '.join(SOURCES)}")
    wanted = list(dict.fromkeys(names)) if names else list(suite_datasets)
    _check_known(wanted, folder)
    prepared = [name for name in wanted if feature_path(folder, name).is_file()]
    if source == "auto":
        source = "real" if prepared else "simulated"
    if source == "simulated":
        return [_simulated(name) for name in wanted], []
    missing = [name for name in wanted if name not in prepared]
    if missing and (names or not prepared):
        raise InputError(
            f"{missing[0]!r} is not prepared in {folder} ({feature_path(folder, missing[0])}); prepare it with "
            "`python -m benchmark data`, or use --source simulated"
        )
    notes = [f"{name} is left out: it is not prepared in {folder}" for name in missing]
    return [_real(feature_path(folder, name)) for name in prepared], notes


def _check_known(wanted: Sequence[str], folder: Path) -> None:
    import difflib

    known = sorted({*DATASETS, *(path.stem for path in folder.glob("*.h5"))})
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)
            raise InputError(
                f"unknown dataset {name!r}; the nearest is {near[0]!r} (known: {', '.join(known)}; folder {folder})"
            )


def _simulated(name: str) -> Dataset:
    from dazle.datasets import simulated

    if name not in simulated.SHAPES:
        raise InputError(f"{name!r} has no simulated features; there are {', '.join(simulated.SHAPES)}")
    shape = simulated.SHAPES[name]
    return Dataset(
        name=name,
        preset=name,
        source="simulated",
        backbone="simulated",
        fingerprint=simulated.fingerprint(name),
        semantics={"word2vec": "of the generator"},
        published_counts=False,
        images=shape.images,
        regions=(shape.grid[0] * shape.grid[1], shape.channels),
        attributes=shape.attributes,
        classes=(shape.seen, shape.unseen),
        settings=simulated.simulated_settings(name),
    )


def _real(path: Path) -> Dataset:
    from dazle.datasets.published_counts import has_published_counts
    from dazle.feature_file import open_features

    features = open_features(path)
    images, regions, channels = features.regions.shape
    return Dataset(
        name=features.name,
        preset=features.preset,
        source=features.source,
        backbone=features.backbone,
        fingerprint=features.fingerprint,
        semantics={name: features.semantics_sha256(name) for name in features.semantics},
        published_counts=has_published_counts(features),
        images=images,
        regions=(regions, channels),
        attributes=features.attributes.shape[1],
        classes=(len(features.seen_classes), len(features.unseen_classes)),
        settings=preset(features.preset),
    )
