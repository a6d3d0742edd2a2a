"""ALE (Akata et al., TPAMI 2016): a bilinear score whose hinge loss is weighted by the rank of the label.

    loss of an image = (l_r / r) sum_c m_c,    r = number of c with m_c > 0,    l_r = sum_{i <= r} 1 / i

with m_c = max(0, 1 + f' W z_c - f' W z_y), c other than y (`hinge.py`); 0 if r = 0. Published (Xian et al. 2019,
res101; T1 | U/S/H, oracle protocol): CUB 54.9 | 23.7/62.8/34.4, SUN 58.1 | 21.8/33.1/26.3, AWA2 62.5 | 14.0/81.8/23.9.

Ours differs: r is counted over all wrong classes, where theirs samples them until one violates the margin; Adam over
batches of a fixed number of epochs, where theirs is stochastic gradient descent; the epoch is chosen on validation.
"""

import torch
from torch import Tensor

from ablations.baselines.hinge import HingeMethod


class Ale(HingeMethod):
    """Implements `dazle.training.method.Method`."""

    name = "ale"

    def image_losses(self, hinges: Tensor) -> Tensor:
        """The weighted sum; the weight is a constant in the gradient."""
        ranks = (hinges > 0).sum(dim=1)
        numbers = torch.arange(1, hinges.shape[1] + 1, dtype=hinges.dtype, device=hinges.device)
        harmonic = torch.cat([hinges.new_zeros(1), (1 / numbers).cumsum(0)])
        return harmonic[ranks] / ranks.clamp(min=1) * hinges.sum(dim=1)
