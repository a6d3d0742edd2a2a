"""SMO: classifiers of unseen classes by the mixture of seen signatures that is nearest to the unseen one.

    w_u = sum_s a_s w_s,    a = argmin ||sum_s a_s z_s - z_u||^2 over a >= 0, sum_s a_s = 1

w_s: the linear probe of a seen class (`probe.py`), z: class signatures of unit length. Name and formula are those of
a baseline of VGSE (Xu et al., CVPR 2022), which ICIS (Christensen et al., ICCV 2023) applies to classifiers; neither
paper has been read here. Whether published numbers exist on these splits is not known here.

Ours differs: the problem on the simplex is solved exactly, and the weight of the probe comes from the class folds.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor

from ablations.baselines.weight_transfer import WeightTransfer


class Smo(WeightTransfer):
    """Implements `dazle.training.method.Method`."""

    name = "smo"

    def mixtures(self, seen: Tensor, unseen: Tensor) -> Tensor:
        """The nearest mixture of each unseen class."""
        points = seen.cpu().numpy()
        rows = [nearest_mixture(points, target) for target in unseen.cpu().numpy()]
        return torch.from_numpy(np.array(rows).reshape(len(unseen), len(seen))).to(seen)


def nearest_mixture(points: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """a (S,) on the simplex that minimises ||a' points - target||^2; `points`: (S, A), `target`: (A,).

    With B = points - target the distance is ||B' a||. For x = t a, the least value over t of ||B' x||^2 + (sum x - 1)^2
    is d / (1 + d) with d = ||B' a||^2, which grows with d. So its solution over x >= 0, divided by its sum, is a.
    """
    rows = np.vstack([(points - target).T, np.ones(len(points))])
    solution, _ = nnls(rows, np.append(np.zeros(len(target)), 1.0))
    return solution / solution.sum()
