"""CUB-200-2011 with the splits of xlsa17: 200 birds, 312 attributes, 15 key points an image.

Key points say where an attribute can be seen (`cub_parts`). Whether an image shows it, the archive's annotations of
single images say; a copy without them leaves the class: annotators saw it in at least half of the class's images.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from dazle.datasets import xlsa17
from dazle.datasets.cub_parts import attribute_parts
from dazle.datasets.raw import KeyPoints, RawDataset
from dazle.datasets.xlsa17_splits import read_lines
from dazle.errors import InputError

PRESENT_PERCENT = 50


def read(images: Path, splits: Path, *, name: str, split: str = "proposed") -> RawDataset:
    """`images`: CUB_200_2011 or a folder above or its `images`; `splits`: CUB's folder of xlsa17.

    `split="standard"` reads CUB's standard split. Raises InputError, one line, for whatever is wrong.
    """
    raw = xlsa17.read(images, splits, name=name, preset="cub", split=split)
    root = _root(images)
    file = xlsa17.first_file(
        root / "attributes" / "attributes.txt",
        root / "attributes.txt",
        root.parent / "attributes.txt",
        splits / "attributes.txt",
    )
    raw = xlsa17.with_attribute_names(raw, file, _numbered(file) if file else ())
    points, said = _key_points(root, raw)
    provenance = raw.provenance | {"key_points": said}
    return replace(raw, key_points=points, provenance=provenance, notes=(*raw.notes, f"key points: {said}"))


def _root(images: Path) -> Path:
    """The folder of CUB's own lists, whichever folder of the archive was given."""
    candidates = (images, images / "CUB_200_2011", images.parent)
    return next((folder for folder in candidates if (folder / "images.txt").is_file()), images)


def _numbered(path: Path) -> tuple[str, ...]:
    """The names of a list whose lines are `1 name`, `2 name`, .. in order."""
    lines = [line.split(maxsplit=1) for line in read_lines(path) if line]
    for number, line in enumerate(lines, 1):
        if len(line) != 2 or line[0] != str(number):
            raise InputError(f"{path}: line {number} is {' '.join(line)!r}, not '{number} NAME'; fetch it again")
    return tuple(line[1] for line in lines)


def _key_points(root: Path, raw: RawDataset) -> tuple[KeyPoints | None, str]:
    """The key points, None where the archive lacks what they need, and what to say of them."""
    needed = ("images.txt", "parts/parts.txt", "parts/part_locs.txt")
    missing = [file for file in needed if not (root / file).is_file()]
    if missing or not raw.attribute_names:
        return None, f"none ({missing[0] if missing else 'attributes.txt'} is missing): attention cannot be judged"
    path, parts = root / "parts" / "parts.txt", _numbered(root / "parts" / "parts.txt")
    try:
        table = attribute_parts(raw.attribute_names, parts)
    except KeyError as error:
        raise InputError(f"{path}: with attributes.txt it gives no place to {error}; take CUB's own files") from error
    rows = _rows(root / "images.txt", raw)
    points = _points(root / "parts" / "part_locs.txt", rows, len(raw.images), len(parts))
    present, said = _present(root / "attributes" / "image_attribute_labels.txt", rows, raw)
    visible = float((~np.isnan(points[..., 0])).sum(axis=1).mean())
    said = f"{len(parts)} parts, {visible:.1f} of them visible an image; {present.sum(axis=1).mean():.1f} {said}"
    return KeyPoints(parts, points, table, present), said


def _rows(path: Path, raw: RawDataset) -> dict[int, int]:
    """Image id of CUB's lists -> row of the image here; ids of images that are not used are left out."""
    ids = {name: number for number, name in enumerate(_numbered(path), 1)}
    unknown = [file for file in raw.image_files if file not in ids]
    if unknown:
        raise InputError(f"{path}: does not have {unknown[0]} ({len(unknown):,} such images); take CUB's own file")
    return {ids[file]: row for row, file in enumerate(raw.image_files)}


def _points(path: Path, rows: dict[int, int], images: int, parts: int) -> np.ndarray:
    """(N, P, 2), NaN where not visible; the lines are `image part x y visible`."""
    try:
        table = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())}); fetch it again") from error
    if table.shape[1:] != (5,) or not np.isin(table[:, 1], np.arange(1, parts + 1)).all():
        raise InputError(f"{path}: its lines are not 'image part x y visible' with parts 1..{parts}; fetch it again")
    row = np.array([rows.get(int(number), -1) for number in table[:, 0]])
    table, row = table[row >= 0], row[row >= 0]
    points = np.full((images, parts, 2), np.nan)
    lines = np.zeros((images, parts), int)
    part, visible = table[:, 1].astype(int) - 1, table[:, 4] == 1
    np.add.at(lines, (row, part), 1)
    if (lines != 1).any():
        image, wrong = np.argwhere(lines != 1)[0]
        found = f"{lines[image, wrong]} lines for part {wrong + 1} of image row {image + 1}"
        raise InputError(f"{path}: {found}, not one for each part of each image; fetch it again")
    points[row[visible], part[visible]] = table[visible, 2:4]
    return points


def _present(path: Path, rows: dict[int, int], raw: RawDataset) -> tuple[np.ndarray, str]:
    """(N, A) whether an image shows an attribute, and by what that is said."""
    if path.is_file() or raw.original_attributes is None:
        return _annotated(path, rows, raw.attributes.shape[1]), f"attributes present an image, by {path.name}"
    of_class = raw.original_attributes >= PRESENT_PERCENT
    said = f"attributes present an image, by its class (original_att at least {PRESENT_PERCENT}; no {path.name})"
    return of_class[raw.labels], said


def _annotated(path: Path, rows: dict[int, int], attributes: int) -> np.ndarray:
    """Lines are `image attribute is_present certainty time`, some with a field too many: only three are read."""
    present, known = (np.zeros((len(rows), attributes), bool) for _ in range(2))
    for number, line in enumerate(read_lines(path), 1):
        fields = line.split(None, 3)
        try:
            row, attribute, shown = rows.get(int(fields[0])), int(fields[1]), ("0", "1").index(fields[2])
        except (ValueError, IndexError):
            attribute = 0
        if not 1 <= attribute <= attributes:
            raise InputError(f"{path}: line {number} is {line[:80]!r}, not 'image attribute 0-or-1'; fetch it again")
        if row is not None:
            present[row, attribute - 1], known[row, attribute - 1] = shown, True
    if not known.all():
        image, attribute = np.argwhere(~known)[0] + 1
        found = f"{(~known).sum():,} lines are missing, the first of attribute {attribute} of image row {image}"
        raise InputError(f"{path}: {found}; it is cut short, fetch it again")
    return present
