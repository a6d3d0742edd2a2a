"""SUN Attribute with the splits of xlsa17: 717 scenes, 102 attributes, 20 images a class.

The names of the attributes are in another archive of its owners, SUNAttributeDB: they are used where it lies beside.
"""

from pathlib import Path

from dazle.datasets import xlsa17
from dazle.datasets.matlab import MatFile
from dazle.datasets.raw import RawDataset


def read(images: Path, splits: Path, *, name: str) -> RawDataset:
    """`images`: the folder that SUNAttributeDB_Images was unpacked into; `splits`: SUN's folder of xlsa17.

    Raises InputError, one line, for whatever is wrong.
    """
    raw = xlsa17.read(images, splits, name=name, preset="sun")
    places = (images, images.parent, images.parent.parent)
    folders = [place / inner for place in places for inner in ("SUNAttributeDB", ".")]
    file = xlsa17.first_file(*(folder / "attributes.mat" for folder in [*folders, splits]))
    return xlsa17.with_attribute_names(raw, file, MatFile(file, ["attributes"]).texts("attributes") if file else ())
