"""WAvg: classifiers of unseen classes as averages of seen ones, weighted by the distance of their signatures.

    w_u = sum_s exp(-5 ||z_u - z_s||) w_s

w_s: the linear probe of a seen class (`probe.py`), z: class signatures of unit length. Name and formula are those of
a baseline of VGSE (Xu et al., CVPR 2022), which ICIS (Christensen et al., ICCV 2023) applies to classifiers; neither
paper has been read here. Whether published numbers exist on these splits is not known here.

Ours differs: the weight of the probe comes from the class folds.
"""

import torch
from torch import Tensor

from ablations.baselines.weight_transfer import WeightTransfer

DECAY = 5.0


class WAvg(WeightTransfer):
    """Implements `dazle.training.method.Method`."""

    name = "wavg"

    def mixtures(self, seen: Tensor, unseen: Tensor) -> Tensor:
        """Weights that fall with the distance; they do not sum to 1."""
        return torch.exp(-DECAY * torch.cdist(unseen, seen))
