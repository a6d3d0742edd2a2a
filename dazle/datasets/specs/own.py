"""Reader of a user's own data: a folder of images for each class, and a CSV file of class attributes.

The partition into seen and unseen classes comes from a CSV file or is drawn (`own_partition`). The three class folds
are thirds of the seen classes, drawn from a constant name, so that they are equal under every name of the dataset.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from dazle.datasets import own_partition
from dazle.datasets.class_attributes import read_attributes
from dazle.datasets.class_folders import find_classes
from dazle.datasets.own_partition import Images
from dazle.datasets.published_counts import count_notes
from dazle.datasets.raw import RawDataset
from dazle.datasets.spec import DatasetSpec
from dazle.errors import InputError
from dazle.features.splits import draw_folds


def read(
    images: Path, attributes: Path, *, name: str, splits: Path | None = None, draw_unseen: int | None = None
) -> RawDataset:
    """The checked dataset. Raises InputError, one line with file, place, value and remedy, for any bad input."""
    if splits is not None and draw_unseen is not None:
        raise InputError(
            f"--draw-unseen {draw_unseen}: --splits {splits} has the unseen classes; leave one of them out"
        )
    classes, attribute_names, values = read_attributes(attributes)
    files, labels, notes = find_classes(images, attributes, classes)
    class_images = Images(images, files, labels, classes)
    if splits is None:
        where = str(attributes) if draw_unseen is None else f"--draw-unseen {draw_unseen}"
        partition = own_partition.draw(class_images, draw_unseen, where)
    else:
        partition = own_partition.read_partition(class_images, splits)
    raw = RawDataset(
        name=name,
        preset="own",
        images=tuple(images / file for file in files),
        image_files=files,
        labels=labels,
        attributes=(values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32),
        original_attributes=values.astype(np.float32),
        semantics={},
        trainval=partition.trainval,
        test_seen=partition.test_seen,
        test_unseen=partition.test_unseen,
        folds=draw_folds("own", np.unique(labels[partition.trainval])),
        class_names=classes,
        attribute_names=attribute_names,
        key_points=None,
        provenance={"attributes_of": attributes.name, **partition.facts, "folds": "3 drawn from the name own"},
        notes=(),
    )
    return replace(raw, notes=(*count_notes(raw), *partition.notes, *_equal_classes(values, classes), *notes))


def _equal_classes(values: np.ndarray, classes: tuple[str, ...]) -> list[str]:
    """A note if two classes have equal attributes: no method can distinguish an unseen one of them."""
    _, first, inverse = np.unique(values, axis=0, return_index=True, return_inverse=True)
    equal = [(classes[first[group]], classes[row]) for row, group in enumerate(inverse.ravel()) if first[group] != row]
    text = ", ".join(f"{one} and {other}" for one, other in equal[:3])
    return [f"classes with equal attributes, which no method can distinguish: {text}"] * bool(equal)


SPEC = DatasetSpec(
    name="own",
    about="your own images and class attributes",
    read=read,
    needs={"attributes": "a CSV file with a line for each class and a column for each attribute"},
    takes=("splits", "draw_unseen"),
)
