"""DeViSE (Frome et al., NeurIPS 2013): a bilinear score whose hinge loss sums over all wrong classes.

    loss of an image = sum_c m_c,    m_c = max(0, 1 + f' W z_c - f' W z_y), c other than y    (`hinge.py`)

Published (Xian et al. 2019, res101; T1 | U/S/H, oracle protocol): CUB 52.0 | 23.8/53.0/32.8, SUN 56.5 |
16.9/27.4/20.9, AWA2 59.7 | 17.1/74.7/27.8.

Ours differs: class signatures in place of word vectors of class names; Adam over batches of a fixed number of epochs,
where theirs is stochastic gradient descent; the epoch is chosen on validation.
"""

from torch import Tensor

from ablations.baselines.hinge import HingeMethod


class Devise(HingeMethod):
    """Implements `dazle.training.method.Method`."""

    name = "devise"

    def image_losses(self, hinges: Tensor) -> Tensor:
        """The sum over the wrong classes."""
        return hinges.sum(dim=1)
