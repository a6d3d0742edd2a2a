"""Reader of SUN Attribute with the splits of xlsa17: 717 scenes, 102 attributes, 20 images per class.

Attribute names come from another archive of its owners, SUNAttributeDB, and are used if its folder is near the images.
"""

from pathlib import Path

from dazle.datasets import xlsa17
from dazle.datasets.matlab import MatFile
from dazle.datasets.raw import RawDataset


def read(images: Path, splits: Path, *, name: str) -> RawDataset:
    """`images`: the folder that SUNAttributeDB_Images was unpacked into; `splits`: SUN's folder of xlsa17.

    Raises InputError, one line, for any bad input.
    """
    raw = xlsa17.read(images, splits, name=name, preset="sun")
    parents = (images, images.parent, images.parent.parent)
    folders = [parent / inner for parent in parents for inner in ("SUNAttributeDB", ".")]
    file = xlsa17.first_file(*(folder / "attributes.mat" for folder in [*folders, splits]))
    return xlsa17.set_attribute_names(raw, file, MatFile(file, ["attributes"]).texts("attributes") if file else ())
