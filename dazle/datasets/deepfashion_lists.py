"""Text lists of DeepFashion's Category and Attribute Prediction Benchmark, read line by line and checked.

All lists have one format: the number of entries, the names of the columns, then one entry a line. Names of categories
and attributes contain spaces, so the last column is split off from the right. Every fault is an InputError that names
the line.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from dazle.errors import InputError

FILES = (
    "list_category_cloth.txt",
    "list_category_img.txt",
    "list_attr_cloth.txt",
    "list_attr_img.txt",
    "list_eval_partition.txt",
)
FOLDERS = ("", "Anno", "Anno_coarse", "Eval")  # Anno_fine is another benchmark with 26 attributes

Value = TypeVar("Value")


def find(annotations: Path) -> dict[str, Path]:
    """The path of each of `FILES`, by its name. Raises InputError with the names of all missing files."""
    if not annotations.is_dir():
        raise InputError(f"{annotations}: no such folder; give the one that holds Anno and Eval")
    candidates = {file: [annotations / folder / file for folder in FOLDERS] for file in FILES}
    paths = {file: next((path for path in options if path.is_file()), None) for file, options in candidates.items()}
    missing = [file for file, path in paths.items() if path is None]
    if missing:
        raise InputError(
            f"{annotations}: {', '.join(missing)} not found, there or in its folders Anno, Anno_coarse and Eval; "
            "give the folder that holds Anno and Eval"
        )
    return {file: path for file, path in paths.items() if path is not None}


def entries(path: Path) -> Iterator[tuple[int, bytes]]:
    """The number (from 1) and the stripped content of each line after the first two.

    Raises InputError, after the last line, if their number is not that of the first line.
    """
    with path.open("rb") as file:
        first = file.readline().strip()
        if not first.isdigit() or len(first) > 12:
            raise InputError(
                f"{path}: line 1 is {_quoted(first)}, not the number of entries; take the file from the archive again"
            )
        file.readline()
        count = 0
        for number, line in enumerate(file, 3):
            if entry := line.strip():
                count += 1
                yield number, entry
    if count != int(first):
        raise InputError(
            f"{path}: line 1 says {int(first):,} entries, but there are {count:,}; "
            "the file is cut short or was edited, take it from the archive again"
        )


def names(path: Path) -> tuple[str, ...]:
    """The names in a list of categories or attributes: each line without its last column, a number."""
    names = []
    for number, entry in entries(path):
        name, _, kind = _text(path, number, entry).rpartition(" ")
        if not name.strip() or not kind.isdigit():
            raise InputError(f"{path}: line {number} is {_quoted(entry)}, not a name and the number of its type")
        names.append(name.strip())
    if not names:
        raise InputError(f"{path}: has no entries; take the file from the archive again")
    return tuple(names)


def column(path: Path, parse: Callable[[str], Value]) -> dict[str, Value]:
    """Image name -> `parse` of the last column; `parse` raises ValueError with the fault."""
    values: dict[str, Value] = {}
    for number, entry in entries(path):
        parts = _text(path, number, entry).rsplit(None, 1)
        if len(parts) < 2:
            raise InputError(f"{path}: line {number} is {_quoted(entry)}, not the name of an image and its value")
        image, value = parts
        if image in values:
            raise InputError(f"{path}: line {number} names {image} again; each image once")
        if image.startswith("/") or ".." in image.split("/"):
            raise InputError(f"{path}: line {number} names {image}, which leads out of the folder of the images")
        try:
            values[image] = parse(value)
        except ValueError as error:
            raise InputError(f"{path}: line {number}: {error}") from error
    return values


def annotations(path: Path, images: Mapping[str, int], attributes: int) -> Iterator[tuple[int, np.ndarray]]:
    """For each entry the number of its image in `images`, and its annotations, (attributes,) int8.

    1: the image has the attribute; -1: it has not; 0: unknown. Raises InputError unless every image of `images` occurs
    once, in any order.
    """
    read = np.zeros(len(images), bool)
    for number, entry in entries(path):
        image, values = _annotation(path, number, entry, images)
        if read[image]:
            raise InputError(f"{path}: line {number} names {_quoted(entry.split()[0])} again; each image once")
        if len(values) != attributes:
            raise InputError(
                f"{path}: line {number} has {len(values):,} values, not {attributes:,}, one an attribute; "
                "take the file from the archive again"
            )
        read[image] = True
        yield image, values
    if not read.all():
        first = next(image for image, position in images.items() if not read[position])
        raise InputError(
            f"{path}: {np.sum(~read):,} images are missing, the first is {first}; every list must have every image"
        )


def _annotation(path: Path, number: int, entry: bytes, images: Mapping[str, int]) -> tuple[int, np.ndarray]:
    """The image and the values of one entry; names can contain spaces, values never contain letters."""
    name, _, text = entry.partition(b" ")
    if name.decode(errors="replace") not in images:
        name = entry.rstrip(b" \t-0123456789")
        text = entry[len(name) :]
    image = images.get(name.decode(errors="replace"))
    if image is None:
        raise InputError(f"{path}: line {number} names {_quoted(entry)}, which list_category_img.txt does not have")
    values = _signs(text)
    if values is None:
        wrong = next((token for token in text.split() if token not in (b"-1", b"0", b"1")), text)
        raise InputError(f"{path}: line {number} has the value {_quoted(wrong)}; it must be -1, 0 or 1")
    return image, values


def _signs(text: bytes) -> np.ndarray | None:
    """The numbers -1, 0 and 1 in a text, None if it has anything else; ten times as fast as int() per number."""
    characters = np.frombuffer(b" " + text, np.uint8)
    digits = np.flatnonzero((characters == ord("0")) | (characters == ord("1")))
    values = (characters[digits] - ord("0")).astype(np.int8)
    previous = characters[digits - 1]
    minus, blank = previous == ord("-"), (previous == ord(" ")) | (previous == ord("\t"))
    blanks = np.count_nonzero((characters == ord(" ")) | (characters == ord("\t")))
    invalid = len(characters) - blanks - len(digits) - np.count_nonzero(minus)
    if invalid or not (blank | (minus & (values == 1))).all():
        return None
    return np.where(minus, -values, values)


def _text(path: Path, number: int, entry: bytes) -> str:
    try:
        return entry.decode().replace("\t", " ")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: line {number} is not UTF-8 text: {_quoted(entry)}") from error


def _quoted(entry: bytes) -> str:
    """The beginning of an entry, quoted for a message."""
    text = entry.decode(errors="replace")
    return repr(text if len(text) <= 60 else text[:57] + "...")


def find_images(folder: Path, images: tuple[str, ...]) -> tuple[list[Path], list[str]]:
    """The image files under `folder`, and a note if some are missing.

    `folder` is `img` itself, or contains `img` or `Img/img`.
    """
    if not images:
        raise InputError(f"{folder}: list_category_img.txt names no image")
    parents = [folder.parent] if folder.name == images[0].split("/")[0] else []
    for parent in (folder, folder / "Img", *parents):
        missing = [image for image in images if not os.path.isfile(os.path.join(parent, image))]
        if len(missing) < len(images):
            first = (
                f"{len(missing):,} listed images are not there, the first is {parent / missing[0]}" if missing else ""
            )
            return [parent / image for image in images], [first] * bool(missing)
    raise InputError(f"{folder}: no listed image is there, the first is {images[0]}; give the folder that holds img")
