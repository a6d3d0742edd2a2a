"""Reader of CUB-200-2011 with the splits of xlsa17: 200 birds, 312 attributes, 15 key points an image.

Key points give the place of each attribute (`cub_parts`). An attribute is present in an image if the archive's
annotation of that image says so; without these annotations, if it is present in at least half of its class's images.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from dazle.datasets import xlsa17
from dazle.datasets.cub_parts import attribute_parts
from dazle.datasets.raw import KeyPoints, RawDataset
from dazle.datasets.spec import DatasetSpec, Shape
from dazle.datasets.xlsa17_splits import read_lines
from dazle.errors import InputError

PRESENT_PERCENT = 50  # of the images of a class


def read(images: Path, splits: Path, *, name: str, split: str = "proposed") -> RawDataset:
    """`images`: CUB_200_2011, its parent or its `images`; `splits`: CUB's folder of xlsa17.

    `split="standard"` reads CUB's standard split. Raises InputError, one line, for any bad input.
    """
    raw = xlsa17.read(images, splits, name=name, preset="cub", split=split)
    root = _root(images)
    file = xlsa17.first_file(
        root / "attributes" / "attributes.txt",
        root / "attributes.txt",
        root.parent / "attributes.txt",
        splits / "attributes.txt",
    )
    raw = xlsa17.set_attribute_names(raw, file, _numbered(file) if file else ())
    points, note = _key_points(root, raw)
    provenance = raw.provenance | {"key_points": note}
    return replace(raw, key_points=points, provenance=provenance, notes=(*raw.notes, f"key points: {note}"))


def _root(images: Path) -> Path:
    """The folder with CUB's own lists, for any folder of the archive."""
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
    """The key points, None if one of their files is missing, and a note about them for the user."""
    files = ("images.txt", "parts/parts.txt", "parts/part_locs.txt")
    missing = [file for file in files if not (root / file).is_file()]
    if missing or not raw.attribute_names:
        return None, f"none ({missing[0] if missing else 'attributes.txt'} is missing), so no pointing accuracy"
    path, parts = root / "parts" / "parts.txt", _numbered(root / "parts" / "parts.txt")
    try:
        table = attribute_parts(raw.attribute_names, parts)
    except KeyError as error:
        raise InputError(f"{path}: with attributes.txt it gives no place to {error}; take CUB's own files") from error
    rows = _rows(root / "images.txt", raw)
    points = _points(root / "parts" / "part_locs.txt", rows, len(raw.images), len(parts))
    present, note = _present(root / "attributes" / "image_attribute_labels.txt", rows, raw)
    visible = float((~np.isnan(points[..., 0])).sum(axis=1).mean())
    note = f"{len(parts)} parts, {visible:.1f} of them visible an image; {present.sum(axis=1).mean():.1f} {note}"
    return KeyPoints(parts, points, table, present), note


def _rows(path: Path, raw: RawDataset) -> dict[int, int]:
    """Image id in CUB's lists -> row of the image in `raw`, for the images of `raw`."""
    ids = {name: number for number, name in enumerate(_numbered(path), 1)}
    unknown = [file for file in raw.image_files if file not in ids]
    if unknown:
        raise InputError(f"{path}: does not have {unknown[0]} ({len(unknown):,} such images); take CUB's own file")
    return {ids[file]: row for row, file in enumerate(raw.image_files)}


def _points(path: Path, rows: dict[int, int], images: int, parts: int) -> np.ndarray:
    """(N, P, 2) x, y, NaN if not visible, from a file whose lines are `image part x y visible`."""
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
        image, faulty_part = np.argwhere(lines != 1)[0]
        count = f"{lines[image, faulty_part]} lines for part {faulty_part + 1} of image row {image + 1}"
        raise InputError(f"{path}: {count}, not one for each part of each image; fetch it again")
    points[row[visible], part[visible]] = table[visible, 2:4]
    return points


def _present(path: Path, rows: dict[int, int], raw: RawDataset) -> tuple[np.ndarray, str]:
    """(N, A) bool: whether an image shows an attribute; and a note about the source of this."""
    if path.is_file() or raw.original_attributes is None:
        return _annotations(path, rows, raw.attributes.shape[1]), f"attributes present an image, by {path.name}"
    class_attributes = raw.original_attributes >= PRESENT_PERCENT
    note = f"attributes present an image, by its class (original_att at least {PRESENT_PERCENT}; no {path.name})"
    return class_attributes[raw.labels], note


def _annotations(path: Path, rows: dict[int, int], attributes: int) -> np.ndarray:
    """(N, A) bool from a file whose lines are `image attribute is_present certainty time`.

    Some lines have a field too many, so only the first three fields are read.
    """
    present, annotated = (np.zeros((len(rows), attributes), bool) for _ in range(2))
    for number, line in enumerate(read_lines(path), 1):
        fields = line.split(None, 3)
        try:
            row, attribute, value = rows.get(int(fields[0])), int(fields[1]), ("0", "1").index(fields[2])
        except (ValueError, IndexError):
            attribute = 0
        if not 1 <= attribute <= attributes:
            raise InputError(f"{path}: line {number} is {line[:80]!r}, not 'image attribute 0-or-1'; fetch it again")
        if row is not None:
            present[row, attribute - 1], annotated[row, attribute - 1] = value, True
    if not annotated.all():
        image, attribute = np.argwhere(~annotated)[0] + 1
        missing = f"{(~annotated).sum():,} lines are missing, the first of attribute {attribute} of image row {image}"
        raise InputError(f"{path}: {missing}; it is cut short, fetch it again")
    return present


SPEC = DatasetSpec(
    name="cub",
    about="CUB-200-2011, 200 birds",
    read=read,
    needs={"splits": "the folder of the xlsa17 archive with att_splits.mat"},
    takes=("split",),
    published={
        "images": 11_788,
        "attributes": 312,
        "seen classes": 150,
        "unseen classes": 50,
        "trainval": 7_057,
        "test_seen": 1_764,
        "test_unseen": 2_967,
    },
    full_size={"train classes": 100, "train images": 4_702},
    simulated=Shape(
        groups=12,
        attributes_per_group=4,
        seen=42,
        unseen=12,
        train_images=24,
        test_images=10,
        annotation_noise=0.02,
        clutter=4,
        noise=0.2,
    ),
)
