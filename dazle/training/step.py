"""One optimiser step (forward, loss, backward, RMSprop) of one model, or of several models side by side.

Models side by side are repetitions of one training: equal settings and label space, different seeds. Each operation
runs once for all of them, which is faster because a step of a small model is bound by the number of operations. No
operation mixes models; `dazle/training/equal_bits.py` checks that the bits are those of training each model alone.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dazle.config import Settings
from dazle.method.losses import Loss, loss
from dazle.method.model import Model, evidence
from dazle.training.cuda_graph import GraphedFunction
from dazle.training.optimiser import RMSprop


class Step:
    """Trains `models` in place; their parameters must not be moved to other memory afterwards."""

    def __init__(self, models: Sequence[Model], seen: Tensor, settings: Settings) -> None:
        """`models`: on the device that trains; `seen`: (C,) bool of their label space, on the same device."""
        if bool(seen.all()):
            # Self-calibration needs unseen classes. Checked once, since reading a value waits for the GPU.
            settings = settings.changed({"loss.lambda": 0.0})
        self.model, self.loss, self.seen = settings.model, settings.loss, seen
        self.parameters = {name: _side_by_side(models, name) for name in ("V", *models[0].names)}
        self.class_attributes = models[0].class_attributes.T.expand(len(models), -1, -1)
        trainable = (tensor for tensor in self.parameters.values() if tensor.requires_grad)
        self.optimiser = RMSprop(trainable, settings.training)
        self.run = GraphedFunction(self.eager) if seen.is_cuda else self.eager

    def __call__(self, regions: Tensor, labels: Tensor) -> Loss:
        """One step. `regions`: (S, B, R, D) in the precision of the settings; `labels`: (S, B) positions in C.

        All labels are of seen classes. The losses have shape (S,).
        """
        return Loss(*self.run(regions, labels))

    def scores(self, regions: Tensor) -> Tensor:
        """(S, B, C), without margin."""
        values = evidence(self.model, self.parameters, regions).evidence
        return torch.bmm(values.view(*regions.shape[:2], -1), self.class_attributes)

    def eager(self, regions: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """The step without a CUDA graph; the losses that are not None, in the order of `Loss`."""
        scores = self.scores(regions)
        losses, slope = loss(scores, labels, self.seen, self.loss)
        _Sloped.apply(scores, slope).backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        parts = losses.total, losses.class_loss, losses.self_calibration
        return tuple(part for part in parts if part is not None)


class _Sloped(torch.autograd.Function):
    """A scalar whose gradient with respect to `scores` is `slope`; its value is not used.

    `scores.backward(slope)` would import torch's symbolic shapes first, which takes half a second.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, slope: Tensor) -> Tensor:
        ctx.slope = slope
        return scores.new_empty(())

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor, None]:
        return ctx.slope, None


def _side_by_side(models: Sequence[Model], name: str) -> Tensor:
    """The parameter `name` of all models in one tensor (S, ...); each model's parameter becomes a view of it."""
    parameters = [getattr(model, name) for model in models]
    values = torch.stack([parameter.detach() for parameter in parameters])
    for parameter, part in zip(parameters, values.unbind(), strict=True):
        parameter.data = part
    return values.requires_grad_(parameters[0].requires_grad)
