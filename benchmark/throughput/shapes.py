"""The shapes of inputs that are measured: those of the four datasets and of the simulated sets. No data is needed."""

from collections.abc import Sequence
from dataclasses import dataclass

from dazle.config import DATASETS, Settings
from dazle.errors import unknown

SIMULATED = "simulated-"
NAMES = (*DATASETS, *(f"{SIMULATED}{name}" for name in DATASETS))


@dataclass(frozen=True)
class Shape:
    """The sizes of one dataset and its settings.

    `batch`, `regions`, `channels`, `attributes` and `classes` are the paper's B, R, D, A and C; `seen` is the number of
    seen classes, `dimension` that of a word vector (d).
    """

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
        """Rows of the stacked matrix that multiplies the regions: 3 A if it is [V W], 3 d if it is [W] alone.

        The full model uses the one that makes a whole step cheaper. After [W] its result (B R, 3 d) is multiplied by
        V, and both get a gradient.
        """
        direct = 2 * self.channels * self.attributes
        through = 2 * self.channels * self.dimension + 3 * self.dimension * self.attributes
        return 3 * (self.attributes if direct <= through else self.dimension)

    @property
    def product_flops(self) -> int:
        """Operations of the two products that no step of the full model avoids: regions by stack, stack's gradient."""
        return 2 * 2 * self.batch * self.regions * self.channels * self.maps

    def sizes(self) -> dict[str, int]:
        """Every number of the shape by its name, for throughput.json."""
        numbers = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        return numbers | {"maps": self.maps, "product_flops": self.product_flops}


def find_shapes(names: Sequence[str]) -> list[Shape]:
    """The shapes in the order of their names. Raises InputError, which gives the nearest name."""
    for name in names:
        if name not in NAMES:
            raise unknown("shape", name, NAMES)
    return [_simulated(name.removeprefix(SIMULATED)) if name.startswith(SIMULATED) else _real(name) for name in names]


def _real(name: str) -> Shape:
    from dazle.datasets.full_size import SEMANTIC_DIMENSION, sizes

    size, settings = sizes(name), Settings.preset(name)
    grid = size.grid[0] * size.grid[1]
    return Shape(
        name, _batch(settings, size.seen), grid, size.channels, size.attributes, size.seen + size.unseen, size.seen,
        SEMANTIC_DIMENSION, settings,
    )  # fmt: skip


def _simulated(name: str) -> Shape:
    from dazle.datasets.simulated import SHAPES

    size, settings = SHAPES[name], Settings.preset(name, simulated=True)
    return Shape(
        SIMULATED + name, _batch(settings, size.seen), size.grid[0] * size.grid[1], size.channels, size.attributes,
        size.seen + size.unseen, size.seen, size.semantic_dimension, settings,
    )  # fmt: skip


def _batch(settings: Settings, seen: int) -> int:
    """Images in a batch; a class-balanced batch has one image a class, so at most as many as there are classes."""
    size = settings.training.batch_size
    return min(size, seen) if settings.training.balanced_batches else size
