"""Reader of the xlsa17 archive (Xian et al.), common to CUB, SUN and AWA2: image folder, labels, splits, attributes.

`res101.mat` lists the images by the authors' absolute paths, with their labels; its `features` are not read. A label is
the row, from 1, of a class in `allclasses_names`. It is compared with the folder of the image, which is named after the
class, so that no class gets the attributes of another.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dazle.datasets.image_folder import check_paths, find_images, folder_classes, stored_name
from dazle.datasets.matlab import MatFile
from dazle.datasets.npy_semantics import find_word2vec
from dazle.datasets.published_counts import count_notes
from dazle.datasets.raw import RawDataset, drop_untrained_classes
from dazle.datasets.xlsa17_splits import Splits, read_splits
from dazle.errors import InputError
from dazle.features.feature_set import ClassFold
from dazle.features.splits import FOLDS, draw_folds


def read(images: Path, folder: Path, *, name: str, preset: str, split: str = "proposed") -> RawDataset:
    """The checked dataset, without attribute names and key points, which the reader of each dataset adds.

    `images`: image folder; `folder`: the dataset's folder of xlsa17. Raises InputError, one line, for any bad input.
    """
    splits = read_splits(folder, split)
    file = MatFile(_image_list(folder), ["labels", "image_files"])
    image_files, labels = file.texts("image_files"), _labels(file, len(splits.class_names))
    if len(image_files) != len(labels):
        counts = f"{len(image_files):,} image_files but {len(labels):,} labels"
        raise InputError(f"{file.path}: {counts}; fetch the file again")
    check_paths(file.path, image_files)
    _check_images(splits, len(labels))
    _check_classes(splits, labels)
    order_note = _check_folders(file.path, image_files, labels, splits.class_names)
    folds, fold_note = _folds(name, splits, labels)
    semantics, semantics_note = find_word2vec(
        [folder, images, folder.parent, images.parent], splits.attributes.shape[1]
    )
    raw = RawDataset(
        name=name,
        preset=preset,
        images=find_images(images, image_files),
        image_files=tuple(map(stored_name, image_files)),
        labels=labels,
        attributes=splits.attributes,
        original_attributes=splits.original_attributes,
        semantics=semantics,
        trainval=splits.trainval,
        test_seen=splits.test_seen,
        test_unseen=splits.test_unseen,
        folds=folds,
        class_names=splits.class_names,
        attribute_names=(),
        key_points=None,
        provenance=_provenance(splits, split, fold_note) | {"semantics": semantics_note},
        notes=(),
    )
    raw, untrained = drop_untrained_classes(raw)
    notes = [*count_notes(raw), *untrained]
    if split == "standard":
        notes[1:] = ["the standard split: it has no test images of seen classes, so only T1 and U exist"]
    notes += [order_note, *_split_notes(splits, len(labels)), f"class folds: {fold_note}"]
    return replace(raw, notes=(*notes, f"semantics: {semantics_note}"))


def set_attribute_names(raw: RawDataset, path: Path | None, names: tuple[str, ...]) -> RawDataset:
    """The dataset with the attribute `names` read from `path`; None if there is no such file."""
    if path is None:
        return replace(raw, notes=(*raw.notes, "attribute names: not found, so they cannot be looked up as words"))
    attributes = raw.attributes.shape[1]
    if len(names) != attributes:
        raise InputError(f"{path}: names {len(names)} attributes, att has {attributes}; take the archive's own file")
    provenance = raw.provenance | {"attribute_names": path.name}
    return replace(
        raw, attribute_names=names, provenance=provenance, notes=(*raw.notes, f"attribute names: {path.name}")
    )


def first_file(*candidates: Path) -> Path | None:
    """The first path that is a file."""
    return next((path for path in candidates if path.is_file()), None)


def _image_list(folder: Path) -> Path:
    """`res101.mat` of the folder; CUB's standard split has none and uses that of the xlsa17 folder beside it."""
    path = folder / "res101.mat"
    fallback = folder.parent.parent / "xlsa17" / "data" / folder.name / "res101.mat"
    return first_file(path, fallback) or path


def _labels(file: MatFile, classes: int) -> np.ndarray:
    labels = file.integers("labels")
    wrong = np.flatnonzero((labels < 1) | (labels > classes))
    if wrong.size:
        fault = f"labels has {labels[wrong[0]]} in row {wrong[0] + 1}"
        raise InputError(
            f"{file.path}: {fault}, outside 1..{classes}, the rows of allclasses_names; take xlsa17's file"
        )
    return labels - 1


def _check_images(splits: Splits, images: int) -> None:
    for key in ("trainval", "test_seen", "test_unseen"):
        last = getattr(splits, key).max(initial=-1) + 1
        if last > images:
            raise InputError(
                f"{splits.path}: {key}_loc has the index {last}, but res101.mat has {images:,} images; "
                "take both files from one archive"
            )


