"""Whether models that are trained side by side become what each would become alone, to the last bit.

Nothing is taken for granted: in which order a library adds up can depend on how many matrices it is given, on where
they lie in memory, on threads and on the device. So a few steps of exactly this shape are tried, on this machine.
"""

import copy

import torch
from torch import Tensor
from torch.nn import functional

from dazle.config import Settings
from dazle.method.model import Model
from dazle.training.step import Step

# The attentions are zero at first: it takes two steps until every product has something to round.
STEPS = 3


def equal_side_by_side(
    start: Model, seen: Tensor, settings: Settings, shape: tuple[int, int, int], dtype: torch.dtype, models: int
) -> bool:
    """Copies of `start` on equal made-up batches: `models` of them side by side, and one alone.

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
    alone, *beside = (copy.deepcopy(start) for _ in range(1 + models))
    for trained in ([alone], beside):
        step = Step(trained, seen, settings)
        for regions, labels in batches:
            step(regions.expand(len(trained), *shape).contiguous(), labels.expand(len(trained), -1).contiguous())
    return all(
        torch.equal(value, other)
        for each in beside
        for value, other in zip(each.parameters(), alone.parameters(), strict=True)
    )
