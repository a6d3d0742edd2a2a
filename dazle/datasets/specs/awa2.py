"""Reader of AWA2, Animals with Attributes 2, with the splits of xlsa17: 50 animals, 85 attributes.

Its class attributes have a few negative values, which mark missing annotations. They become 0, as in the reference
code.
"""

from pathlib import Path

from dazle.datasets import xlsa17
from dazle.datasets.raw import RawDataset
from dazle.datasets.spec import DatasetSpec, Shape
from dazle.datasets.xlsa17_splits import read_lines


def read(images: Path, splits: Path, *, name: str) -> RawDataset:
    """`images`: Animals_with_Attributes2, its parent or its JPEGImages; `splits`: AWA2's folder of xlsa17.

    Raises InputError, one line, for any bad input.
    """
    raw = xlsa17.read(images, splits, name=name, preset="awa2")
    folders = (images, images / "Animals_with_Attributes2", images.parent, splits)
    file = xlsa17.first_file(*(folder / "predicates.txt" for folder in folders))
    return xlsa17.set_attribute_names(raw, file, _predicates(file) if file else ())


def _predicates(path: Path) -> tuple[str, ...]:
    """The names in a file whose lines are a number, a tab and a name."""
    return tuple(line.split(maxsplit=1)[-1] for line in read_lines(path) if line)


SPEC = DatasetSpec(
    name="awa2",
    about="Animals with Attributes 2, 50 animals",
    read=read,
    needs={"splits": "the folder of the xlsa17 archive with att_splits.mat"},
    published={
        "images": 37_322,
        "attributes": 85,
        "seen classes": 40,
        "unseen classes": 10,
        "trainval": 23_527,
        "test_seen": 5_882,
        "test_unseen": 7_913,
    },
    full_size={"train classes": 27, "train images": 16_187},
    simulated=Shape(
        # Few classes, many images.
        groups=12,
        attributes_per_group=3,
        seen=24,
        unseen=8,
        train_images=40,
        test_images=20,
        annotation_noise=0.02,
        clutter=3,
        noise=0.2,
        visible=0.95,
    ),
)
