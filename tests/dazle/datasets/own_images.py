"""A user's own data in small: six classes of tiny images, a CSV of their attributes, word vectors."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("red fox", "snow owl", "zebra", "seal", "tiger", "mole")
ATTRIBUTES = ("black", "white", "stripes", "swims")
IMAGES = 8  # of each class
VALUES = ((1, 2, 0, 0), (0, 9, 0, 0), (6, 6, 9, 0), (5, 1, 0, 9), (4, 1, 8, 3), (9, 0, 0, 0.5))


def write(folder: Path) -> tuple[Path, Path]:
    """The folder of images and the file of attributes. Two classes have nested folders, and one image is a PNG."""
    draw = np.random.default_rng(0)
    for number, name in enumerate(CLASSES):
        for image in range(IMAGES):
            inner = {"seal": f"sea/seal/day {image % 2}", "tiger": "cats/tiger"}.get(name, name.replace(" ", "_"))
            path = folder / "images" / inner / f"{number}-{image}.{'png' if image == 0 else 'JPG'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = draw.integers(0, 256, (24, 30, 3), np.uint8)
            pixels[..., number % 3] //= 1 + number
            Image.fromarray(pixels).save(path, format="PNG" if image == 0 else "JPEG")
    (folder / "images" / "zebra" / "Thumbs.db").write_bytes(b"1")
    (folder / "images" / ".DS_Store").write_bytes(b"1")
    write_attributes(folder / "attributes.csv", VALUES)
    np.save(folder / "vectors.npy", draw.standard_normal((len(ATTRIBUTES), 5)).astype(np.float32))
    return folder / "images", folder / "attributes.csv"


def write_attributes(path: Path, values: tuple[tuple[float, ...], ...]) -> None:
    rows = [",".join([name, *map(str, row)]) for name, row in zip(CLASSES, values, strict=True)]
    path.write_text("\n".join([",".join(["class", *ATTRIBUTES]), *rows]) + "\n", encoding="utf-8")