def _check_classes(splits: Splits, labels: np.ndarray) -> None:
    """Raises InputError if seen and unseen classes overlap or are not those of the class lists."""
    shared = _shared(splits, labels, 0)
    if shared.size:
        in_range = max(splits.trainval[-1], splits.test_unseen[-1]) + 1 < len(labels)
        from_zero = in_range and not _shared(splits, labels, 1).size
        remedy = "its indices count from 0; xlsa17 counts from 1" if from_zero else "res101.mat is of other images"
        fault = f"class {splits.class_names[shared[0]]} is in trainval_loc and in test_unseen_loc"
        raise InputError(
            f"{splits.path}: {fault} ({shared.size} such classes): {remedy}, take both files from one archive"
        )
    lists = {"trainval": ("trainvalclasses.txt", splits.seen), "test_seen": ("trainvalclasses.txt", splits.seen)}
    for key, (file, listed) in (lists | {"test_unseen": ("testclasses.txt", splits.unseen)}).items():
        unlisted = np.setdiff1d(labels[getattr(splits, key)], labels if listed is None else listed)
        if unlisted.size:
            fault = f"{key} has images of {splits.class_names[unlisted[0]]}, which {file} does not name"
            raise InputError(f"{splits.path}: {fault}; take all files from one archive")


def _shared(splits: Splits, labels: np.ndarray, shift: int) -> np.ndarray:
    return np.intersect1d(labels[splits.trainval + shift], labels[splits.test_unseen + shift])


def _check_folders(path: Path, image_files: tuple[str, ...], labels: np.ndarray, names: tuple[str, ...]) -> str:
    """Raises InputError if an image lies in the folder of another class; returns a note for the user."""
    classes = folder_classes(image_files, names)
    wrong = [row for row, class_id in enumerate(classes) if class_id is not None and class_id != labels[row]]
    if wrong:
        raise InputError(
            f"{path}: image {wrong[0] + 1}, {stored_name(image_files[wrong[0]])}, is labelled "
            f"{names[labels[wrong[0]]]} ({len(wrong):,} such images); allclasses_names and labels differ in the order "
            "of classes"
        )
    unmatched = classes.count(None)
    if unmatched == len(image_files):
        return "class order: not checked, no image lies in a folder that names a class"
    if unmatched:
        return (
            f"class order: {unmatched:,} images lie in folders that name no class; the others agree with their labels"
        )
    return "class order: every image lies in the folder of its label's class"


def _folds(name: str, splits: Splits, labels: np.ndarray) -> tuple[tuple[ClassFold, ...], str]:
    """Three class folds and a note about them: from the class lists, fold 1 from train_loc and val_loc if present.

    Missing folds are drawn.
    """
    seen = np.unique(labels[splits.trainval])
    unseen = labels[splits.test_unseen]
    for number, fold in enumerate(splits.folds, 1):
        leaked = np.intersect1d(np.concatenate(_parts(fold)), unseen)
        if leaked.size:
            fault = (
                f"fold {number} of the class lists names {splits.class_names[leaked[0]]}, a class of test_unseen_loc"
            )
            raise InputError(f"{splits.path.parent}: {fault}; take all files from one archive")
    # The lists of a subset may name classes without images.
    folds = [ClassFold(*(np.intersect1d(part, seen) for part in _parts(fold))) for fold in splits.folds]
    folds = [fold for fold in folds if all(part.size for part in _parts(fold))]
    note = f"{len(folds)} of the class lists" if folds else "no class lists"
    if splits.train is not None and splits.validation is not None:
        first = ClassFold(np.unique(labels[splits.train]), np.unique(labels[splits.validation]))
        _check_fold(splits, first)
        if folds and not all(map(np.array_equal, _parts(first), _parts(folds[0]))):
            note += ", fold 1 of train_loc and val_loc, which differ from its lists"
        elif not folds:
            note += ", fold 1 of train_loc and val_loc"
        folds[:1] = [first]
    if len(folds) < FOLDS:
        note += f", {FOLDS - len(folds)} drawn from the dataset's name"
        folds += draw_folds(name, seen, folds[0] if folds else None)[len(folds) :]
    return tuple(folds), note


def _parts(fold: ClassFold) -> tuple[np.ndarray, np.ndarray]:
    return fold.train_classes, fold.validation_classes


def _check_fold(splits: Splits, fold: ClassFold) -> None:
    shared = np.intersect1d(*_parts(fold))
    if shared.size or not all(part.size for part in _parts(fold)):
        fault = f"share the class {splits.class_names[shared[0]]}" if shared.size else "leave one side without a class"
        raise InputError(f"{splits.path}: train_loc and val_loc {fault}; take the file of the xlsa17 archive")


def _provenance(splits: Splits, split: str, folds: str) -> dict[str, Any]:
    provenance: dict[str, Any] = {"archive": "xlsa17", "split": split, "folds": folds}
    if splits.train is not None and splits.validation is not None:
        provenance["leak_taken_out"] = splits.leak
        provenance["honest_images"] = {"train": len(splits.train), "validation": len(splits.validation)}
    if splits.negative:
        provenance["negative_attributes_set_to_0"] = splits.negative
    return provenance


def _split_notes(splits: Splits, images: int) -> list[str]:
    if splits.train is None or splits.validation is None:
        notes = ["train_loc and val_loc: not in this copy of att_splits.mat, so the class lists are used"]
    else:
        sizes = f"{len(splits.train):,} and {len(splits.validation):,} images are left"
        notes = [f"train_loc and val_loc: {splits.leak:,} test images taken out, {sizes}"]
    outside = images - len(splits.trainval) - len(splits.test_seen) - len(splits.test_unseen)
    if outside:
        notes.append(f"{outside:,} images are in no split")
    if splits.negative:
        notes.append(f"{splits.negative} negative values of att set to 0, as the reference does (missing annotations)")
    return notes
