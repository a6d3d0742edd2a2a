"""The loop of a method that is trained step by step: its schedule, its batches, and the points of its curve."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dazle.config import TrainingSettings
from dazle.streams import stream
from dazle.training.batches import index_batches
from dazle.training.scorer import Scorer
from dazle.training.step import Losses

if TYPE_CHECKING:
    from dazle.training.judge import Judge
    from dazle.training.task import Task


@dataclass(frozen=True)
class Schedule:
    """`steps` in all, `per_epoch` of them an epoch, and the steps after which the curve has a point."""

    steps: int
    per_epoch: int
    points: tuple[int, ...]


def schedule(settings: TrainingSettings, images: int) -> Schedule:
    """As the reference counts: an epoch is floor(images / batch_size) steps, also where balanced batches are smaller.

    `images`: how many there are to train on.
    """
    per_epoch = max(1, images // settings.batch_size)
    steps = settings.epochs * per_epoch
    every = settings.evaluate_every or per_epoch
    return Schedule(steps, per_epoch, tuple(sorted({*range(every, steps + 1, every), steps})))


def fit(
    task: "Task",
    settings: TrainingSettings,
    step: Callable[[Tensor, Tensor], Losses],
    scorer: Scorer,
    state: Callable[[], Mapping[str, Tensor]],
    judge: "Judge",
) -> None:
    """Repeats `step` on batches of the task, and calls the judge at every point of the schedule.

    `state`: the trained state at that moment. Batches depend on the images, the settings and the task's seed alone, so
    every variant of a repetition is trained on the same ones. Raises FloatingPointError where scores are not finite.
    """
    plan = schedule(settings, len(task.labels))
    labels = torch.from_numpy(task.labels).to(task.device)
    positions = index_batches(
        task.labels, plan.steps, settings.batch_size, settings.balanced_batches, stream(*task.seed, "batches")
    )
    done = 0
    with closing(task.reader(scorer.normalise).batches(positions)) as batches:
        for until in plan.points:
            losses = []
            for batch, regions in islice(batches, until - done):
                indices = torch.from_numpy(batch).to(task.device, non_blocking=True)
                losses.append(step(regions, labels[indices]))
            done = until
            judge(
                scorer, state(), until / plan.steps, _means(losses), step=until, epoch=until / plan.per_epoch,
            )  # fmt: skip


def _means(losses: Sequence[Losses]) -> dict[str, float]:
    """Each loss's mean over the steps; read once a point, since reading a scalar waits for the device."""
    return {name: float(torch.stack([step[name] for step in losses]).mean()) for name in losses[0]}
