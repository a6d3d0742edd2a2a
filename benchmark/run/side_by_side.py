"""Which cells are trained side by side: those that differ in their seeds alone, where a step is small.

Records are equal however cells were put together (`dazle/training/equal_bits.py`), so a run that is continued, or
shared by several runners, may put them together in other ways.
"""

from collections.abc import Sequence
from math import ceil

from benchmark.cells.matrix import Cell, identity_hash

# Regions, and products with them, of all models in one step. A step that is larger than what a core keeps near itself
# spends its time there, not on calls, and takes no less time for a model of several.
STEP_BYTES = 8 * 2**20


def side_by_side(cell: Cell) -> int:
    """How many such cells train faster together. With several threads, or on a GPU, that was never measured."""
    if cell.identity["threads"] != 1 or cell.identity["device"] != "cpu":
        return 1
    regions, channels = cell.dataset.regions
    return max(
        1, STEP_BYTES // (4 * cell.settings.training.batch_size * regions * (channels + 3 * cell.dataset.attributes))
    )


def groups(cells: Sequence[Cell], workers: int, most: int | None = None) -> list[tuple[Cell, ...]]:
    """The cells in their order, those of a group where its first one stood; no worker is left without work.

    `most`: in one group; None: as many as train faster.
    """
    alike: dict[str, list[Cell]] = {}
    for cell in cells:
        apart_from_seed = {key: value for key, value in cell.identity.items() if key != "seed"}
        alike.setdefault(identity_hash(apart_from_seed), []).append(cell)
    even = max(1, len(cells) // workers)
    found = []
    for each in alike.values():
        size = min(most or side_by_side(each[0]), even)
        parts = ceil(len(each) / size)
        found += [tuple(each[len(each) * part // parts : len(each) * (part + 1) // parts]) for part in range(parts)]
    return found
