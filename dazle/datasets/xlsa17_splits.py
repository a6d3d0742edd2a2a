"""Splits of the xlsa17 archive (Xian et al.): `att_splits.mat` and the class lists beside it.

Indices in the files start at 1, here at 0. The trap: `train_loc` and `val_loc`, which are meant for validation, contain
test images of `test_seen_loc`. Only their images in `trainval_loc` are used here.
"""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from dazle.datasets.image_folder import normalised
from dazle.datasets.matlab import MatFile
from dazle.errors import InputError, suggestion
from dazle.features.feature_set import ClassFold
from dazle.features.splits import FOLDS

SPLITS = ("proposed", "standard")
LOCS = ("trainval_loc", "test_seen_loc", "test_unseen_loc", "train_loc", "val_loc")


@dataclass(frozen=True, eq=False)
class Splits:
    """Classes, attributes and splits of the archive; image indices and class ids are sorted int64."""

    path: Path
    class_names: tuple[str, ...]
    attributes: np.ndarray  # (C, A) float32, rows L2-normalised, nothing negative
    original_attributes: np.ndarray | None  # (C, A) float32
    negative: int  # number of negative values in `att`, which are 0 here
    trainval: np.ndarray
    test_seen: np.ndarray  # empty in the standard split
    test_unseen: np.ndarray
    train: np.ndarray | None  # train_loc without test images
    validation: np.ndarray | None  # val_loc without test images
    leak: int  # number of test images in train_loc and val_loc
    folds: tuple[ClassFold, ...]  # from the class lists
    seen: np.ndarray | None  # classes in trainvalclasses.txt
    unseen: np.ndarray | None  # classes in testclasses.txt


def read_splits(folder: Path, split: str = "proposed") -> Splits:
    """The checked splits in a folder of xlsa17. Raises InputError, one line with the file, for any bad input.

    With `split="standard"`, CUB's standard split, the file has only `trainval_loc` and `test_unseen_loc`.
    """
    if split not in SPLITS:
        raise InputError(f"--split {split}: use one of {', '.join(SPLITS)}")
    file = MatFile(folder / "att_splits.mat", ["allclasses_names", "att", "original_att", *LOCS])
    names = file.texts("allclasses_names")
    _check_names(file.path, names)
    trainval, test_unseen = _indices(file, "trainval_loc"), _indices(file, "test_unseen_loc")
    test_seen = _test_seen_indices(file, split)
    _check_disjoint(file.path, {"trainval_loc": trainval, "test_seen_loc": test_seen, "test_unseen_loc": test_unseen})
    train, validation, leak = _without_test_images(file, trainval, np.concatenate([trainval, test_seen, test_unseen]))
    attributes = _by_class(file, "att", names)
    return Splits(
        path=file.path,
        class_names=names,
        attributes=_normalise_rows(file.path, np.maximum(attributes, 0), names),
        original_attributes=_by_class(file, "original_att", names) if "original_att" in file else None,
        negative=int((attributes < 0).sum()),
        trainval=trainval,
        test_seen=test_seen,
        test_unseen=test_unseen,
        train=train,
        validation=validation,
        leak=leak,
        folds=_listed_folds(folder, names),
        seen=read_class_list(folder / "trainvalclasses.txt", names),
        unseen=read_class_list(folder / "testclasses.txt", names),
    )


def read_class_list(path: Path, names: tuple[str, ...]) -> np.ndarray | None:
    """The ids of the classes in a list, one name a line; None if there is no such file."""
    if not path.is_file():
        return None
    ids = {normalised(name): place for place, name in enumerate(names)}
    lines = [line for line in read_lines(path) if line]
    unknown = [line for line in lines if normalised(line) not in ids]
    if unknown:
        hint = suggestion(unknown[0], names)
        raise InputError(f"{path}: {unknown[0]!r} is no class of allclasses_names, {hint}; correct it")
    return np.unique([ids[normalised(line)] for line in lines])


def read_lines(path: Path) -> list[str]:
    """The stripped lines of a text file. Raises InputError if it is not text or cannot be read."""
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error}); fetch it again") from error


