"""RMSprop with the update of `torch.optim.RMSprop` and less overhead for small models.

Parameters are updated part by part, so that all passes over a part find it in the processor's cache.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from dazle.config import TrainingSettings

ALPHA, EPSILON = 0.99, 1e-8  # the defaults of torch.optim.RMSprop
# Values of a part. Parameter, gradient, both averages and the root take 4 bytes a value: under a megabyte, which fits
# the cache of a core.
CACHED_VALUES = 2**15

Parts = list[Tensor]


class RMSprop:
    """RMSprop, not centred; parameters after a step equal those of `torch.optim.RMSprop` to the last bit.

    It counts no steps, so a step can be replayed as a CUDA graph. Parameters are updated in place.
    """

    def __init__(self, parameters: Iterable[Tensor], settings: TrainingSettings) -> None:
        self.tensors, self.settings = list(parameters), settings
        # On a GPU every operation is a kernel launch: all parameters are one group.
        on_cpu = self.tensors[0].device.type == "cpu"
        self.part_size = CACHED_VALUES if on_cpu else sum(tensor.numel() for tensor in self.tensors)
        self.parameters = self._parts(tensor.detach() for tensor in self.tensors)
        self.squares = [torch.zeros_like(part) for part in self.parameters]
        self.momenta = [torch.zeros_like(part) for part in self.parameters]
        self.groups = _groups([part.numel() for part in self.parameters], self.part_size)

    def _parts(self, tensors: Iterable[Tensor]) -> list[Tensor]:
        return [part for tensor in tensors for part in self._split(tensor)]

    def _split(self, tensor: Tensor) -> Sequence[Tensor]:
        return [tensor] if tensor.numel() <= self.part_size else torch.split(tensor.view(-1), self.part_size)

    @torch.no_grad()
    def step(self) -> None:
        """Updates the parameters and sets their gradients to None."""
        gradients = self._parts(tensor.grad for tensor in self.tensors if tensor.grad is not None)
        for group in self.groups:
            self._update(self.parameters[group], gradients[group], self.squares[group], self.momenta[group])
        for tensor in self.tensors:
            tensor.grad = None

    def _update(self, parameters: Parts, gradients: Parts, squares: Parts, momenta: Parts) -> None:
        settings = self.settings
        torch._foreach_add_(gradients, parameters, alpha=settings.weight_decay)
        torch._foreach_mul_(squares, ALPHA)
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - ALPHA)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_add_(roots, EPSILON)
        if settings.momentum:
            torch._foreach_mul_(momenta, settings.momentum)
            torch._foreach_addcdiv_(momenta, gradients, roots)
            torch._foreach_add_(parameters, momenta, alpha=-settings.learning_rate)
        else:
            torch._foreach_addcdiv_(parameters, gradients, roots, value=-settings.learning_rate)


def _groups(sizes: Sequence[int], most: int) -> list[slice]:
    """Groups of consecutive parts with at most `most` values each; a larger part is a group of its own."""
    groups, start, total = [], 0, 0
    for index, size in enumerate(sizes):
        if index > start and total + size > most:
            groups.append(slice(start, index))
            start, total = index, 0
        total += size
    return [*groups, slice(start, len(sizes))]
