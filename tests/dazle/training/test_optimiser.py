import pytest
import torch

from dazle.config import TrainingSettings
from dazle.training.optimiser import CACHED_VALUES, RMSprop


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 1e-4])
def test_the_update_is_that_of_torch_to_the_last_bit(momentum: float, weight_decay: float) -> None:
    """Parameters that fit the cache together, alone, and not at all."""
    shapes = [(3, 5), (7,), (CACHED_VALUES - 3,), (2 * CACHED_VALUES + 11, 2)]
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in shapes]
    ours, theirs = ([torch.nn.Parameter(value.clone()) for value in start] for _ in range(2))
    settings = TrainingSettings(momentum=momentum, weight_decay=weight_decay, learning_rate=0.01)
    optimiser = RMSprop(ours, settings)
    reference = torch.optim.RMSprop(theirs, lr=0.01, momentum=momentum, weight_decay=weight_decay)
    for _ in range(3):
        for parameter, expected in zip(ours, theirs, strict=True):
            expected.grad = torch.randn(parameter.shape, generator=generator)
            parameter.grad = expected.grad.clone()
        optimiser.step()
        reference.step()
        assert all(parameter.grad is None for parameter in ours)
    for parameter, expected, before in zip(ours, theirs, start, strict=True):
        assert torch.equal(parameter, expected)
        assert not torch.equal(parameter, before)
