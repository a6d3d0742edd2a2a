"""The power of the gate: the smallest drop that it finds 95 times in 100, simulated from the spread of a file.

The test is the paired t test at the strictest step of Holm. The repetitions of the simulated run are new draws, with
the spread and the correlation between rows of the file. That is the worst case: a run with the same base seed differs
less from the accepted one, and smaller drops are found.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmark.gate.accepted import AcceptedResults, Key
from benchmark.gate.verdicts import ALPHA

POWER = 0.95
PERCENT = f"{POWER * 100:.0f} %"
DRAWS = 4000


@dataclass(frozen=True)
class Power:
    """The drops in percentage points of H. `one_row`: of that row alone; `all_rows`: the same drop of all rows.

    A drop of all rows is found if it is found in at least one of them. `means`: the accepted H of the rows.
    `comparisons`: the number of tests that are adjusted.
    """

    one_row: Mapping[Key, float]
    all_rows: float
    means: Mapping[Key, float]
    repetitions: int
    comparisons: int

    def __str__(self) -> str:
        return (
            f"Power over the whole file: with {self.repetitions} repetitions and {self.comparisons} comparisons, "
            f"{self._one_row()}; {self._all_rows()} (simulated from the accepted spread, without pairing repetitions)"
        )

    def _one_row(self) -> str:
        """A row cannot drop by more than its accepted H, so a larger drop cannot be found."""
        drops = sorted(drop for key, drop in self.one_row.items() if drop <= self.means[key])
        if not drops:
            return f"no drop of one row alone is found {PERCENT} of the time"
        return (
            f"a drop of one row alone is found {PERCENT} of the time in {len(drops)} of {len(self.one_row)} rows (from "
            f"{np.median(drops):.1f} H on in the median one, from {drops[0]:.1f} H on in the best)"
        )

    def _all_rows(self) -> str:
        if self.all_rows > max(self.means.values()):
            return f"no drop of all rows is found {PERCENT} of the time"
        return f"the same drop of all rows is found from {self.all_rows:.1f} H on"


def smallest_drops(accepted: AcceptedResults) -> Power | None:
    """The power of a check against the file; None if no row is compared in H."""
    rows = [row for row in accepted.rows if "H" in accepted.tolerances(row)]
    if not rows:
        return None
    comparisons = sum(len(accepted.tolerances(row)) for row in accepted.rows)
    random = np.random.default_rng(0)
    drops: dict[Key, np.ndarray] = {}
    for dataset in dict.fromkeys(row.dataset for row in rows):
        dataset_rows = [row for row in rows if row.dataset == dataset]
        repetitions = min(row.repetitions for row in dataset_rows)
        values = np.array([row.values["H"][:repetitions] for row in dataset_rows])
        tolerances = np.array([accepted.tolerances(row)["H"] for row in dataset_rows])
        smallest = tolerances + excess_needed(values, ALPHA / comparisons, random)
        drops |= {row.key: smallest[:, number] for number, row in enumerate(dataset_rows)}
    return Power(
        one_row={key: float(np.quantile(draws, POWER)) for key, draws in drops.items()},
        all_rows=float(np.quantile(np.min(list(drops.values()), axis=0), POWER)),
        means={row.key: float(np.mean(row.values["H"])) for row in rows},
        repetitions=min(row.repetitions for row in rows),
        comparisons=comparisons,
    )


def excess_needed(values: np.ndarray, alpha: float, random: np.random.Generator) -> np.ndarray:
    """The drop beyond the tolerance that each simulated run needs: (DRAWS, rows), in the units of `values`.

    `values`: (rows, n). Differences between two runs are normal with twice the covariance of `values`; the paired t
    test at level `alpha` finds a drop of more than t_{n-1} s / sqrt(n) + mean of its differences without the drop.
    """
    from scipy import stats

    n = values.shape[1]
    centred = (values - values.mean(axis=1, keepdims=True)) / np.sqrt(n - 1)
    differences = np.sqrt(2) * random.standard_normal((DRAWS, n, n)) @ centred.T
    critical = stats.t.isf(alpha, n - 1)
    return critical * differences.std(axis=1, ddof=1) / np.sqrt(n) + differences.mean(axis=1)
