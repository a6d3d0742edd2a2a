import pytest
import torch

from dazle.config import TrainingSettings
from dazle.training.optimiser import CACHED, RMSprop


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 1e-4])
def test_the_update_is_that_of_torch_to_the_last_bit(momentum: float, weight_decay: float) -> None:
    """Parameters that fit the cache together, alone, and not at all."""
    shapes = [(3, 5), (7,), (CACHED - 3,), (2 * CACHED + 11, 2)]
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in shapes]
    ours, theirs = ([torch.nn.Parameter(value.clone()) for value in start] for _ in range(2))
    settings = TrainingSettings(momentum=momentum, weight_decay=weight_decay, learning_rate=0.01)
    mine = RMSprop(ours, settings)
    plain = torch.optim.RMSprop(theirs, lr=0.01, momentum=momentum, weight_decay=weight_decay)
    for _ in range(3):
        for one, other in zip(ours, theirs, strict=True):
            other.grad = torch.randn(one.shape, generator=generator)
            one.grad = other.grad.clone()
        mine.step()
        plain.step()
        assert all(one.grad is None for one in ours)
    for one, other, before in zip(ours, theirs, start, strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one, before)
