"""Reader of SUN Attribute with the splits of xlsa17: 717 scenes, 102 attributes, 20 images per class.

Attribute names come from another archive of its owners, SUNAttributeDB, and are used if its folder is near the images.
"""

from pathlib import Path

from dazle.datasets import xlsa17
from dazle.datasets.matlab import MatFile
from dazle.datasets.raw import RawDataset
from dazle.datasets.spec import DatasetSpec, Shape


def read(images: Path, splits: Path, *, name: str) -> RawDataset:
    """`images`: the folder that SUNAttributeDB_Images was unpacked into; `splits`: SUN's folder of xlsa17.

    Raises InputError, one line, for any bad input.
    """
    raw = xlsa17.read(images, splits, name=name, preset="sun")
    parents = (images, images.parent, images.parent.parent)
    folders = [parent / inner for parent in parents for inner in ("SUNAttributeDB", ".")]
    file = xlsa17.first_file(*(folder / "attributes.mat" for folder in [*folders, splits]))
    return xlsa17.set_attribute_names(raw, file, MatFile(file, ["attributes"]).texts("attributes") if file else ())


SPEC = DatasetSpec(
    name="sun",
    about="SUN Attribute, 717 scenes",
    read=read,
    needs={"splits": "the folder of the xlsa17 archive with att_splits.mat"},
    published={
        "images": 14_340,
        "attributes": 102,
        "seen classes": 645,
        "unseen classes": 72,
        "trainval": 10_320,
        "test_seen": 2_580,
        "test_unseen": 1_440,
    },
    full_size={"train classes": 580, "train images": 9_280},
    simulated=Shape(
        # Few images per class.
        groups=15,
        attributes_per_group=2,
        seen=60,
        unseen=12,
        train_images=14,
        test_images=6,
        annotation_noise=0.02,
        clutter=3,
        noise=0.15,
    ),
)
