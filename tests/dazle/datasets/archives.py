"""Small archives laid out exactly as the owners' ones: image folders, and xlsa17 folders that name them.

Classes 0-5 are seen, 6-8 unseen, 5 attributes; 48 images in the order of their folders' names. `allclasses_names` is in
another order than the folders, as in the real archive of CUB.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

from tests.dazle.features.small_features import LABELS, TEST_SEEN, TEST_UNSEEN, TRAINVAL

CLASSES = {
    "cub": tuple(f"{number:03}.{name}_Bird" for number, name in enumerate("ABCDEFGHI", 1)),
    "sun": (
        "abbey", "airport_airport", "basketball_court_outdoor", "cavern_indoor", "lean-to", "zoo",
        "airlock", "temple_south_asia", "theater_indoor_round",
    ),
    "awa2": ("antelope", "bat", "beaver", "grizzly+bear", "killer+whale", "zebra", "blue+whale", "seal", "sheep"),
}  # fmt: skip
PREFIX = {
    "cub": "/BS/Deep_Fragments/work/MSc/CUB_200_2011/CUB_200_2011/images",
    "sun": "/BS/Deep_Fragments/work/MSc/data/SUN/images",
    "awa2": "/BS/xian/work/data/Animals_with_Attributes2//JPEGImages",
}
SUN_FOLDERS = {
    "airport_airport": "a/airport/airport",
    "basketball_court_outdoor": "b/basketball_court/outdoor",
    "cavern_indoor": "c/cavern/indoor",
    "temple_south_asia": "t/temple/south_asia",
    "theater_indoor_round": "t/theater/indoor_round",
}
ATTRIBUTES = (
    "has_bill_shape::dagger",
    "has_wing_color::blue",
    "has_size::small_(5_-_9_in)",
    "has_eye_color::red",
    "has_belly_color::white",
)
PARTS = (
    "back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg", "left wing", "nape",
    "right eye", "right leg", "right wing", "tail", "throat",
)  # fmt: skip
# A class's row in allclasses_names, by its number here.
ROWS = np.array([3, 0, 7, 1, 8, 5, 2, 6, 4])
FOLDS = (([0, 1, 2, 3], [4, 5]), ([2, 3, 4, 5], [0, 1]), ([0, 1, 4, 5], [2, 3]))


@dataclass(frozen=True)
class Archive:
    """An image folder as unpacked, an xlsa17 folder, and the images' names below the archive's own image folder."""

    preset: str
    images: Path
    splits: Path
    names: tuple[str, ...]

    def image(self, row: int) -> Path:
        return self.images / Path(PREFIX[self.preset]).name / self.names[row]


def make_archive(folder: Path, preset: str, **changes: Any) -> Archive:
    """A good archive; a changed key of the two .mat files holds that value there, None leaves it out."""
    root = folder / {"cub": "CUB_200_2011", "sun": "SUN", "awa2": "Animals_with_Attributes2"}[preset]
    splits = folder / "xlsa17" / "data" / preset.upper()
    names = tuple(f"{_folder(preset, label)}/image_{number:04}.jpg" for number, label in enumerate(LABELS))
    archive = Archive(preset, root, splits, names)
    draw = np.random.default_rng(0)
    for row in range(len(names)):
        archive.image(row).parent.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 256, (16 + row % 3, 20, 3), np.uint8)
        Image.fromarray(pixels).save(archive.image(row))
    splits.mkdir(parents=True)
    write_mats(archive, **changes)
    write_lists(archive)
    {"cub": _cub, "sun": _sun, "awa2": _awa2}[preset](archive)
    return archive


def write_mats(archive: Archive, **changes: Any) -> None:
    """Both .mat files, anew, as xlsa17 has them: from 1, columns, cells, attributes x classes."""
    draw = np.random.default_rng(1)
    original = draw.integers(1, 100, (5, 9)).astype(float)
    att = original / np.linalg.norm(original, axis=0)
    if archive.preset == "awa2":
        att[2, 4], original[2, 4] = -0.004, -1
    ordered = np.array(CLASSES[archive.preset])[np.argsort(ROWS)]
    splits = {
        "allclasses_names": cells(ordered), "att": att, "original_att": original,
        "trainval_loc": column(TRAINVAL), "test_seen_loc": column(TEST_SEEN), "test_unseen_loc": column(TEST_UNSEEN),
        # The leak: images of test_seen in both.
        "train_loc": column(np.arange(24)), "val_loc": column(np.arange(24, 36)),
    }  # fmt: skip
    authors = [f"{PREFIX[archive.preset]}/{name}" for name in archive.names]
    features = draw.random((6, len(LABELS)))
    images = {"features": features, "labels": column(ROWS[LABELS]), "image_files": cells(authors)}
    for file, values in (("att_splits", splits), ("res101", images)):
        replaced = values | {key: changes[key] for key in changes.keys() & values.keys()}
        present = {key: value for key, value in replaced.items() if value is not None}
        scipy.io.savemat(archive.splits / f"{file}.mat", present, do_compression=True)


def write_lists(archive: Archive) -> None:
    names = CLASSES[archive.preset]
    ordered = [names[place] for place in np.argsort(ROWS)]
    lists = {"allclasses": ordered, "trainvalclasses": names[:6], "testclasses": names[6:]}
    for number, (train, validation) in enumerate(FOLDS, 1):
        lists[f"trainclasses{number}"] = [names[label] for label in train]
        lists[f"valclasses{number}"] = [names[label] for label in validation]
    for file, lines in lists.items():
        (archive.splits / f"{file}.txt").write_text("\n".join(lines))


def column(indices: np.ndarray) -> np.ndarray:
    """As the archive keeps indices and labels: (n, 1), counted from 1."""
    return (np.asarray(indices) + 1).astype(np.uint16)[:, None]


def cells(texts: Any) -> np.ndarray:
    """A MATLAB cell array (n, 1) of texts."""
    array = np.empty((len(texts), 1), object)
    array[:, 0] = [str(text) for text in texts]
    return array


def _folder(preset: str, label: int) -> str:
    name = CLASSES[preset][label]
    return SUN_FOLDERS.get(name, f"{name[0]}/{name}") if preset == "sun" else name


def key_points() -> np.ndarray:
    """(48, 15, 3): x, y, visible of the small CUB."""
    draw = np.random.default_rng(3)
    places = draw.integers(0, 160, (48, 15, 2)) / 10
    visible = draw.random((48, 15, 1)) < 0.8
    return np.concatenate([places * visible, visible], axis=2)


def annotations() -> np.ndarray:
    """(48, 5) bool: what annotators saw in the images of the small CUB."""
    return np.random.default_rng(4).random((48, 5)) < 0.4


def _cub(archive: Archive) -> None:
    """CUB's own lists; `attributes.txt` lies beside its folder, as in the owners' archive."""
    root = archive.images
    _numbered(root / "images.txt", archive.names)
    _numbered(root / "classes.txt", CLASSES["cub"])
    _numbered(root / "image_class_labels.txt", LABELS + 1)
    _numbered(root.parent / "attributes.txt", ATTRIBUTES)
    _numbered(root / "parts" / "parts.txt", PARTS)
    lines = [f"{i + 1} {p + 1} {x} {y} {v:.0f}" for (i, p), (x, y, v) in _items(key_points())]
    (root / "parts" / "part_locs.txt").write_text("\n".join(lines) + "\n")
    (root / "attributes").mkdir()
    lines = [f"{i + 1} {a + 1} {value:d} 3 6.456" for (i, a), value in np.ndenumerate(annotations())]
    lines[7] += " 0.5"  # the real file has such lines
    (root / "attributes" / "image_attribute_labels.txt").write_text("\n".join(lines) + "\n")


def _items(points: np.ndarray) -> Any:
    return ((place, points[place]) for place in np.ndindex(points.shape[:2]))


def _numbered(path: Path, texts: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{number} {text}\n" for number, text in enumerate(texts, 1)))


def _sun(archive: Archive) -> None:
    folder = archive.images / "SUNAttributeDB"
    folder.mkdir()
    scipy.io.savemat(
        folder / "attributes.mat", {"attributes": cells(["sailing", "driving", "biking", "man-made", "dry"])}
    )


def _awa2(archive: Archive) -> None:
    names = ["black", "white", "blue", "new world", "domestic"]
    (archive.images / "predicates.txt").write_text("".join(f"{n:12}\t{name}\n" for n, name in enumerate(names, 1)))
