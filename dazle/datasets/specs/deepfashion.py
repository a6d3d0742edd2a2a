"""Reader of DeepFashion (Category and Attribute Prediction Benchmark) with the split of the DAZLE paper.

Ten of the 50 categories are unseen. Categories without images are dropped, and labels are numbered in the order of the
category ids. trainval is the official train and val of the seen categories, test_seen their official test, and
test_unseen all images of the unseen categories. Images are in the order of `list_category_img.txt`; the other lists are
matched by image name.

A class vector is `normalize((mean + 1) / 2)` of the mean annotation (-1, 0 or 1) over the category's images, as in
`extract_annotation_DeepFashion.py` and `DeepFashionDataLoader.py` of hbdat/cvpr20_DAZLE.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dazle.datasets import deepfashion_lists as lists
from dazle.datasets.npy_semantics import find_word2vec
from dazle.datasets.published_counts import count_notes
from dazle.datasets.raw import RawDataset
from dazle.datasets.spec import DatasetSpec, Shape
from dazle.errors import InputError
from dazle.features.feature_file import Progress
from dazle.features.feature_set import ClassFold
from dazle.features.splits import draw_folds

UNSEEN_CATEGORIES = (12, 15, 2, 19, 29, 30, 26, 44, 42, 48)  # category ids, from 1, in the order of the paper's code
PARTITIONS = ("train", "val", "test")
CATEGORIES = 50
CLASS_VECTORS = ("train-only", "paper")
FOLDS_NOTE = "3 drawn from the name deepfashion"


def class_folds(seen_classes: np.ndarray) -> tuple[ClassFold, ...]:
    """The three class folds: equal for every preparation and import of the dataset, under any name."""
    return draw_folds("deepfashion", seen_classes)


def vectors_from_means(means: np.ndarray) -> np.ndarray:
    """(C, A) float32 class vectors of unit length from mean annotations in -1..1; zero for a class with only -1."""
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
    """The checked dataset from the lists under `annotations` and the images under `images`.

    `class_vectors` selects the images that a class vector averages. `paper`: all images of the category, test images
    included. `train-only`: those in trainval; unseen categories have none, so theirs average all their images. Raises
    InputError, one line, for any bad input. A listed image that does not exist gives a note; its annotations are used.
    """
    if class_vectors not in CLASS_VECTORS:
        raise InputError(f"class vectors {class_vectors!r}: use one of {', '.join(CLASS_VECTORS)}")
    files = lists.find(annotations)
    table = _table(files)
    paths, missing = lists.find_images(images, table.images)
    sums = _sums(files, table, progress)
    class_ids, notes = _used_categories(table)
    images_used = np.flatnonzero(np.isin(table.category, class_ids))
    labels, split = np.searchsorted(class_ids, table.category[images_used]), table.split[images_used]
    means = _means(table, sums, class_ids, class_vectors)
    trainval, test_seen, test_unseen = (np.flatnonzero(split == number) for number in range(3))
    semantics, semantics_note = find_word2vec([annotations, images, annotations.parent], len(table.attributes))
    raw = RawDataset(
        name=name,
        preset="deepfashion",
        images=tuple(paths[image] for image in images_used),
        image_files=tuple(table.images[image] for image in images_used),
        labels=labels,
        attributes=_vectors(files, means, [table.categories[number - 1] for number in class_ids]),
        original_attributes=means.astype(np.float32),
        semantics=semantics,
        trainval=trainval,
        test_seen=test_seen,
        test_unseen=test_unseen,
        folds=class_folds(np.unique(labels[trainval])),
        class_names=tuple(table.categories[number - 1] for number in class_ids),
        attribute_names=table.attributes,
        key_points=None,
        provenance=_provenance(files, table, class_ids, class_vectors) | {"semantics": semantics_note},
        notes=(),
    )
    notes += [*_vector_notes(table, class_ids, class_vectors), f"class folds: {FOLDS_NOTE}"]
    return replace(raw, notes=(*count_notes(raw), *notes, f"semantics: {semantics_note}", *missing))


@dataclass(frozen=True, eq=False)
class _Table:
    """The joined lists; images in the order of list_category_img.txt."""

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
    for images, others, path in (
        (ids, parts, files["list_eval_partition.txt"]),
        (parts, ids, files["list_category_img.txt"]),
    ):
        _check_complete(images, others, path)
    category = np.array(list(ids.values()), np.int64)
    is_test = np.array([parts[image] == "test" for image in ids], bool)
    split = np.where(np.isin(category, UNSEEN_CATEGORIES), 2, is_test.astype(np.int64))
    return _Table(categories, attributes, tuple(ids), category, split)


def _category(text: str, categories: int) -> int:
    if not text.isdigit() or not 1 <= int(text) <= categories:
        raise ValueError(f"category {text!r} is not one of 1..{categories}, the lines of list_category_cloth.txt")
    return int(text)


def _partition(text: str) -> str:
    if text not in PARTITIONS:
        raise ValueError(f"partition {text!r} is not one of {', '.join(PARTITIONS)}")
    return text


def _check_complete(images: Collection[str], others: Collection[str], path: Path) -> None:
    missing = [image for image in images if image not in others]
    if missing:
        count = f"{len(missing):,} images are missing, the first is {missing[0]}"
        raise InputError(f"{path}: {count}; every list must have every image")


def _sums(files: dict[str, Path], table: _Table, progress: Progress) -> np.ndarray:
    """(3, categories + 1, A): sums of annotations by split and category id; the list of 900 MB is streamed."""
    sums = np.zeros((3, len(table.categories) + 1, len(table.attributes)), np.int64)
    numbers = {image: number for number, image in enumerate(table.images)}
    annotated = lists.annotations(files["list_attr_img.txt"], numbers, len(table.attributes))
    for done, (image, values) in enumerate(annotated, 1):
        sums[table.split[image], table.category[image]] += values
        if done % 1000 == 0 or done == len(numbers):
            progress(done, len(numbers))
    return sums


def _counts(table: _Table) -> np.ndarray:
    """(3, categories + 1): numbers of images by split and category id."""
    counts = np.zeros((3, len(table.categories) + 1), np.int64)
    np.add.at(counts, (table.split, table.category), 1)
    return counts


def _used_categories(table: _Table) -> tuple[np.ndarray, list[str]]:
    """The ids of the categories that become classes, and notes about the others."""
    counts = _counts(table)
    class_ids = np.flatnonzero(counts[0] + counts[2])
    notes = []
    if len(table.categories) != CATEGORIES:
        notes.append(f"{len(table.categories)} categories, not the benchmark's {CATEGORIES}: ids may mean others here")
    empty = np.flatnonzero(counts.sum(axis=0) == 0)[1:]
    if empty.size:
        notes.append(f"{empty.size} categories have no images and are dropped: {_category_names(table, empty)}")
    test_only = np.flatnonzero((counts[0] == 0) & (counts[1] > 0))
    if test_only.size:
        images = f"their {counts[1, test_only].sum():,} images are left out"
        names = _category_names(table, test_only)
        notes.append(f"{test_only.size} categories have test images but no training images, {images}: {names}")
    return class_ids, notes


def _category_names(table: _Table, ids: np.ndarray) -> str:
    return ", ".join(f"{table.categories[number - 1]} ({number})" for number in ids)


def _means(table: _Table, sums: np.ndarray, class_ids: np.ndarray, class_vectors: str) -> np.ndarray:
    """(C, A) mean annotations. Test images of seen classes are in sums[1], all images of unseen classes in sums[2]."""
    counts = _counts(table)
    splits = [0, 1, 2] if class_vectors == "paper" else [0, 2]
    return sums[splits].sum(axis=0)[class_ids] / counts[splits].sum(axis=0)[class_ids, None]


def _vectors(files: dict[str, Path], means: np.ndarray, names: list[str]) -> np.ndarray:
    vectors = vectors_from_means(means)
    zero = np.flatnonzero(~vectors.any(axis=1))
    if zero.size:
        raise InputError(
            f"{files['list_attr_img.txt']}: no image of the category {names[zero[0]]!r} has an attribute, so it "
            "has no class vector; take more of its images, or leave it out of the lists"
        )
    return vectors


def _provenance(files: dict[str, Path], table: _Table, class_ids: np.ndarray, class_vectors: str) -> dict[str, Any]:
    return {
        "read_from": ", ".join(files),
        "listed_images": len(table.images),
        "class_vectors": class_vectors,
        "unseen_category_ids": ", ".join(str(number) for number in UNSEEN_CATEGORIES if number in class_ids),
        "category_ids": ", ".join(map(str, class_ids)),
        "folds": FOLDS_NOTE,
    }


def _vector_notes(table: _Table, class_ids: np.ndarray, class_vectors: str) -> list[str]:
    counts = _counts(table)[:, class_ids].sum(axis=1)
    unseen = (
        f"class vectors of unseen categories average the attribute annotations of their own {counts[2]:,} images, "
        "all of them test images: they have no other images, and no other description"
    )
    if class_vectors == "paper":
        seen = (
            f"class vectors of seen categories average all their images, {counts[1]:,} test images included, "
            "as the paper does"
        )
    else:
        seen = f"class vectors of seen categories average their {counts[0]:,} images in trainval only"
    return [seen, unseen]


SPEC = DatasetSpec(
    name="deepfashion",
    about="DeepFashion, 46 categories of clothes",
    read=read,
    needs={"annotations": "the folder with list_category_img.txt and the others"},
    takes=("class_vectors", "progress"),
    published={"images": 289_222, "attributes": 1_000, "seen classes": 36, "unseen classes": 10},
    # Not verified: trainval is the middle of the published range, the others divide the rest as the official partition.
    full_size={"trainval": 205_050, "test_seen": 32_910, "test_unseen": 51_262},
    simulated=Shape(
        # Many noisy attributes.
        groups=20,
        attributes_per_group=3,
        seen=48,
        unseen=12,
        train_images=24,
        test_images=10,
        annotation_noise=0.05,
        clutter=3,
        noise=0.15,
        prototype_noise=0.4,
    ),
)
