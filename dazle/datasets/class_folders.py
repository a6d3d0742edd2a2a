"""Images in folders of classes: every image belongs to the innermost folder on its path that is named after a class.

So a folder of a class may contain folders, and may lie in others. Names are compared as `image_folder.normalised` does.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from dazle.datasets.image_folder import normalised
from dazle.errors import InputError, suggestion

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pnm")


def class_key(name: str) -> str:
    """The form in which names of classes and folders are compared: accents may be stored in two ways."""
    return normalised(unicodedata.normalize("NFC", name))


def find_classes(folder: Path, table: Path, classes: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray, list[str]]:
    """The images under a folder by their paths in it, sorted, with their labels (N,), and notes for the user.

    `classes` are those of the file `table`. Raises InputError, one line, for a folder that is no class and for a class
    without images.
    """
    files, others = _files(folder)
    if not files:
        raise InputError(
            f"{folder}: has no images ({', '.join(SUFFIXES)}); give the folder with a folder for each class"
        )
    labels = _labels(files, classes)
    _check_folders(folder, table, files, labels, classes)
    missing = [name for place, name in enumerate(classes) if place not in set(labels)]
    if missing:
        folders = sorted({Path(file).parent.name for file in files})
        raise InputError(
            f"{table}: class {missing[0]!r} ({len(missing)} such classes) has no images in {folder}; add a folder of "
            f"its name, or remove its line ({suggestion(missing[0], folders)})"
        )
    return files, np.array(labels, np.int64), others


def _files(folder: Path) -> tuple[tuple[str, ...], list[str]]:
    """The paths of the images, and a note about files that are none."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder with a folder of images for each class")
    images: list[str] = []
    others: list[str] = []
    for path in _walk(folder):
        (images if path.suffix.lower() in SUFFIXES else others).append(path.relative_to(folder).as_posix())
    for name in images:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{folder / name!s:.200}: its name is not UTF-8; rename the file") from error
    kinds = Counter(Path(name).suffix.lower() or "no suffix" for name in others)
    count = ", ".join(f"{number:,} {kind}" for kind, number in sorted(kinds.items()))
    return tuple(sorted(images)), [f"files that are not read as images: {count}"] * bool(others)


def _walk(folder: Path) -> Iterator[Path]:
    """The files under a folder, links to folders included, without hidden files and folders."""
    visited = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        # A link to a folder above would never end.
        folders[:] = [] if real in visited else [name for name in folders if not name.startswith((".", "__MACOSX"))]
        if real not in visited:
            yield from (Path(parent, name) for name in files if not name.startswith("."))
        visited.add(real)


def _labels(files: Sequence[str], classes: Sequence[str]) -> list[int | None]:
    places = {class_key(name): place for place, name in enumerate(classes)}

    @cache
    def label(folders: tuple[str, ...]) -> int | None:
        """Also several folders can make one name, as SUN's `b/basketball_court/outdoor`; the longest counts."""
        joined = ("_".join(folders[start:stop]) for stop in range(len(folders), 0, -1) for start in range(stop))
        return next((places[key] for key in map(class_key, joined) if key in places), None)

    return [label(Path(file).parts[:-1]) for file in files]


def _check_folders(
    folder: Path, table: Path, files: Sequence[str], labels: Sequence[int | None], classes: Sequence[str]
) -> None:
    lost = [file for file, label in zip(files, labels, strict=True) if label is None]
    if not lost:
        return
    first = Path(lost[0]).parent
    if first == Path("."):
        raise InputError(
            f"{folder / lost[0]}: lies in no folder of a class ({len(lost):,} such images); move it into one"
        )
    raise InputError(
        f"{folder / first}: is no class of {table}, {suggestion(first.name, classes)} ({len(lost):,} such images); add "
        "a line for it, rename the folder, or move it away"
    )
