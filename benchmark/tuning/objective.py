"""The value of a trial: a metric on validation classes, averaged over class folds and seeds, at its best epoch.

A trial is trained part by part, a part for each repetition and class fold; each part is a job of a pool. The rule for
callers: a part is trained on features without test split, and makes its phase itself.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmark.cells.datasets import load_features
from benchmark.cells.matrix import Cell

if TYPE_CHECKING:
    from dazle.training.judge import Curve

METRICS = ("H", "T1", "AUSUC")


def tuning_seed(base_seed: int, dataset: str, repetition: int) -> tuple[str | int, ...]:
    """The name of the random streams of a tuning repetition; the seed of a cell has no `tuning` in front."""
    return ("tuning", base_seed, dataset, repetition)


def train_part(cell: Cell, params: Mapping[str, Any], repetition: int, fold: int, memory: int) -> "Curve":
    """The validation curve of one repetition on one class fold (from 1), under the cell's settings with `params`.

    Runs in a worker that may hold `memory` bytes of features.
    """
    import torch

    from ablations.methods import load_method
    from dazle.features.splits import validation_phase, without_test
    from dazle.training.train import train

    data = cell.dataset
    features = load_features(data.name, data.file, memory)
    if features.fingerprint != data.fingerprint:
        raise RuntimeError(f"the features of {data.name} changed during the study; use a new --out")
    features = without_test(features)
    seed = tuning_seed(cell.identity["base_seed"], data.name, repetition)
    device = torch.device(cell.identity["device"])
    method = load_method(cell.variant.method)
    phase = validation_phase(features, fold)
    return train(method, features, phase, cell.settings.changed(params), seed, device).curves[0]


@dataclass
class PartialTrial:
    """The parts of a trial that are trained, as `curves` in the order of `parts`."""

    metric: str
    parts: Sequence[tuple[int, int]]  # repetition, fold
    curves: list["Curve"] = field(default_factory=list)

    @property
    def next_part(self) -> tuple[int, int] | None:
        """The next repetition and fold; None once all are trained."""
        return self.parts[len(self.curves)] if len(self.curves) < len(self.parts) else None

    def best(self) -> tuple[float, float]:
        """The best value, averaged over the parts so far, and its epoch. Raises ValueError if there is none."""
        from reports.analysis.protocols import averaged

        values = averaged(self.curves, self.metric)
        best = max(values, key=lambda value: -math.inf if math.isnan(value) else value)
        if not math.isfinite(best):
            raise ValueError(f"{self.metric} does not exist in validation")
        return best, self.curves[0][values.index(best)]["epoch"]
