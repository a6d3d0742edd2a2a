"""One optimiser step, of one model or of several that are trained side by side: what training repeats and what the
throughput table measures.

Models side by side are repetitions of one training: the same settings and label space, each with a start and batches
of its own. A step of a small model is a hundred short operations, each of which costs more to call than to do; done
once for all models they cost little more than for one. No operation mixes models; whether each of them becomes what it
would become alone to the last bit is for the machine to say (`dazle/training/equal_bits.py`).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dazle.config import Settings
from dazle.method.losses import Loss, loss
from dazle.method.model import Model, evidence
from dazle.training.graphed import Graphed
from dazle.training.optimiser import RMSprop


class Step:
    """Trains `models`, which must not be moved to other memory from then on."""

    def __init__(self, models: Sequence[Model], seen: Tensor, settings: Settings) -> None:
        """`models` lie on the device that trains; `seen`: (C,) bool of their label space, on the same device."""
        if bool(seen.all()):
            # Asked once: on a GPU the answer is waited for. Without unseen classes there is nothing to calibrate.
            settings = settings.changed({"loss.lambda": 0.0})
        self.model, self.loss, self.seen = settings.model, settings.loss, seen
        self.parameters = {name: _side_by_side(models, name) for name in ("V", *models[0].names)}
        self.class_attributes = models[0].class_attributes.T.expand(len(models), -1, -1)
        self.optimiser = RMSprop((each for each in self.parameters.values() if each.requires_grad), settings.training)
        self.run = Graphed(self.eager) if seen.is_cuda else self.eager

    def __call__(self, regions: Tensor, labels: Tensor) -> Loss:
        """`regions`: (S, B, R, D) in the precision of the settings; `labels`: (S, B) positions in C, of seen classes.

        The losses are (S,), one of each model.
        """
        return Loss(*self.run(regions, labels))

    def scores(self, regions: Tensor) -> Tensor:
        """(S, B, C), without any margin."""
        values = evidence(self.model, self.parameters, regions).evidence
        return torch.bmm(values.view(*regions.shape[:2], -1), self.class_attributes)

    def eager(self, regions: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """The step as it is launched operation by operation; what there is of the losses."""
        scores = self.scores(regions)
        losses, slope = loss(scores, labels, self.seen, self.loss)
        _Sloped.apply(scores, slope).backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        parts = losses.total, losses.class_loss, losses.self_calibration
        return tuple(part for part in parts if part is not None)


class _Sloped(torch.autograd.Function):
    """A scalar whose gradient with respect to `scores` is `slope`; nobody reads its value.

    Where a gradient is given to `backward` itself, torch imports its symbolic shapes first, which takes half a second.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, slope: Tensor) -> Tensor:
        ctx.slope = slope
        return scores.new_empty(())

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor, None]:
        return ctx.slope, None


def _side_by_side(models: Sequence[Model], name: str) -> Tensor:
    """That parameter of all models, (S, ...), of which each model's own becomes a part."""
    own = [getattr(model, name) for model in models]
    values = torch.stack([each.detach() for each in own])
    for each, part in zip(own, values.unbind(), strict=True):
        each.data = part
    return values.requires_grad_(own[0].requires_grad)
