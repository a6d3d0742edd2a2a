"""DeepFashion's Category and Attribute Prediction Benchmark, from its owners' lists to the paper's split.

Ten of its 50 categories are unseen; those without images are dropped and labels renumbered in the order of the
category ids. trainval is the official train and val of the seen categories, test_seen their official test, and
test_unseen every image of the unseen ones. Images keep the order of `list_category_img.txt`; the other lists are
matched by name.

A class vector is `normalize((mean + 1) / 2)`, with the mean of the annotations -1, 0 and 1 of the category's
images (`extract_annotation_DeepFashion.py` and `DeepFashionDataLoader.py` of hbdat/cvpr20_DAZLE).
"""

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dazle.datasets import deepfashion_lists as lists
from dazle.datasets.npy_semantics import find_word2vec
from dazle.datasets.published_counts import count_notes
from dazle.datasets.raw import RawDataset
from dazle.errors import InputError
from dazle.features.feature_file import Progress
from dazle.features.feature_set import ClassFold
from dazle.features.splits import draw_folds

UNSEEN = (12, 15, 2, 19, 29, 30, 26, 44, 42, 48)  # category ids, from 1, in the order of the paper's code
PARTITIONS = ("train", "val", "test")
CATEGORIES = 50
CLASS_VECTORS = ("train-only", "paper")
FOLDS_SAID = "3 drawn from the name deepfashion"


def class_folds(seen_classes: np.ndarray) -> tuple[ClassFold, ...]:
    """The three class folds, the same for every preparation and import of the dataset, whatever its name."""
    return draw_folds("deepfashion", seen_classes)


