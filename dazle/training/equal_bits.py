"""Check that training models side by side gives bit-identical results to training each model alone.

The order in which a library adds numbers can depend on the number of matrices, their memory addresses, the threads and
the device. So a few steps of exactly this shape are run on this machine.
"""

import copy

import torch
from torch import Tensor
from torch.nn import functional

from dazle.config import Settings
from dazle.method.model import Model
from dazle.training.step import Step

# W_alpha and W_beta start at zero: only from the third step on does every product round.
STEPS = 3


def equal_side_by_side(
    start: Model, seen: Tensor, settings: Settings, shape: tuple[int, int, int], dtype: torch.dtype, models: int
) -> bool:
    """Trains copies of `start` on the same random batches, `models` of them side by side and one alone.

    `seen`: (C,) bool, on the device of `start`; `shape`: of a batch, (B, R, D), in `dtype`.
    """
    draw = torch.Generator().manual_seed(0)
    positions = seen.nonzero().flatten()
    batches = [
        (
            functional.normalize(torch.rand(shape, generator=draw), dim=2).to(seen.device, dtype),
            positions[torch.randint(len(positions), shape[:1], generator=draw).to(seen.device)],
        )
        for _ in range(STEPS)
    ]
    single, *stacked = (copy.deepcopy(start) for _ in range(1 + models))
    for group in ([single], stacked):
        step = Step(group, seen, settings)
        for regions, labels in batches:
            step(regions.expand(len(group), *shape).contiguous(), labels.expand(len(group), -1).contiguous())
    return all(
        torch.equal(value, expected)
        for model in stacked
        for value, expected in zip(model.parameters(), single.parameters(), strict=True)
    )
