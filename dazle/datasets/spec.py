"""Dataset specification: everything that differs between datasets, as `SPEC` of one file in `dazle.datasets.specs`.

To add a dataset, add a file there; nothing else has to be edited. Its name is then a choice of `data prepare` and a
preset of `data import`; if it has a simulated shape, it is a simulated dataset too. Methods without settings for the
preset use their defaults. The rule: `names` imports no dataset, so that `--help` can list them at once.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dazle.config import DATASETS
from dazle.errors import unknown

if TYPE_CHECKING:
    from dazle.datasets.raw import RawDataset


FOLDER = Path(__file__).with_name("specs")


@dataclass(frozen=True)
class Shape:
    """The constants of one simulated dataset, all part of its fingerprint."""

    groups: int
    attributes_per_group: int
    seen: int
    unseen: int
    train_images: int  # of each seen class
    test_images: int  # of each class, seen or unseen
    annotation_noise: float  # standard deviation of the noise on published strengths, which are in 0..1
    clutter: int  # number of weaker prototypes in an image
    noise: float  # length of the noise in a region; a prototype has length 1
    visible: float = 0.9  # probability that a group is visible in an image
    peakedness: float = 3.0  # scale of the logits of the strengths
    clutter_strength: float = 0.5
    background: float = 0.6
    prototype_noise: float = 0.5
    grid: tuple[int, int] = (3, 3)
    channels: int = 64
    semantic_dimension: int = 24

    @property
    def attributes(self) -> int:
        return self.groups * self.attributes_per_group

    @property
    def images(self) -> int:
        return self.seen * self.train_images + (self.seen + self.unseen) * self.test_images


@dataclass(frozen=True, eq=False)
class DatasetSpec:
    """One dataset. Its name is also that of its file and of its preset."""

    name: str
    about: str  # one line for `data prepare --help` and `list`
    # Called with the folder of images, the name of the prepared dataset and the options below, by their names.
    read: "Callable[..., RawDataset]"
    needs: Mapping[str, str] = field(default_factory=dict)  # required option of `data prepare` -> what to give
    takes: tuple[str, ...] = ()  # its other options; `progress` if it takes minutes
    published: Mapping[str, int] = field(default_factory=dict)  # with the keys of `published_counts.counts`
    # For `simulate --full`: sizes that are not published, and `train classes` and `train images` of class fold 1.
    full_size: Mapping[str, int] = field(default_factory=dict)
    simulated: Shape | None = None  # the small simulated dataset of this name


@cache
def names() -> tuple[str, ...]:
    """The names of all datasets: those of the suites, then the others."""
    files = {path.stem for path in FOLDER.glob("[a-z]*.py")}
    return (*DATASETS, *sorted(files - {*DATASETS}))


@cache
def spec(name: str) -> DatasetSpec:
    """The specification of a dataset. Raises InputError for an unknown name."""
    if name not in names():
        raise unknown("dataset", name, names())
    module = f"dazle.datasets.specs.{name}"
    specification: DatasetSpec = importlib.import_module(module).SPEC
    if specification.name != name:
        raise TypeError(f"{module}: SPEC has the name {specification.name!r}, not that of its file")
    return specification


def specs() -> dict[str, DatasetSpec]:
    """All datasets by name."""
    return {name: spec(name) for name in names()}
