"""A small task on pooled features, and a judge that keeps what a method hands to it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dazle.features.pooled import Pooled
from dazle.training.scorer import Scorer
from dazle.training.task import Task, TrainImages

SEEN = np.array([True, False, True, True, False, True, True, True, False])
IMAGES, CHANNELS, ATTRIBUTES = 60, 7, 5


def small_task(images: int = IMAGES, channels: int = CHANNELS, seed: int = 0) -> Task:
    """Six seen classes among nine, not in order; pooled features with a class in them."""
    draw = np.random.default_rng(seed)
    attributes = draw.random((len(SEEN), ATTRIBUTES)).astype(np.float32)
    attributes /= np.linalg.norm(attributes, axis=1, keepdims=True)
    labels = draw.permutation(np.flatnonzero(SEEN)[np.arange(images) % SEEN.sum()])
    features = attributes[labels] @ draw.random((ATTRIBUTES, channels)) + 0.3 * draw.random((images, channels))
    return Task(
        images=TrainImages(Pooled(features.astype(np.float32)), np.arange(images)),
        labels=labels,
        attributes=torch.from_numpy(attributes),
        seen=SEEN.copy(),
        semantics={},
        grid=(1, 1),
        seed=("small", seed),
        device=torch.device("cpu"),
    )


def all_features(task: Task) -> Tensor:
    """The train images of a task, (n, D) float64."""
    return torch.cat([images.double().clone() for _, images in task.blocks()])


class Points:
    """A judge that keeps the state, the candidate and the scores of all train images at each point."""

    def __init__(self, task: Task) -> None:
        self.images = all_features(task).float()
        self.states: list[dict[str, Tensor]] = []
        self.candidates: list[Mapping[str, float] | None] = []
        self.scores: list[Tensor] = []

    def __call__(self, scorer: Scorer, state: Mapping[str, Tensor], fraction: float, *_: Any, **named: Any) -> None:
        self.states.append({name: value.clone() for name, value in state.items()})
        self.candidates.append(named.get("candidate"))
        with torch.inference_mode():
            self.scores.append(scorer(self.images).values.clone())


def fitted(method: Any, task: Task, settings: Any = None) -> Points:
    """What the method hands to its judge on the task."""
    points = Points(task)
    method.fit(task, settings or method.Settings(), points)
    return points
