"""The protocols of a method: what is trained, how it is scored, and what the rest of the project knows of it.

A method sees a `Task` and hands scorers to a `Judge`; runner, tuning, protocols, statistics and gate know it only
through this. Its file must be importable without torch, so that names and settings can be listed at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from dazle.config import MethodSettings

if TYPE_CHECKING:
    from torch import Tensor

    from dazle.training.judge import Judge
    from dazle.training.step import Step
    from dazle.training.task import Task


@dataclass(frozen=True)
class Scores:
    """`values` (b, C) without any margin; `peaks` (b, A), the region each attribute looks at most, or None."""

    values: "Tensor"
    peaks: "Tensor | None" = None


class Scorer(Protocol):
    """Scores images of the label space of the task that it was trained on."""

    normalise: bool  # whether it wants regions of length 1; else with their stored norms
    parameters: int  # trained numbers

    def __call__(self, images: "Tensor", peaks: bool = False) -> Scores:
        """`images`: regions (b, R, D); `peaks`: whether they are wanted."""


class Method(Protocol):
    """What can be trained: DAZLE itself (`dazle/training/dazle.py`), or a baseline."""

    name: str
    reads: Literal["regions", "pooled"]
    deterministic: bool
    # Raised when the results of the method change under equal settings; part of a cell's identity.
    revision: int
    Settings: type[MethodSettings]

    def fit(self, task: "Task", settings: Any, judge: "Judge") -> None:
        """Trains on the task, and calls the judge at each point of its schedule, the last one at fraction 1."""

    def scorer(self, state: "Mapping[str, Tensor]", task: "Task", settings: Any) -> Scorer:
        """The scorer of a state that was handed to a judge."""

    def step(self, task: "Task", settings: Any) -> "Step":
        """One step of training on a model of its own, to measure its speed; absent if the method has no steps."""
