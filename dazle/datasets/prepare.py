"""Preparation of a feature file from a raw dataset (`data prepare`): decode all images, extract regions, write.

Bad input of any kind is reported before extraction begins, which can take hours. Until the feature file is complete,
two files beside it hold the survey of the images and the regions extracted so far, so that a run can be resumed.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from dazle.datasets.raw import RawDataset, drop_images
from dazle.errors import InputError
from dazle.extraction.backbones import Backbone
from dazle.extraction.extract import WorkFile, check_space, extract, lock_path
from dazle.extraction.images import file_states, survey
from dazle.extraction.preparation import Preparation
from dazle.features.feature_file import check_identity, open_features, write
from dazle.features.feature_set import FeatureSet, Places, check

BATCH = 32
PACKAGES = ("torch", "torchvision", "pillow")
TOLERANCE = 1  # cells; many parts are near the edge of their cell
Progress = Callable[[str, int, int], object]  # called with (name of the stage, images done, all images)


def prepare(
    raw: RawDataset,
    backbone: Backbone,
    target: Path,
    *,
    skip_broken: bool = False,
    batch: int = BATCH,
    progress: Progress = lambda doing, done, images: None,
    log: Callable[[str], object] = print,
) -> FeatureSet:
    """Write the feature file `target` and return it opened; after an interruption the same call resumes.

    Raises InputError for broken images, unless `skip_broken` leaves them out, and for any other bad input. `log` is
    called with lines that the user should read.
    """
    check_identity(raw.name, raw.preset, "real")
    work_path, survey_path = (target.with_name(f".{target.name}.{what}") for what in ("work", "images"))
    with lock_path(work_path):
        raw, sizes = _drop_broken(raw, survey_path, skip_broken, progress, log)
        identity = _identity(raw, backbone, batch)
        shape = (len(raw.images), backbone.grid[0] * backbone.grid[1], backbone.channels)
        work = WorkFile(work_path, shape, identity)
        features = _feature_set(raw, backbone, work, sizes, identity)
        check(features)
        work.recover(batch, lambda done, images: progress("checking", done, images), log)
        check_space(work)
        extract(work, raw.images, backbone, batch, lambda done, images: progress("extracting", done, images))
        progress("writing", 0, len(raw.images))
        write(target, features, lambda done, images: progress("writing", done, images))
        for path in (work_path, survey_path):
            path.unlink(missing_ok=True)
    return open_features(target)


def _drop_broken(
    raw: RawDataset, survey_path: Path, skip_broken: bool, progress: Progress, log: Callable[[str], object]
) -> tuple[RawDataset, np.ndarray]:
    """The dataset without broken images, and the (N, 2) sizes of the remaining images."""
    result = survey(raw.images, survey_path, lambda done, images: progress("decoding", done, images))
    if not result.broken:
        return raw, result.sizes
    complaint = (
        f"{len(result.broken):,} of {len(raw.images):,} images cannot be used: {result.complaint(raw.image_files)}"
    )
    if len(result.broken) == len(raw.images):
        raise InputError(f"{raw.name}: {complaint}; give the folder of the archive's images")
    if not skip_broken:
        raise InputError(f"{raw.name}: {complaint}; repair them, or leave them out with --skip-broken")
    log(f"left out: {complaint}")
    provenance = raw.provenance | {"left_out_images": [raw.image_files[image] for image in result.broken]}
    rows = np.setdiff1d(np.arange(len(raw.images)), list(result.broken))
    remaining = drop_images(raw, result.broken)
    _check_remaining(raw, remaining, log)
    if "honest_images" in provenance:
        provenance["honest_images"] = _honest_images(remaining)
    return replace(remaining, provenance=provenance), result.sizes[rows]


def _honest_images(raw: RawDataset) -> dict[str, int]:
    """Number of trainval images of the train and of the validation classes of fold 1."""
    labels, fold = raw.labels[raw.trainval], raw.folds[0]
    sides = {"train": fold.train_classes, "validation": fold.validation_classes}
    return {side: int(np.isin(labels, classes).sum()) for side, classes in sides.items()}


def _check_remaining(before: RawDataset, remaining: RawDataset, log: Callable[[str], object]) -> None:
    """Logs the classes that lost all their images. Raises InputError if a class fold has no classes left."""
    for label in np.setdiff1d(before.labels[before.trainval], remaining.labels[remaining.trainval]):
        log(f"class {before.class_names[label]}: no image is left to train on, so it is left out of folds and test")
    for label in np.setdiff1d(before.labels[before.test_unseen], remaining.labels[remaining.test_unseen]):
        log(f"class {before.class_names[label]}: no image is left to test on")
    if before.test_seen.size and not remaining.test_seen.size:
        log("no image of a seen class is left to test on, so only T1 and U exist")
    for number, fold in enumerate(remaining.folds, 1):
        for side, classes in (("train", fold.train_classes), ("validation", fold.validation_classes)):
            if not classes.size:
                raise InputError(
                    f"{before.name}: class fold {number} has no {side} class with a readable image left; "
                    "repair images of its classes"
                )


def _identity(raw: RawDataset, backbone: Backbone, batch: int) -> dict[str, Any]:
    """The properties that must be equal to resume an interrupted extraction."""
    return {
        "images": file_states(raw.images),
        "backbone": backbone.name,
        "weights": backbone.weights_sha256,
        "preparation": backbone.preparation.name,
        "grid": list(backbone.grid),
        "averaged_from": backbone.full_grid and list(backbone.full_grid),
        "channels": backbone.channels,
        "batch": batch,  # the last bits of regions depend on it
        "device": backbone.device.type,
        "versions": {package: metadata.version(package) for package in (*PACKAGES, *backbone.packages)},
    }


def _feature_set(
    raw: RawDataset, backbone: Backbone, work: WorkFile, sizes: np.ndarray, identity: dict[str, Any]
) -> FeatureSet:
    names = json.dumps(raw.image_files).encode()
    network = {"model": backbone.name, "weights": backbone.weights, "weights_sha256": backbone.weights_sha256}
    extraction = {key: identity[key] for key in ("preparation", "batch", "device", "versions")}
    extraction["grid"] = _grid(backbone)
    return FeatureSet(
        name=raw.name,
        preset=raw.preset,
        source="real",
        fingerprint="",
        regions=work,
        labels=raw.labels,
        attributes=raw.attributes,
        semantics=raw.semantics,
        trainval=raw.trainval,
        test_seen=raw.test_seen,
        test_unseen=raw.test_unseen,
        folds=raw.folds,
        grid=backbone.grid,
        places=_places(raw, backbone, sizes),
        backbone=backbone.title,
        class_names=raw.class_names,
        attribute_names=raw.attribute_names,
        image_files=raw.image_files,
        original_attributes=raw.original_attributes,
        provenance=raw.provenance
        | {"made_by": "data prepare"}
        | network
        | extraction
        | {"image_list_sha256": hashlib.sha256(names).hexdigest()},
    )


def _grid(backbone: Backbone) -> str:
    text, full = "{} x {} regions".format(*backbone.grid), backbone.full_grid
    return text if full is None else f"{text}, averages of {full[0]} x {full[1]}"


def _places(raw: RawDataset, backbone: Backbone, sizes: np.ndarray) -> Places | None:
    points = raw.key_points
    if points is None:
        return None
    regions = part_regions(points.points, sizes, backbone.preparation, backbone.grid)
    return Places(regions, points.attribute_parts, points.present, TOLERANCE)


def part_regions(points: np.ndarray, sizes: np.ndarray, preparation: Preparation, grid: tuple[int, int]) -> np.ndarray:
    """(N, P) int16: the region of each part, -1 if it is not visible or cropped away.

    `points`: (N, P, 2) x, y in pixels of the image file, NaN if not visible; `sizes`: (N, 2) width, height of the file.
    """
    pairs = zip(points, sizes.tolist(), strict=True)
    located = np.array([preparation.locate(image_points, *size) for image_points, size in pairs]).reshape(points.shape)
    rows, columns = grid
    # The right and lower edge belong to the last cell.
    cells = np.minimum(np.nan_to_num(located) * (columns, rows), (columns - 1, rows - 1)).astype(np.int16)
    visible = np.isfinite(located).all(axis=-1)
    return np.where(visible, cells[..., 1] * columns + cells[..., 0], -1).astype(np.int16)
