"""A raw dataset becomes a feature file: its images are looked at, extracted, and put beside all that describes them.

Whatever is wrong with the descriptions or an image is said before the hours of extraction begin. Beside the feature
file stand, until it is whole, what the look at the images found and the regions extracted so far.
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
TOLERANCE = 1  # a part lies near the edge of its cell as often as not
Progress = Callable[[str, int, int], object]  # is told what is being done, how many images are done, and of how many


def prepare(
    raw: RawDataset,
    backbone: Backbone,
    target: Path,
    *,
    skip_broken: bool = False,
    batch: int = BATCH,
    progress: Progress = lambda doing, done, images: None,
    say: Callable[[str], object] = print,
) -> FeatureSet:
    """Write the feature file `target` and return it opened; started again after an interruption it goes on.

    Raises InputError for broken images unless `skip_broken` leaves them out, and for whatever else is wrong.
    """
    check_identity(raw.name, raw.preset, "real")
    work_path, kept = (target.with_name(f".{target.name}.{what}") for what in ("work", "images"))
    with lock_path(work_path):
        raw, sizes = _usable(raw, kept, skip_broken, progress, say)
        identity = _identity(raw, backbone, batch)
        shape = (len(raw.images), backbone.grid[0] * backbone.grid[1], backbone.channels)
        work = WorkFile(work_path, shape, identity)
        features = _described(raw, backbone, work, sizes, identity)
        check(features)
        work.recover(batch, lambda done, images: progress("checking", done, images), say)
        check_space(work)
        extract(work, raw.images, backbone, batch, lambda done, images: progress("extracting", done, images))
        progress("writing", 0, len(raw.images))
        write(target, features, lambda done, images: progress("writing", done, images))
        for path in (work_path, kept):
            path.unlink(missing_ok=True)
    return open_features(target)


def _usable(
    raw: RawDataset, kept: Path, skip_broken: bool, progress: Progress, say: Callable[[str], object]
) -> tuple[RawDataset, np.ndarray]:
    """The dataset without its broken images, and the (N, 2) sizes of the others."""
    found = survey(raw.images, kept, lambda done, images: progress("looking at", done, images))
    if not found.broken:
        return raw, found.sizes
    complaint = (
        f"{len(found.broken):,} of {len(raw.images):,} images cannot be used: {found.complaint(raw.image_files)}"
    )
    if len(found.broken) == len(raw.images):
        raise InputError(f"{raw.name}: {complaint}; give the folder of the archive's images")
    if not skip_broken:
        raise InputError(f"{raw.name}: {complaint}; repair them, or leave them out with --skip-broken")
    say(f"left out: {complaint}")
    provenance = raw.provenance | {"left_out_images": [raw.image_files[image] for image in found.broken]}
    whole = np.setdiff1d(np.arange(len(raw.images)), list(found.broken))
    left = drop_images(raw, found.broken)
    _check_left(raw, left, say)
    if "honest_images" in provenance:
        provenance["honest_images"] = _honest_images(left)
    return replace(left, provenance=provenance), found.sizes[whole]


def _honest_images(raw: RawDataset) -> dict[str, int]:
    """How many images of trainval are of the classes of either side of fold 1."""
    labels, fold = raw.labels[raw.trainval], raw.folds[0]
    sides = {"train": fold.train_classes, "validation": fold.validation_classes}
    return {side: int(np.isin(labels, classes).sum()) for side, classes in sides.items()}


def _check_left(before: RawDataset, left: RawDataset, say: Callable[[str], object]) -> None:
    """Says which classes are gone and why; InputError where validation would have nothing to go by."""
    for label in np.setdiff1d(before.labels[before.trainval], left.labels[left.trainval]):
        say(f"class {before.class_names[label]}: no image is left to train on, so it is left out of folds and test")
    for label in np.setdiff1d(before.labels[before.test_unseen], left.labels[left.test_unseen]):
        say(f"class {before.class_names[label]}: no image is left to test on")
    if before.test_seen.size and not left.test_seen.size:
        say("no image of a seen class is left to test on: T1 and U are all there is")
    for number, fold in enumerate(left.folds, 1):
        for side, classes in (("train", fold.train_classes), ("validation", fold.validation_classes)):
            if not classes.size:
                raise InputError(
                    f"{before.name}: class fold {number} has no {side} class with a readable image left; "
                    "repair images of its classes"
                )


def _identity(raw: RawDataset, backbone: Backbone, batch: int) -> dict[str, Any]:
    """What an extraction that is continued must have in common with the one that was begun."""
    return {
        "images": file_states(raw.images),
        "backbone": backbone.name,
        "weights": backbone.weights_sha256,
        "preparation": backbone.preparation.name,
        "grid": list(backbone.grid),
        "channels": backbone.channels,
        "batch": batch,  # other sizes, other last bits
        "device": backbone.device.type,
        "versions": {package: metadata.version(package) for package in PACKAGES},
    }


def _described(
    raw: RawDataset, backbone: Backbone, work: WorkFile, sizes: np.ndarray, identity: dict[str, Any]
) -> FeatureSet:
    names = json.dumps(raw.image_files).encode()
    of_extraction = {key: identity[key] for key in ("preparation", "batch", "device", "versions")}
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
        | {"made_by": "data prepare", "weights_sha256": backbone.weights_sha256}
        | of_extraction
        | {"image_list_sha256": hashlib.sha256(names).hexdigest()},
    )


def _places(raw: RawDataset, backbone: Backbone, sizes: np.ndarray) -> Places | None:
    points = raw.key_points
    if points is None:
        return None
    regions = part_regions(points.points, sizes, backbone.preparation, backbone.grid)
    return Places(regions, points.attribute_parts, points.present, TOLERANCE)


def part_regions(points: np.ndarray, sizes: np.ndarray, preparation: Preparation, grid: tuple[int, int]) -> np.ndarray:
    """(N, P) int16: the region of each part, -1 where it is not visible or was cropped away.

    points: (N, P, 2) x, y in pixels of the image file, NaN where not visible; sizes: (N, 2) width, height of the file.
    """
    found = [preparation.locate(of_image, *size) for of_image, size in zip(points, sizes.tolist(), strict=True)]
    located = np.array(found).reshape(points.shape)
    rows, columns = grid
    # The right and lower edge belong to the last cell.
    cells = np.minimum(np.nan_to_num(located) * (columns, rows), (columns - 1, rows - 1)).astype(np.int16)
    visible = np.isfinite(located).all(axis=-1)
    return np.where(visible, cells[..., 1] * columns + cells[..., 0], -1).astype(np.int16)
