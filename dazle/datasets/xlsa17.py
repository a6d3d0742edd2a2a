"""What CUB, SUN and AWA2 have in common: an image folder, and an xlsa17 folder that says what the images are for.

`res101.mat` has the images in order, by the authors' absolute paths, and their labels; its `features` are not read. A
label is the row, from 1, of its class in `allclasses_names`, and an image lies in the folder of its class: the two are
held against each other, so that no class gets the attributes of another.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dazle.datasets.image_folder import check_paths, find_images, spelled_classes, stored_name
from dazle.datasets.matlab import MatFile
from dazle.datasets.published_counts import count_notes
from dazle.datasets.raw import RawDataset, with_trained_classes
from dazle.datasets.xlsa17_splits import Splits, read_splits
from dazle.errors import InputError
from dazle.features.feature_set import ClassFold
from dazle.features.splits import FOLDS, draw_folds

__all__ = ["Splits", "read", "read_splits", "semantics_beside", "with_attribute_names"]

WORD_VECTORS = ("w2v.npy", "word_vectors.npy")


def read(images: Path, folder: Path, *, name: str, preset: str, split: str = "proposed") -> RawDataset:
    """The dataset, checked; its notes say what was found. Raises InputError, one line, for whatever is wrong.

    Attribute names and key points are left to the reader of the dataset.
    """
    splits = read_splits(folder, split)
    file = MatFile(_image_list(folder), ["labels", "image_files"])
    named, labels = file.texts("image_files"), _labels(file, len(splits.class_names))
    if len(named) != len(labels):
        raise InputError(f"{file.path}: {len(named):,} image_files but {len(labels):,} labels; fetch the file again")
    check_paths(file.path, named)
    _check_images(splits, len(labels))
    _check_classes(splits, labels)
    compared = _check_folders(file.path, named, labels, splits.class_names)
    folds, fold_note = _folds(name, splits, labels)
    semantics, semantics_note = semantics_beside(
        [folder, images, folder.parent, images.parent], splits.attributes.shape[1]
    )
    raw = RawDataset(
        name=name,
        preset=preset,
        images=find_images(images, named),
        image_files=tuple(map(stored_name, named)),
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
    raw, untrained = with_trained_classes(raw)
    said = [*count_notes(raw), *untrained]
    if split == "standard":
        said[1:] = ["the standard split: no seen class is tested, so T1 and U are all there is"]
    found = [*said, compared, *_split_notes(splits, len(labels)), f"class folds: {fold_note}"]
    return replace(raw, notes=(*found, f"semantics: {semantics_note}"))


def with_attribute_names(raw: RawDataset, path: Path | None, names: tuple[str, ...]) -> RawDataset:
    """The dataset with the names of its attributes, and where they are from; `path` None: they were not found."""
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
    """The first that exists."""
    return next((path for path in candidates if path.is_file()), None)


def _image_list(folder: Path) -> Path:
    """`res101.mat`; the standard split's folder has none, and then that of xlsa17 beside it serves."""
    own = folder / "res101.mat"
    beside = folder.parent.parent / "xlsa17" / "data" / folder.name / "res101.mat"
    return first_file(own, beside) or own