def vectors_of(means: np.ndarray) -> np.ndarray:
    """(C, A) float32 of unit length from mean annotations in -1..1; a class with only -1 stays zero."""
    shares = (np.asarray(means, np.float64) + 1) / 2
    lengths = np.linalg.norm(shares, axis=1, keepdims=True)
    return (shares / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def read(
    images: Path,
    annotations: Path,
    *,
    name: str,
    class_vectors: str = "train-only",
    progress: Progress = lambda done, images: None,
) -> RawDataset:
    """Read and check the lists under `annotations`, and find their images under `images`.

    `class_vectors` says which images a class vector averages. `paper`: all of the category, test images
    included. `train-only`: those of trainval; unseen categories have no such images, so theirs still average
    all they have. Raises InputError for whatever is wrong; an image that is listed and not there is a note, and
    its annotations count.
    """
    if class_vectors not in CLASS_VECTORS:
        raise InputError(f"class vectors {class_vectors!r}: use one of {', '.join(CLASS_VECTORS)}")
    files = lists.find(annotations)
    table = _table(files)
    found, missing = _found(images, table.images)
    sums = _sums(files, table, progress)
    kept, notes = _kept(table)
    used = np.flatnonzero(np.isin(table.category, kept))
    labels, split = np.searchsorted(kept, table.category[used]), table.split[used]
    means = _means(table, sums, kept, class_vectors)
    trainval, test_seen, test_unseen = (np.flatnonzero(split == number) for number in range(3))
    semantics, said = find_word2vec([annotations, images, annotations.parent], len(table.attributes))
    raw = RawDataset(
        name=name,
        preset="deepfashion",
        images=tuple(found[image] for image in used),
        image_files=tuple(table.images[image] for image in used),
        labels=labels,
        attributes=_vectors(files, means, [table.categories[number - 1] for number in kept]),
        original_attributes=means.astype(np.float32),
        semantics=semantics,
        trainval=trainval,
        test_seen=test_seen,
        test_unseen=test_unseen,
        folds=class_folds(np.unique(labels[trainval])),
        class_names=tuple(table.categories[number - 1] for number in kept),
        attribute_names=table.attributes,
        key_points=None,
        provenance=_provenance(files, table, kept, class_vectors) | {"semantics": said},
        notes=(),
    )
    described = (*_vector_notes(table, kept, class_vectors), f"class folds: {FOLDS_SAID}", f"semantics: {said}")
    return replace(raw, notes=(*count_notes(raw), *notes, *described, *missing))


@dataclass(frozen=True, eq=False)
class _Table:
    """The lists joined: one row an image, in the order of list_category_img.txt."""

    categories: tuple[str, ...]
    attributes: tuple[str, ...]
    images: tuple[str, ...]
    category: np.ndarray  # (N,) ids, from 1
    split: np.ndarray  # (N,) 0 trainval, 1 test_seen, 2 test_unseen


def _table(files: dict[str, Path]) -> _Table:
    categories = lists.names(files["list_category_cloth.txt"])
    attributes = lists.names(files["list_attr_cloth.txt"])
    ids = lists.column(files["list_category_img.txt"], lambda text: _category(text, len(categories)))
    parts = lists.column(files["list_eval_partition.txt"], _partition)
    for one, other, path in (
        (ids, parts, files["list_eval_partition.txt"]),
        (parts, ids, files["list_category_img.txt"]),
    ):
        _all_there(one, other, path)
    category = np.array(list(ids.values()), np.int64)
    tested = np.array([parts[image] == "test" for image in ids], bool)
    split = np.where(np.isin(category, UNSEEN), 2, tested.astype(np.int64))
    return _Table(categories, attributes, tuple(ids), category, split)


def _category(text: str, categories: int) -> int:
    if not text.isdigit() or not 1 <= int(text) <= categories:
        raise ValueError(f"category {text!r} is not one of 1..{categories}, the lines of list_category_cloth.txt")
    return int(text)


def _partition(text: str) -> str:
    if text not in PARTITIONS:
        raise ValueError(f"partition {text!r} is not one of {', '.join(PARTITIONS)}")
    return text


def _all_there(images: Collection[str], others: Collection[str], path: Path) -> None:
    missing = [image for image in images if image not in others]
    if missing:
        raise InputError(f"{path}: {len(missing):,} images are missing, the first is {missing[0]}; all lists need each")


def _found(folder: Path, images: tuple[str, ...]) -> tuple[list[Path], list[str]]:
    """The image files under `folder`, which may hold `img`, hold `Img/img`, or be `img`; notes on missing ones."""
    if not images:
        raise InputError(f"{folder}: list_category_img.txt names no image")
    inside = [folder.parent] if folder.name == images[0].split("/")[0] else []
    for place in (folder, folder / "Img", *inside):
        missing = [image for image in images if not os.path.isfile(os.path.join(place, image))]
        if len(missing) < len(images):
            first = (
                f"{len(missing):,} listed images are not there, the first is {place / missing[0]}" if missing else ""
            )
            return [place / image for image in images], [first] * bool(missing)
    raise InputError(f"{folder}: no listed image is there, the first is {images[0]}; give the folder that holds img")


def _sums(files: dict[str, Path], table: _Table, progress: Progress) -> np.ndarray:
    """(3, categories + 1, A): annotations added up by split and category id; a list of 900 MB, never kept."""
    sums = np.zeros((3, len(table.categories) + 1, len(table.attributes)), np.int64)
    numbers = {image: number for number, image in enumerate(table.images)}
    annotated = lists.annotations(files["list_attr_img.txt"], numbers, len(table.attributes))
    for done, (image, values) in enumerate(annotated, 1):
        sums[table.split[image], table.category[image]] += values
        if done % 1000 == 0 or done == len(numbers):
            progress(done, len(numbers))
    return sums


def _counts(table: _Table) -> np.ndarray:
    """(3, categories + 1) images by split and category id."""
    counts = np.zeros((3, len(table.categories) + 1), np.int64)
    np.add.at(counts, (table.split, table.category), 1)
    return counts


def _kept(table: _Table) -> tuple[np.ndarray, list[str]]:
    """Ids of the categories that become classes, and what is to be said about the others."""
    counts = _counts(table)
    kept = np.flatnonzero(counts[0] + counts[2])
    notes = []
    if len(table.categories) != CATEGORIES:
        notes.append(f"{len(table.categories)} categories, not the benchmark's {CATEGORIES}: ids may mean others here")
    empty = np.flatnonzero(counts.sum(axis=0) == 0)[1:]
    if empty.size:
        notes.append(f"{empty.size} categories have no images and are dropped: {_named(table, empty)}")
    tested = np.flatnonzero((counts[0] == 0) & (counts[1] > 0))
    if tested.size:
        left = f"their {counts[1, tested].sum():,} images are left out"
        notes.append(f"{tested.size} categories have test images and none to train on, {left}: {_named(table, tested)}")
    return kept, notes


def _named(table: _Table, ids: np.ndarray) -> str:
    return ", ".join(f"{table.categories[number - 1]} ({number})" for number in ids)


def _means(table: _Table, sums: np.ndarray, kept: np.ndarray, choice: str) -> np.ndarray:
    """(C, A) mean annotations; a seen class has test images only in sums[1], an unseen one all in sums[2]."""
    counts = _counts(table)
    splits = [0, 1, 2] if choice == "paper" else [0, 2]
    return sums[splits].sum(axis=0)[kept] / counts[splits].sum(axis=0)[kept, None]


def _vectors(files: dict[str, Path], means: np.ndarray, names: list[str]) -> np.ndarray:
    vectors = vectors_of(means)
    without = np.flatnonzero(~vectors.any(axis=1))
    if without.size:
        raise InputError(
            f"{files['list_attr_img.txt']}: no image of the category {names[without[0]]!r} has an attribute, so it "
            "has no class vector; take more of its images, or leave it out of the lists"
        )
    return vectors


def _provenance(files: dict[str, Path], table: _Table, kept: np.ndarray, choice: str) -> dict[str, Any]:
    return {
        "read_from": ", ".join(files),
        "listed_images": len(table.images),
        "class_vectors": choice,
        "unseen_category_ids": ", ".join(str(number) for number in UNSEEN if number in kept),
        "category_ids": ", ".join(map(str, kept)),
        "folds": FOLDS_SAID,
    }


def _vector_notes(table: _Table, kept: np.ndarray, choice: str) -> list[str]:
    counts = _counts(table)[:, kept].sum(axis=1)
    unseen = (
        f"class vectors of unseen categories average the attribute annotations of their own {counts[2]:,} images, "
        "all of them test images: they have no others, and without them no description"
    )
    if choice == "paper":
        seen = (
            f"class vectors of seen categories average all their images, {counts[1]:,} test images included, "
            "as the paper does"
        )
    else:
        seen = f"class vectors of seen categories average their {counts[0]:,} images of trainval alone"
    return [seen, unseen]
