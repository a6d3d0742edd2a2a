"""COSTA (Mensink, Gavves and Snoek, CVPR 2014): classifiers of unseen classes from the co-occurrence of attributes.

    w_u = sum_s [z_u' z_s / (sum_s' z_u' z_s' + 1e-4)] w_s

w_s: the linear probe of a seen class (`probe.py`), z: class signatures of unit length. The paper has no results on
these splits.

Ours differs: similarities are products of class signatures, where the paper counts labels that occur in one image; the
weight of the probe comes from the class folds.
"""

from torch import Tensor

from ablations.baselines.weight_transfer import WeightTransfer

ADDED = 1e-4  # to the denominator


class Costa(WeightTransfer):
    """Implements `dazle.training.method.Method`."""

    name = "costa"

    def mixtures(self, seen: Tensor, unseen: Tensor) -> Tensor:
        """Similarities to the seen classes, divided by their sum."""
        similarities = unseen @ seen.T
        return similarities / (similarities.sum(dim=1, keepdim=True) + ADDED)