def _check_names(path: Path, names: tuple[str, ...]) -> None:
    if len(set(map(normalised, names))) < len(names):
        raise InputError(f"{path}: allclasses_names names a class twice; fetch the file again")
    class_list = path.with_name("allclasses.txt")
    lines = [line for line in read_lines(class_list) if line] if class_list.is_file() else list(names)
    if list(map(normalised, lines)) != list(map(normalised, names)):
        row = next(
            (row for row, pair in enumerate(zip(lines, names, strict=False)) if len({*map(normalised, pair)}) > 1), -1
        )
        difference = (
            f"row {row + 1} is {lines[row]}, not {names[row]}" if row >= 0 else f"{len(lines)}, not {len(names)}"
        )
        fault = f"not the classes of allclasses_names in its order ({difference})"
        raise InputError(f"{class_list}: {fault}; labels count its rows")


def _by_class(file: MatFile, key: str, names: tuple[str, ...]) -> np.ndarray:
    """(C, A) float32; the file has one column for each class."""
    values = file.matrix(key)
    if values.shape[1] != len(names):
        raise InputError(
            f"{file.path}: {key} has the shape {values.shape}; a column for each of the {len(names)} classes is needed"
        )
    return values.T.astype(np.float32, order="C")


def _normalise_rows(path: Path, attributes: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    lengths = np.linalg.norm(attributes, axis=1, keepdims=True)
    if not lengths.all():
        raise InputError(f"{path}: att is all zero for {names[int(lengths.argmin())]}; fetch the file again")
    return attributes / lengths


def _indices(file: MatFile, key: str) -> np.ndarray:
    """Image indices, sorted and from 0."""
    indices = np.sort(file.integers(key))
    if indices.size and indices[0] < 1:
        raise InputError(f"{file.path}: {key} has the index {indices[0]}; xlsa17 counts from 1, take its own file")
    twice = indices[:-1][np.diff(indices) == 0]
    if twice.size:
        raise InputError(f"{file.path}: {key} names image {twice[0]} twice; fetch the file again")
    return indices - 1


def _test_seen_indices(file: MatFile, split: str) -> np.ndarray:
    if split == "standard":
        if "test_seen_loc" in file:
            raise InputError(f"{file.path}: has test_seen_loc, so it is not the standard split; leave --split out")
        return np.array([], np.int64)
    if "test_seen_loc" not in file:
        raise InputError(f"{file.path}: test_seen_loc is missing; for CUB's standard split add --split standard")
    return _indices(file, "test_seen_loc")


def _check_disjoint(path: Path, splits: dict[str, np.ndarray]) -> None:
    for (key, indices), (other_key, other_indices) in combinations(splits.items(), 2):
        shared = np.intersect1d(indices, other_indices)
        if shared.size:
            raise InputError(
                f"{path}: {key} and {other_key} share {shared.size} images, the first is {shared[0] + 1}; "
                "fetch the file again"
            )


def _without_test_images(
    file: MatFile, trainval: np.ndarray, split_images: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None, int]:
    """`train_loc` and `val_loc` restricted to trainval, None if one is missing, and how many images that removes."""
    if "train_loc" not in file or "val_loc" not in file:
        return None, None, 0
    locs = [_indices(file, key) for key in ("train_loc", "val_loc")]
    unknown = np.setdiff1d(np.concatenate(locs), split_images)
    if unknown.size:
        fault = f"train_loc or val_loc has image {unknown[0] + 1}, which is in no split"
        raise InputError(f"{file.path}: {fault} ({unknown.size} such images); fetch the file again")
    train, validation = (np.intersect1d(indices, trainval) for indices in locs)
    return train, validation, sum(map(len, locs)) - len(train) - len(validation)


def _listed_folds(folder: Path, names: tuple[str, ...]) -> tuple[ClassFold, ...]:
    """Folds 1, 2, .. for which both lists exist."""
    folds = []
    for number in range(1, FOLDS + 1):
        paths = [folder / f"{part}classes{number}.txt" for part in ("train", "val")]
        train, validation = (read_class_list(path, names) for path in paths)
        if train is None or validation is None:
            break
        shared = np.intersect1d(train, validation)
        if shared.size:
            raise InputError(f"{paths[1]}: names {names[shared[0]]}, which {paths[0].name} names too; fetch it again")
        folds.append(ClassFold(train, validation))
    return tuple(folds)
