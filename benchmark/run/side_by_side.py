"""Groups of cells that are trained side by side: cells that differ in their seeds alone, if a step is small.

The rule: the records are the same in any grouping (`dazle/training/equal_bits.py`), so a run that is continued, or
shared by several runners, may group its cells in another way.
"""

from collections.abc import Sequence
from math import ceil

from benchmark.cells.matrix import Cell, identity_hash

# Regions, and products with them, of all models in one step. A larger step does not fit the cache of a core: its time
# goes to memory, not to calls, so several models in it are no faster.
STEP_BYTES = 8 * 2**20


def side_by_side(cell: Cell) -> int:
    """The number of such cells in the fastest group. With several threads, or on a GPU, that was never measured."""
    if cell.identity["threads"] != 1 or cell.identity["device"] != "cpu":
        return 1
    regions, channels = cell.dataset.regions
    return max(
        1, STEP_BYTES // (4 * cell.settings.training.batch_size * regions * (channels + 3 * cell.dataset.attributes))
    )


def groups(cells: Sequence[Cell], workers: int, most: int | None = None) -> list[tuple[Cell, ...]]:
    """Groups in the order of their first cells, enough of them for every worker.

    `most`: cells in one group, None for the number that is fastest.
    """
    by_settings: dict[str, list[Cell]] = {}
    for cell in cells:
        apart_from_seed = {key: value for key, value in cell.identity.items() if key != "seed"}
        by_settings.setdefault(identity_hash(apart_from_seed), []).append(cell)
    even = max(1, len(cells) // workers)
    parts = []
    for equal in by_settings.values():
        count = ceil(len(equal) / min(most or side_by_side(equal[0]), even))
        parts += [tuple(equal[len(equal) * part // count : len(equal) * (part + 1) // count]) for part in range(count)]
    return parts
