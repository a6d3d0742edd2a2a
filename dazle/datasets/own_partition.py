"""The partition of a user's own images into trainval, test_seen and test_unseen: from a CSV file, or drawn.

Drawn: the unseen classes, and 20 % of the images of each seen class for test_seen. The streams are those of the names
of classes, so that equal images have equal partitions on every machine, with every backbone and under every name.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dazle.datasets.class_folders import class_key
from dazle.datasets.csv_table import CsvTable, read_csv
from dazle.errors import InputError, suggestion
from dazle.features.splits import FOLDS, HELD_OUT
from dazle.streams import stream

UNSEEN_SHARE = 0.3  # of the classes
LEAST_TRAIN = 3  # images of a seen class: validation holds two of them out, and trains on the others
SEED = 0
SPLITS = ("train", "test_seen", "test_unseen")
CONTENTS = f"a CSV file with the columns image or class, and split ({', '.join(SPLITS)})"


@dataclass(frozen=True, eq=False)
class Images:
    """The images of a dataset, by their paths in its folder, with their labels, and the file that names the classes."""

    folder: Path
    files: tuple[str, ...]
    labels: np.ndarray  # (N,)
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Partition:
    """Image indices, sorted; facts for the provenance and notes for the user."""

    trainval: np.ndarray
    test_seen: np.ndarray
    test_unseen: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def draw(images: Images, unseen: int | None, where: str) -> Partition:
    """A drawn partition with `unseen` unseen classes, by default three tenths. Raises InputError, beginning `where`."""
    classes = len(images.classes)
    count = max(1, round(UNSEEN_SHARE * classes)) if unseen is None else unseen
    if not 1 <= count <= classes - FOLDS:
        fault = f"{count} unseen of {classes} classes leave {max(0, classes - count)} seen ones"
        remedy = f"choose 1 to {classes - FOLDS}" if classes > FOLDS else f"{FOLDS + 1} classes are the fewest"
        raise InputError(f"{where}: {fault}, and the {FOLDS} class folds need {FOLDS}; {remedy}")
    # Sorted by their names: the order of the lines in the file does not matter.
    order = np.array(sorted(range(classes), key=lambda place: class_key(images.classes[place])))
    drawn = np.sort(np.random.default_rng(stream("unseen classes", SEED)).permutation(order)[:count])
    facts = {"partition": "drawn", "seed": SEED, "unseen_classes": ", ".join(images.classes[label] for label in drawn)}
    note = f"partition: {count} of {classes} classes drawn as unseen (seed {SEED}): {facts['unseen_classes']}"
    return _from_classes(images, drawn, facts, (note, *_few_classes(count)))


def _few_classes(count: int) -> tuple[str, ...]:
    return ("one unseen class: T1, which chooses among unseen classes, is always 100",) if count == 1 else ()


def _from_classes(images: Images, unseen: np.ndarray, facts: dict[str, Any], notes: tuple[str, ...]) -> Partition:
    """Test images of seen classes are drawn: 20 % of each, rounded."""
    is_unseen = np.isin(images.labels, unseen)
    held_out = [_held_out(images, label) for label in np.unique(images.labels[~is_unseen])]
    test_seen = np.sort(np.concatenate(held_out))
    trainval = np.setdiff1d(np.flatnonzero(~is_unseen), test_seen)
    facts = facts | {"test_seen": f"{HELD_OUT:.0%} of the images of each seen class, drawn"}
    return Partition(trainval, test_seen, np.flatnonzero(is_unseen), facts, notes)


def _held_out(images: Images, label: int) -> np.ndarray:
    rows = np.flatnonzero(images.labels == label)
    if len(rows) <= LEAST_TRAIN:
        raise InputError(
            f"{images.folder}: seen class {images.classes[label]!r} has {len(rows)} images, and {LEAST_TRAIN + 1} are "
            f"the fewest: 1 for the test, 2 for validation, 1 to train on; add images, or remove the class"
        )
    count = max(1, round(HELD_OUT * len(rows)))
    generator = np.random.default_rng(stream("test_seen", SEED, class_key(images.classes[label])))
    return generator.choice(rows, count, replace=False)


def read_partition(images: Images, path: Path) -> Partition:
    """The partition of a CSV file; by classes, test_seen is drawn. Raises InputError, one line with file and line."""
    table = read_csv(path, CONTENTS)
    columns = [name.lower() for name in table.header]
    kinds = [kind for kind in ("image", "class") if kind in columns]
    if len(kinds) != 1 or "split" not in columns:
        raise InputError(f"{path}: its header is {', '.join(table.header)}; give {CONTENTS}")
    name, split = columns.index(kinds[0]), columns.index("split")
    for number, cells in table.lines.items():
        if cells[split] not in SPLITS:
            raise InputError(f"{path}: line {number} has the split {cells[split]!r}; use one of {', '.join(SPLITS)}")
    entries = {number: (cells[name], cells[split]) for number, cells in table.lines.items()}
    facts = {"partition": path.name}
    return (_by_image if kinds == ["image"] else _by_class)(images, table, entries, facts)


def _by_class(images: Images, table: CsvTable, entries: dict[int, tuple[str, str]], facts: dict[str, Any]) -> Partition:
    places = {class_key(name): place for place, name in enumerate(images.classes)}
    splits: dict[int, str] = {}
    for number, (name, split) in entries.items():
        label = places.get(class_key(name))
        if label is None:
            hint = suggestion(name, images.classes)
            raise InputError(f"{table.path}: line {number} has the unknown class {name!r}; {hint}; correct it")
        if split == "test_seen":
            fault = f"line {number} has the class {name!r} in test_seen"
            raise InputError(f"{table.path}: {fault}, which has images of seen classes; write train, or list images")
        if splits.setdefault(label, split) != split:
            raise InputError(f"{table.path}: line {number} has the class {name!r} in train and test_unseen; choose one")
    missing = [name for place, name in enumerate(images.classes) if place not in splits]
    if missing:
        fault = f"the class {missing[0]!r} ({len(missing)} such classes) has no line"
        raise InputError(f"{table.path}: {fault}; add it with train or test_unseen")
    unseen = np.array([label for label, split in sorted(splits.items()) if split == "test_unseen"], np.int64)
    _check_sides(table.path, len(splits) - len(unseen), len(unseen))
    note = f"partition: {len(unseen)} unseen classes of {table.path.name}; test_seen is drawn"
    return _from_classes(images, unseen, facts | {"seed": SEED}, (note, *_few_classes(len(unseen))))


def _by_image(images: Images, table: CsvTable, entries: dict[int, tuple[str, str]], facts: dict[str, Any]) -> Partition:
    rows = {file: row for row, file in enumerate(images.files)}
    lines: dict[int, int] = {}  # row of the image -> line
    for number, (name, _) in entries.items():
        row = rows.get(name.replace("\\", "/").removeprefix("./"))
        if row is None:
            hint = suggestion(name, images.files)
            raise InputError(
                f"{table.path}: line {number} has the unknown image {name!r}; {hint}; write paths in {images.folder}"
            )
        if lines.setdefault(row, number) != number:
            raise InputError(
                f"{table.path}: line {number} has the image {name!r} of line {lines[row]}; keep one of them"
            )
    parts = {
        split: np.array(sorted(r for r, n in lines.items() if entries[n][1] == split), np.int64) for split in SPLITS
    }
    _check_classes(images, table.path, parts, lines)
    trainval, test_seen, test_unseen = parts.values()
    outside = len(images.files) - len(lines)
    notes = [f"partition: {table.path.name}" + f"; {outside:,} images have no line and are in no split" * bool(outside)]
    if not test_seen.size:
        notes.append("no image is test_seen: T1 and U are all there is; mark images of seen classes for S and H")
    notes += _few_classes(len(np.unique(images.labels[test_unseen])))
    return Partition(trainval, test_seen, test_unseen, facts, tuple(notes))


def _check_classes(images: Images, path: Path, parts: dict[str, np.ndarray], lines: dict[int, int]) -> None:
    """Raises InputError for a class that is both seen and unseen, tested but not trained, or too small."""
    classes = {split: np.unique(images.labels[rows]) for split, rows in parts.items()}
    for seen in ("train", "test_seen"):
        shared = np.intersect1d(classes[seen], classes["test_unseen"])
        if shared.size:
            places = [_line(images, parts[split], shared[0], lines) for split in (seen, "test_unseen")]
            fault = f"the class {images.classes[shared[0]]!r} is in {seen} (line {places[0]}) and in test_unseen"
            raise InputError(f"{path}: {fault} (line {places[1]}); a class is seen or unseen, choose one")
    untrained = np.setdiff1d(classes["test_seen"], classes["train"])
    if untrained.size:
        line = _line(images, parts["test_seen"], untrained[0], lines)
        fault = f"the class {images.classes[untrained[0]]!r} is in test_seen (line {line}) and not in train"
        raise InputError(f"{path}: {fault}; train on some of its images, or write test_unseen")
    _check_sides(path, len(classes["train"]), len(classes["test_unseen"]))
    for label in classes["train"]:
        count = int((images.labels[parts["train"]] == label).sum())
        if count < LEAST_TRAIN:
            fault = f"the class {images.classes[label]!r} has {count} images in train, and {LEAST_TRAIN} are the fewest"
            raise InputError(f"{path}: {fault}: validation holds 2 of them out; add images, or leave the class out")


def _line(images: Images, rows: np.ndarray, label: int, lines: dict[int, int]) -> int:
    return min(lines[row] for row in rows.tolist() if images.labels[row] == label)


def _check_sides(path: Path, seen: int, unseen: int) -> None:
    if not unseen:
        raise InputError(f"{path}: no class is test_unseen; mark at least one")
    if seen < FOLDS:
        raise InputError(f"{path}: {seen} classes are in train, and the {FOLDS} class folds need {FOLDS}; mark more")
