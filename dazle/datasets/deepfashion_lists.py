"""The text lists of DeepFashion's Category and Attribute Prediction Benchmark, read line by line and checked.

All look alike: the number of entries, the names of the columns, then one entry a line. Names of categories and
attributes hold spaces, so their number is taken from the right. What is wrong is an InputError that names the line.
"""

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
    """Where each of `FILES` is, by its name. Raises InputError that names all that are missing."""
    if not annotations.is_dir():
        raise InputError(f"{annotations}: no such folder; give the one that holds Anno and Eval")
    places = {file: [annotations / folder / file for folder in FOLDERS] for file in FILES}
    found = {file: next((path for path in paths if path.is_file()), None) for file, paths in places.items()}
    missing = [file for file, path in found.items() if path is None]
    if missing:
        raise InputError(
            f"{annotations}: {', '.join(missing)} not found, there or in its folders Anno, Anno_coarse and Eval; "
            "give the folder that holds Anno and Eval"
        )
    return {file: path for file, path in found.items() if path is not None}


def entries(path: Path) -> Iterator[tuple[int, bytes]]:
    """The number (from 1) of each line after the first two, and what it says, without outer spaces.

    Raises InputError, at the end, where there are not as many as the first line states.
    """
    with path.open("rb") as file:
        first = file.readline().strip()
        if not first.isdigit() or len(first) > 12:
            raise InputError(
                f"{path}: line 1 is {_shown(first)}, not the number of entries; take the file from the archive again"
            )
        file.readline()
        found = 0
        for number, line in enumerate(file, 3):
            if entry := line.strip():
                found += 1
                yield number, entry
    if found != int(first):
        raise InputError(
            f"{path}: line 1 says {int(first):,} entries, but there are {found:,}; "
            "the file is cut short or was edited, take it from the archive again"
        )


def names(path: Path) -> tuple[str, ...]:
    """The names in a list of categories or attributes: all of a line but its last column, a number."""
    found = []
    for number, entry in entries(path):
        name, _, kind = _text(path, number, entry).rpartition(" ")
        if not name.strip() or not kind.isdigit():
            raise InputError(f"{path}: line {number} is {_shown(entry)}, not a name and the number of its type")
        found.append(name.strip())
    if not found:
        raise InputError(f"{path}: has no entries; take the file from the archive again")
    return tuple(found)


def column(path: Path, parse: Callable[[str], Value]) -> dict[str, Value]:
    """Image name to what `parse` makes of the last column; `parse` raises ValueError with what is wrong."""
    found: dict[str, Value] = {}
    for number, entry in entries(path):
        parts = _text(path, number, entry).rsplit(None, 1)
        if len(parts) < 2:
            raise InputError(f"{path}: line {number} is {_shown(entry)}, not the name of an image and its value")
        image, value = parts
        if image in found:
            raise InputError(f"{path}: line {number} names {image} again; each image once")
        if image.startswith("/") or ".." in image.split("/"):
            raise InputError(f"{path}: line {number} names {image}, which leads out of the folder of the images")
        try:
            found[image] = parse(value)
        except ValueError as error:
            raise InputError(f"{path}: line {number}: {error}") from error
    return found


def annotations(path: Path, images: Mapping[str, int], attributes: int) -> Iterator[tuple[int, np.ndarray]]:
    """For each entry the number that `images` gives its image, and its (attributes,) int8 of -1, 0 and 1.

    1 says that the image has the attribute, -1 that it has not, 0 that nobody knows. Every image of `images`
    comes once, in whatever order; InputError otherwise.
    """
    seen = np.zeros(len(images), bool)
    for number, entry in entries(path):
        image, values = _annotation(path, number, entry, images)
        if seen[image]:
            raise InputError(f"{path}: line {number} names {_shown(entry.split()[0])} again; each image once")
        if len(values) != attributes:
            raise InputError(
                f"{path}: line {number} has {len(values):,} values, not {attributes:,}, one an attribute; "
                "take the file from the archive again"
            )
        seen[image] = True
        yield image, values
    if not seen.all():
        first = next(image for image, position in images.items() if not seen[position])
        raise InputError(f"{path}: {np.sum(~seen):,} images are missing, the first is {first}; all lists need each")


def _annotation(path: Path, number: int, entry: bytes, images: Mapping[str, int]) -> tuple[int, np.ndarray]:
    """The image of one entry and its values; names may hold spaces, values never hold letters."""
    name, _, text = entry.partition(b" ")
    if name.decode(errors="replace") not in images:
        name = entry.rstrip(b" \t-0123456789")
        text = entry[len(name) :]
    image = images.get(name.decode(errors="replace"))
    if image is None:
        raise InputError(f"{path}: line {number} names {_shown(entry)}, which list_category_img.txt does not have")
    values = _signs(text)
    if values is None:
        wrong = next((token for token in text.split() if token not in (b"-1", b"0", b"1")), text)
        raise InputError(f"{path}: line {number} has the value {_shown(wrong)}; it must be -1, 0 or 1")
    return image, values


def _signs(text: bytes) -> np.ndarray | None:
    """The numbers -1, 0 and 1 of a text, None where it has anything else; ten times as fast as int() of each."""
    characters = np.frombuffer(b" " + text, np.uint8)
    digits = np.flatnonzero((characters == ord("0")) | (characters == ord("1")))
    values = (characters[digits] - ord("0")).astype(np.int8)
    before = characters[digits - 1]
    minus, blank = before == ord("-"), (before == ord(" ")) | (before == ord("\t"))
    blanks = np.count_nonzero((characters == ord(" ")) | (characters == ord("\t")))
    others = len(characters) - blanks - len(digits) - np.count_nonzero(minus)
    if others or not (blank | (minus & (values == 1))).all():
        return None
    return np.where(minus, -values, values)


def _text(path: Path, number: int, entry: bytes) -> str:
    try:
        return entry.decode().replace("\t", " ")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: line {number} is not UTF-8 text: {_shown(entry)}") from error


def _shown(entry: bytes) -> str:
    """The beginning of an entry, fit for a one-line message."""
    text = entry.decode(errors="replace")
    return repr(text if len(text) <= 60 else text[:57] + "...")
