"""What the gate can find: the smallest drop that it names 95 times in 100, simulated from the spread of a file.

The drop is found by the paired t test at the strictest step of Holm. The simulated run shares nothing with the accepted
one: its repetitions are new draws with the spread and the correlation between rows that the file shows. That is the
worst case; a run with the same base seed differs from the accepted one by less, and then smaller drops are found.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmark.gate.accepted import Accepted, Key
from benchmark.gate.verdicts import ALPHA

FOUND = 0.95
DRAWS = 4000


@dataclass(frozen=True)
class Power:
    """Percentage points of H. `alone`: a drop of one row; `together`: the same drop of all rows, found in one at least.

    `comparisons`: over how many the tests are adjusted. `means`: where the rows can drop from.
    """

    alone: Mapping[Key, float]
    together: float
    means: Mapping[Key, float]
    repetitions: int
    comparisons: int

    def __str__(self) -> str:
        drops = sorted(self.alone.values())
        blind = sum(drop > self.means[key] for key, drop in self.alone.items())
        return (
            f"Power over the whole file: with {self.repetitions} repetitions and {self.comparisons} comparisons, a "
            f"drop of one row alone is found {FOUND:.0%} of the time from {np.median(drops):.1f} H on (median row; "
            f"best {drops[0]:.1f}; "
            f"{blind} rows scatter too much for any drop to be found so often), the same drop of all rows from "
            f"{self.together:.1f} H on; as if no repetition were paired, simulated from the accepted spread"
        )


def smallest_drops(accepted: Accepted) -> Power | None:
    """None where H judges no row."""
    rows = [row for row in accepted.rows if "H" in accepted.judged(row)]
    if not rows:
        return None
    comparisons = sum(len(accepted.judged(row)) for row in accepted.rows)
    random = np.random.default_rng(0)
    needed: dict[Key, np.ndarray] = {}
    for dataset in dict.fromkeys(row.dataset for row in rows):
        of_dataset = [row for row in rows if row.dataset == dataset]
        repetitions = min(row.repetitions for row in of_dataset)
        values = np.array([row.values["H"][:repetitions] for row in of_dataset])
        tolerances = np.array([accepted.judged(row)["H"] for row in of_dataset])
        drops = tolerances + excess_needed(values, ALPHA / comparisons, random)
        needed |= {row.key: drops[:, number] for number, row in enumerate(of_dataset)}
    return Power(
        alone={key: float(np.quantile(drops, FOUND)) for key, drops in needed.items()},
        together=float(np.quantile(np.min(list(needed.values()), axis=0), FOUND)),
        means={row.key: float(np.mean(row.values["H"])) for row in rows},
        repetitions=min(row.repetitions for row in rows),
        comparisons=comparisons,
    )


def excess_needed(values: np.ndarray, alpha: float, random: np.random.Generator) -> np.ndarray:
    """How far beyond the tolerance a drop has to be in each simulated run: (DRAWS, rows), in the units of `values`.

    `values`: (rows, n). Differences between two runs are normal with twice the covariance of `values`; the paired t
    test at level `alpha` finds a drop of more than t_{n-1} s / sqrt(n) + mean of its differences without the drop.
    """
    from scipy import stats

    n = values.shape[1]
    centred = (values - values.mean(axis=1, keepdims=True)) / np.sqrt(n - 1)
    differences = np.sqrt(2) * random.standard_normal((DRAWS, n, n)) @ centred.T
    critical = stats.t.isf(alpha, n - 1)
    return critical * differences.std(axis=1, ddof=1) / np.sqrt(n) + differences.mean(axis=1)
