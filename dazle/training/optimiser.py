"""RMSprop as torch.optim has it, for models so small that its bookkeeping takes longer than its arithmetic.

Parameters are updated a part at a time: all passes over a part are made while the processor has it in its cache.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from dazle.config import TrainingSettings

ALPHA, EPSILON = 0.99, 1e-8  # the defaults of torch.optim.RMSprop
# 4 bytes each of parameter, gradient, both averages and the root: under a megabyte, which a core's own cache holds.
CACHED = 2**15

Parts = list[Tensor]


class RMSprop:
    """The update of `torch.optim.RMSprop`, not centred, to the last bit.

    It keeps no count of steps, so a step can be replayed as a graph. The parameters stay where they are.
    """

    def __init__(self, parameters: Iterable[Tensor], settings: TrainingSettings) -> None:
        self.whole, self.settings = list(parameters), settings
        # On a GPU every operation is a launch: all parameters are one group.
        self.cached = CACHED if self.whole[0].device.type == "cpu" else sum(each.numel() for each in self.whole)
        self.parameters = self._parts(each.detach() for each in self.whole)
        self.squares = [torch.zeros_like(part) for part in self.parameters]
        self.moving = [torch.zeros_like(part) for part in self.parameters]
        self.groups = _groups([part.numel() for part in self.parameters], self.cached)

    def _parts(self, tensors: Iterable[Tensor]) -> list[Tensor]:
        return [part for tensor in tensors for part in self._split(tensor)]

    def _split(self, tensor: Tensor) -> Sequence[Tensor]:
        return [tensor] if tensor.numel() <= self.cached else torch.split(tensor.view(-1), self.cached)

    @torch.no_grad()
    def step(self) -> None:
        """Moves the parameters by their gradients, which are used up."""
        gradients = self._parts(each.grad for each in self.whole if each.grad is not None)
        for group in self.groups:
            self._update(self.parameters[group], gradients[group], self.squares[group], self.moving[group])
        for each in self.whole:
            each.grad = None

    def _update(self, parameters: Parts, gradients: Parts, squares: Parts, moving: Parts) -> None:
        chosen = self.settings
        torch._foreach_add_(gradients, parameters, alpha=chosen.weight_decay)
        torch._foreach_mul_(squares, ALPHA)
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - ALPHA)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_add_(roots, EPSILON)
        if chosen.momentum:
            torch._foreach_mul_(moving, chosen.momentum)
            torch._foreach_addcdiv_(moving, gradients, roots)
            torch._foreach_add_(parameters, moving, alpha=-chosen.learning_rate)
        else:
            torch._foreach_addcdiv_(parameters, gradients, roots, value=-chosen.learning_rate)


def _groups(sizes: Sequence[int], most: int) -> list[slice]:
    """Neighbours that are at most so large together."""
    groups, start, total = [], 0, 0
    for index, size in enumerate(sizes):
        if index > start and total + size > most:
            groups.append(slice(start, index))
            start, total = index, 0
        total += size
    return [*groups, slice(start, len(sizes))]
