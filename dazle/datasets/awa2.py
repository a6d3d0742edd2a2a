"""Animals with Attributes 2 with the splits of xlsa17: 50 animals, 85 attributes.

Its class vectors have a few negative values, where the annotators gave none: they are 0 here, as in the reference.
"""

from pathlib import Path

from dazle.datasets import xlsa17
from dazle.datasets.raw import RawDataset
from dazle.datasets.xlsa17_splits import read_lines


def read(images: Path, splits: Path, *, name: str) -> RawDataset:
    """`images`: Animals_with_Attributes2 or a folder above or its JPEGImages; `splits`: AWA2's folder of xlsa17.

    Raises InputError, one line, for whatever is wrong.
    """
    raw = xlsa17.read(images, splits, name=name, preset="awa2")
    folders = (images, images / "Animals_with_Attributes2", images.parent, splits)
    file = xlsa17.first_file(*(folder / "predicates.txt" for folder in folders))
    return xlsa17.with_attribute_names(raw, file, _predicates(file) if file else ())


def _predicates(path: Path) -> tuple[str, ...]:
    """Lines are a number, a tab and a name."""
    return tuple(line.split(maxsplit=1)[-1] for line in read_lines(path) if line)
