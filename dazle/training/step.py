"""One step of training: a model, a loss and an optimiser. What training repeats and what `throughput` measures."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dazle.training.cuda_graph import GraphedFunction

Losses = Mapping[str, Tensor]  # scalars by name; `total` is what is minimised


class Step:
    """Called with a batch, moves the model's parameters once and returns the losses.

    On a GPU the step is one CUDA graph after its first calls, so the model must not be moved from then on.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Tensor], Losses],
        optimiser: torch.optim.Optimizer,
        device: torch.device,
    ) -> None:
        """`loss`: from the model's output and labels (B,) to scalars by name, always the same names."""
        self.model, self.loss, self.optimiser = model, loss, optimiser
        self.names: tuple[str, ...] = ()
        self.run = GraphedFunction(self.eager) if device.type == "cuda" else self.eager

    def __call__(self, regions: Tensor, labels: Tensor) -> Losses:
        """`regions`: (B, R, D); `labels`: (B,) positions in the label space."""
        values = self.run(regions, labels)
        return dict(zip(self.names, values, strict=True))

    def eager(self, regions: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """The step, launched operation by operation; the losses in the order of `names`."""
        losses = self.loss(self.model(regions), labels)
        if not isinstance(losses, Mapping) or "total" not in losses:
            raise TypeError("the loss must return scalars by name, with `total`, the one that is minimised, among them")
        losses["total"].backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.names = tuple(losses)
        return tuple(value.detach() for value in losses.values())
