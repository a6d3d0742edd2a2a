"""A small archive laid out as DeepFashion's Category and Attribute Prediction Benchmark, for tests to break.

14 categories, of which 2 and 12 are unseen and 5 has no images; 6 attributes. A seen category has 3 train, 1 val
and 2 test images, an unseen one 1 train, 1 val and 2 test images: 11 * 6 + 2 * 4 = 74 images.
"""

from pathlib import Path

import numpy as np
from PIL import Image

CATEGORIES = (
    "Anorak", "Blazer", "Button Down Shirt", "Bomber", "Halter", "Cardigan", "Flannel", "Henley", "Hoodie",
    "Jacket", "Jersey", "Parka", "Peacoat", "Poncho",
)  # fmt: skip
ATTRIBUTES = ("a-line", "abstract", "abstract chevron print", "80s", "3/4 sleeve", "zip")
UNSEEN, EMPTY = (2, 12), 5
SEEN_PARTS, UNSEEN_PARTS = ("train", "test", "train", "val", "test", "train"), ("test", "train", "val", "test")

# One row an image: its name, category id (from 1), partition.
IMAGES = tuple(
    (f"img/{CATEGORIES[number - 1].replace(' ', '_')}_{part[0]}/img_{place:08d}.jpg", number, part)
    for number in range(1, len(CATEGORIES) + 1)
    if number != EMPTY
    for place, part in enumerate(UNSEEN_PARTS if number in UNSEEN else SEEN_PARTS, 1)
)
NAMES = [image for image, _, _ in IMAGES]
IDS = np.array([number for _, number, _ in IMAGES])
PARTS = np.array([part for _, _, part in IMAGES])
VALUES = np.random.default_rng(5).choice([-1, 0, 1], (len(IMAGES), len(ATTRIBUTES)), p=[0.6, 0.1, 0.3])


def write(folder: Path, anno: str = "Anno", evaluation: str = "Eval") -> Path:
    """The archive under `folder`: `img/...`, the five lists in `anno` and `evaluation`."""
    (folder / anno).mkdir(parents=True, exist_ok=True)
    (folder / evaluation).mkdir(exist_ok=True)
    lists = {
        f"{anno}/list_category_cloth.txt": ("category_name  category_type", [f"{name:<22}{1}" for name in CATEGORIES]),
        f"{anno}/list_attr_cloth.txt": ("attribute_name  attribute_type", [f"{name:<25}{3}" for name in ATTRIBUTES]),
        f"{anno}/list_category_img.txt": (
            "image_name  category_label",
            [f"{image:<60}{number}" for image, number, _ in IMAGES],
        ),
        f"{evaluation}/list_eval_partition.txt": (
            "image_name  evaluation_status",
            [f"{image:<60}{part}" for image, _, part in IMAGES],
        ),
        f"{anno}/list_attr_img.txt": (
            "image_name  attribute_labels",
            [
                f"{image:<60}" + " ".join(f"{value:2d}" for value in values)
                for image, values in zip(NAMES, VALUES, strict=True)
            ],
        ),
    }
    for file, (header, lines) in lists.items():
        (folder / file).write_text("\n".join([str(len(lines)), header, *lines]) + "\n")
    for number, image in enumerate(NAMES):
        (folder / image).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 16), (number, 90, 200)).save(folder / image)
    return folder


def rewrite(file: Path, old: str, new: str) -> None:
    """Replace the first place where `file` says `old`."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def drop_line(file: Path, line: int) -> None:
    """Take out one line, counted from 1."""
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[: line - 1] + lines[line:]))