def _labels(file: MatFile, classes: int) -> np.ndarray:
    labels = file.integers("labels")
    wrong = np.flatnonzero((labels < 1) | (labels > classes))
    if wrong.size:
        found = f"labels has {labels[wrong[0]]} in row {wrong[0] + 1}"
        raise InputError(
            f"{file.path}: {found}, outside 1..{classes}, the rows of allclasses_names; take xlsa17's file"
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
    """Seen and unseen classes are apart, and are those that the class lists name."""
    shared = _shared(splits, labels, 0)
    if shared.size:
        room = max(splits.trainval[-1], splits.test_unseen[-1]) + 1 < len(labels)
        from_zero = room and not _shared(splits, labels, 1).size
        remedy = "its indices count from 0; xlsa17 counts from 1" if from_zero else "res101.mat is of other images"
        where = f"class {splits.class_names[shared[0]]} is in trainval_loc and in test_unseen_loc"
        raise InputError(
            f"{splits.path}: {where} ({shared.size} such classes): {remedy}, take both files from one archive"
        )
    lists = {"trainval": ("trainvalclasses.txt", splits.seen), "test_seen": ("trainvalclasses.txt", splits.seen)}
    for key, (file, allowed) in (lists | {"test_unseen": ("testclasses.txt", splits.unseen)}).items():
        strange = np.setdiff1d(labels[getattr(splits, key)], labels if allowed is None else allowed)
        if strange.size:
            found = f"{key} has images of {splits.class_names[strange[0]]}, which {file} does not name"
            raise InputError(f"{splits.path}: {found}; take all files from one archive")


def _shared(splits: Splits, labels: np.ndarray, shift: int) -> np.ndarray:
    return np.intersect1d(labels[splits.trainval + shift], labels[splits.test_unseen + shift])


def _check_folders(path: Path, named: tuple[str, ...], labels: np.ndarray, names: tuple[str, ...]) -> str:
    """Every image lies in the folder of its label's class; returns what to say of it."""
    spelled = spelled_classes(named, names)
    wrong = [row for row, found in enumerate(spelled) if found is not None and found != labels[row]]
    if wrong:
        raise InputError(
            f"{path}: image {wrong[0] + 1}, {stored_name(named[wrong[0]])}, is labelled {names[labels[wrong[0]]]} "
            f"({len(wrong):,} such images); allclasses_names and labels differ in the order of classes"
        )
    unknown = spelled.count(None)
    if unknown == len(named):
        return "class order: not checked, no image lies in a folder that names a class"
    if unknown:
        return f"class order: {unknown:,} images lie in folders that name no class; the others agree with their labels"
    return "class order: every image lies in the folder of its label's class"


def _folds(name: str, splits: Splits, labels: np.ndarray) -> tuple[tuple[ClassFold, ...], str]:
    """The class lists' folds, fold 1 from train_loc and val_loc where they are there, the rest drawn."""
    seen = np.unique(labels[splits.trainval])
    unseen = labels[splits.test_unseen]
    for number, fold in enumerate(splits.folds, 1):
        leaked = np.intersect1d(np.concatenate(_parts(fold)), unseen)
        if leaked.size:
            found = (
                f"fold {number} of the class lists names {splits.class_names[leaked[0]]}, a class of test_unseen_loc"
            )
            raise InputError(f"{splits.path.parent}: {found}; take all files from one archive")
    # The lists of a subset may name classes of which it has no image.
    folds = [ClassFold(*(np.intersect1d(part, seen) for part in _parts(fold))) for fold in splits.folds]
    folds = [fold for fold in folds if all(part.size for part in _parts(fold))]
    said = f"{len(folds)} of the class lists" if folds else "no class lists"
    if splits.train is not None and splits.validation is not None:
        first = ClassFold(np.unique(labels[splits.train]), np.unique(labels[splits.validation]))
        _check_fold(splits, first)
        if folds and not all(map(np.array_equal, _parts(first), _parts(folds[0]))):
            said += ", fold 1 of train_loc and val_loc, which differ from its lists"
        elif not folds:
            said += ", fold 1 of train_loc and val_loc"
        folds[:1] = [first]
    if len(folds) < FOLDS:
        said += f", {FOLDS - len(folds)} drawn from the dataset's name"
        folds += draw_folds(name, seen, folds[0] if folds else None)[len(folds) :]
    return tuple(folds), said


def _parts(fold: ClassFold) -> tuple[np.ndarray, np.ndarray]:
    return fold.train_classes, fold.validation_classes


def _check_fold(splits: Splits, fold: ClassFold) -> None:
    shared = np.intersect1d(*_parts(fold))
    if shared.size or not all(part.size for part in _parts(fold)):
        found = f"share the class {splits.class_names[shared[0]]}" if shared.size else "leave one side without a class"
        raise InputError(f"{splits.path}: train_loc and val_loc {found}; take the file of the xlsa17 archive")


def semantics_beside(folders: list[Path], attributes: int) -> tuple[dict[str, np.ndarray], str]:
    """The attribute vectors that lie beside the archives, and what to say of them."""
    path = first_file(*(folder / file for folder in folders for file in WORD_VECTORS))
    if path is None:
        return {}, f"none ({' or '.join(WORD_VECTORS)} is not beside the splits)"
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a .npy file of numbers; write it with numpy.save, or move it away") from error
    if not isinstance(vectors, np.ndarray) or vectors.dtype.kind != "f" or vectors.ndim != 2:
        raise InputError(f"{path}: not one (attributes, dimensions) array of real numbers; move it away")
    if len(vectors) != attributes:
        return {}, f"none ({path.name} has {len(vectors)} rows, not one for each of the {attributes} attributes)"
    return {"word2vec": vectors.astype(np.float32)}, f"word2vec of {path.name}"


def _provenance(splits: Splits, split: str, folds: str) -> dict[str, Any]:
    said: dict[str, Any] = {"archive": "xlsa17", "split": split, "folds": folds}
    if splits.train is not None and splits.validation is not None:
        said["leak_taken_out"] = splits.leak
        said["honest_images"] = {"train": len(splits.train), "validation": len(splits.validation)}
    if splits.negative:
        said["negative_attributes_set_to_0"] = splits.negative
    return said


def _split_notes(splits: Splits, images: int) -> list[str]:
    if splits.train is None or splits.validation is None:
        notes = ["train_loc and val_loc: not in this copy of att_splits.mat, so the class lists serve"]
    else:
        left = f"{len(splits.train):,} and {len(splits.validation):,} images are left"
        notes = [f"train_loc and val_loc: {splits.leak:,} test images taken out, {left}"]
    outside = images - len(splits.trainval) - len(splits.test_seen) - len(splits.test_unseen)
    if outside:
        notes.append(f"{outside:,} images are in no split")
    if splits.negative:
        notes.append(f"{splits.negative} negative values of att set to 0, as the reference does (missing annotations)")
    return notes
