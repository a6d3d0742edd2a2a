"""SJE (Akata et al., CVPR 2015): a bilinear score whose hinge loss takes the worst wrong class.

    loss of an image = max_c m_c,    m_c = max(0, 1 + f' W z_c - f' W z_y), c other than y    (`hinge.py`)

Published (Xian et al. 2019, res101; T1 | U/S/H, oracle protocol): CUB 53.9 | 23.5/59.2/33.6, SUN 53.7 |
14.7/30.5/19.8, AWA2 61.9 | 8.0/73.9/14.4.

Ours differs: Adam over batches of a fixed number of epochs, where theirs is stochastic gradient descent; the epoch is
chosen on validation.
"""

from torch import Tensor

from ablations.baselines.hinge import HingeMethod


class Sje(HingeMethod):
    """Implements `dazle.training.method.Method`."""

    name = "sje"

    def image_losses(self, hinges: Tensor) -> Tensor:
        """The largest m_c."""
        return hinges.amax(dim=1)
