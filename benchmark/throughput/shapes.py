"""The shapes that are measured: the four datasets' own, and those of the simulated sets, without any data."""

from collections.abc import Sequence
from dataclasses import dataclass

from dazle.config import DATASETS, Settings, preset
from dazle.errors import unknown

SIMULATED = "simulated-"
NAMES = (*DATASETS, *(f"{SIMULATED}{name}" for name in DATASETS))


@dataclass(frozen=True)
class Shape:
    """B, R, D, A, C of one dataset, how many of the C classes are seen, d of its word vectors, and its settings."""

    name: str
    batch: int
    regions: int
    channels: int
    attributes: int
    classes: int
    seen: int
    dimension: int
    settings: Settings

    @property
    def maps(self) -> int:
        """Rows of the stacked matrix that the regions of the full model meet: 3 A of [V W], or 3 d of [W] alone.

        Whichever makes a whole step cheaper: with [W], its result (B R, 3 d) meets V, and both get a gradient.
        """
        direct = 2 * self.channels * self.attributes
        through = 2 * self.channels * self.dimension + 3 * self.dimension * self.attributes
        return 3 * (self.attributes if direct <= through else self.dimension)

    @property
    def product_flops(self) -> int:
        """Of the two products no step of the full model avoids: regions by the stack, and the stack's gradient."""
        return 2 * 2 * self.batch * self.regions * self.channels * self.maps

    def sizes(self) -> dict[str, int]:
        """Every number of it, for the results."""
        named = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        return named | {"maps": self.maps, "product_flops": self.product_flops}


def shapes(names: Sequence[str]) -> list[Shape]:
    """In that order; InputError names the nearest name."""
    for name in names:
        if name not in NAMES:
            raise unknown("shape", name, NAMES)
    return [_simulated(name.removeprefix(SIMULATED)) if name.startswith(SIMULATED) else _real(name) for name in names]


def _real(name: str) -> Shape:
    from dazle.datasets.full_size import SEMANTIC_DIMENSION, sizes

    size, settings = sizes(name), preset(name)
    grid = size.grid[0] * size.grid[1]
    return Shape(
        name, _batch(settings, size.seen), grid, size.channels, size.attributes, size.seen + size.unseen, size.seen,
        SEMANTIC_DIMENSION, settings,
    )  # fmt: skip


def _simulated(name: str) -> Shape:
    from dazle.datasets.simulated import SHAPES, simulated_settings

    size, settings = SHAPES[name], simulated_settings(name)
    return Shape(
        SIMULATED + name, _batch(settings, size.seen), size.grid[0] * size.grid[1], size.channels, size.attributes,
        size.seen + size.unseen, size.seen, size.semantic_dimension, settings,
    )  # fmt: skip


def _batch(settings: Settings, seen: int) -> int:
    """Class-balanced batches have an image for each of so many classes."""
    wanted = settings.training.batch_size
    return min(wanted, seen) if settings.training.balanced_batches else wanted
