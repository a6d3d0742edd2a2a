"""The datasets of a run, by name and source: real features or simulated ones, never both."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cells.matrix import Dataset
from dazle.errors import InputError, cannot_read, unknown

if TYPE_CHECKING:
    from dazle.features.feature_set import FeatureSet


def data_folder(option: Path | None) -> Path:
    """The folder of prepared features: `option` (--data), else $DAZLE_DATA, else `data`."""
    return user_folder(option) or Path("data")


def user_folder(option: Path | None) -> Path | None:
    """The folder that the user names, by --data (`option`) or $DAZLE_DATA; None if neither is given."""
    variable = os.environ.get("DAZLE_DATA")
    return option or (Path(variable) if variable else None)


def feature_path(folder: Path, name: str) -> Path:
    """The path of the prepared features of that name; `name` has been checked."""
    return folder / f"{name}.h5"


def prepared_files(folder: Path) -> list[Path]:
    """The files of prepared features in a folder; none without a folder. Raises InputError if it cannot be read."""
    if not folder.exists():
        return []
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".h5" and not path.name.startswith("."))
    except OSError as error:
        raise cannot_read(folder, error, "give the folder of prepared features with --data") from None


def resolve(
    names: Sequence[str] | None, suite_datasets: Sequence[str], source: str, folder: Path
) -> tuple[list[Dataset], list[str]]:
    """The datasets of a run, and a note for each one that is left out.

    `auto`: the real ones among `names` (or the suite's own) that are prepared in `folder`; if there are none, the
    simulated ones, prepared (`cub-full`) or simulated when they are loaded. Raises InputError for a named dataset that
    the source does not have: a table never mixes the two.
    """
    requested = list(dict.fromkeys(names)) if names else list(suite_datasets)
    _check_names(requested, folder)
    files = [feature_path(folder, name) for name in requested]
    prepared = {path.stem: _prepared(path) for path in files if path.is_file()}
    real = [name for name in prepared if prepared[name].source == "real"]
    if source == "auto":
        source = "real" if real else "simulated"
    if source == "simulated":
        return [_simulated(name, prepared.get(name), folder) for name in requested], []
    missing = [name for name in requested if name not in real]
    if missing and (names or not real):
        raise InputError(_not_real(missing[0], prepared, folder))
    notes = [f"{name} is left out: it is not prepared in {folder}" for name in missing]
    return [prepared[name] for name in real], notes


def _not_real(name: str, prepared: Mapping[str, Dataset], folder: Path) -> str:
    path = feature_path(folder, name)
    if name in prepared:
        return (
            f"{name!r} ({path}) is simulated, and a table never mixes sources; use --source simulated, or real datasets"
        )
    return (
        f"{name!r} is not prepared in {folder} ({path}); prepare it with `python -m benchmark data prepare {name} ..`, "
        "or use --source simulated"
    )


def _check_names(names: Sequence[str], folder: Path) -> None:
    from dazle.datasets.simulated import SHAPES

    datasets = sorted({*SHAPES, *(path.stem for path in prepared_files(folder))})
    for name in names:
        if name not in datasets:
            raise unknown("dataset", name, datasets, f"folder {folder}")


def _simulated(name: str, prepared: Dataset | None, folder: Path) -> Dataset:
    from dazle.datasets import simulated

    if prepared is not None and prepared.source == "simulated":
        return prepared
    if name not in simulated.SHAPES:
        raise InputError(
            f"{name!r} ({feature_path(folder, name)}) is real; the simulated datasets are {', '.join(simulated.SHAPES)}"
        )
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
    )


def _prepared(path: Path) -> Dataset:
    from dazle.datasets.published_counts import has_published_counts
    from dazle.features.feature_file import open_features

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
        file=path,
    )


_loaded: "dict[tuple[str, Path | None], FeatureSet]" = {}


def load_features(name: str, file: Path | None, memory: int) -> "FeatureSet":
    """The features of a dataset: in memory if they fit into `memory` bytes, else read batch by batch.

    A process keeps the last dataset that it loaded, for all phases and cells that follow.
    """
    key = (name, file)
    if key not in _loaded:
        _loaded.clear()
        _loaded[key] = _open(name, file, memory)
    return _loaded[key]


def _open(name: str, file: Path | None, memory: int) -> "FeatureSet":
    from dataclasses import replace

    if file is None:
        from dazle.datasets.simulated import simulate

        return simulate(name)
    from dazle.features.feature_file import open_features
    from dazle.features.stored_regions import CachedRegions

    features = open_features(file)
    if features.regions.nbytes <= memory:
        return replace(features, regions=CachedRegions(features.regions))
    # Training and evaluation each read ahead; the rest is for the batches in use (`plan.least_memory`).
    features.regions.read_ahead = min(features.regions.read_ahead, memory // 8)
    return features
