"""The protocol of a method: everything that the rest of the project knows of what is trained.

A method sees a `Task` and hands scorers to a `Judge`; runner, tuning, protocols, statistics and gate know it only
through this. Its file must be importable without torch, so that names and settings can be listed at once.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from dazle.config import MethodSettings
from dazle.training.scorer import Scorer

if TYPE_CHECKING:
    from torch import Tensor

    from dazle.training.judge import Judge
    from dazle.training.step import Step
    from dazle.training.task import Task


class Method(Protocol):
    """What can be trained: DAZLE itself (`dazle/training/dazle.py`), or a baseline."""

    name: str
    reads: Literal["regions", "pooled"]
    deterministic: bool
    # Raised when the results of the method change under equal settings; part of a cell's identity.
    revision: int
    Settings: type[MethodSettings]

    def fit(self, task: "Task", settings: Any, judge: "Judge") -> None:
        """Trains on the task, and calls the judge at each point of its schedule, the last one at fraction 1.

        A closed form has one point for each candidate regulariser, in an order that is the same in every phase.
        """

    def scorer(self, state: "Mapping[str, Tensor]", task: "Task", settings: Any) -> Scorer:
        """The scorer of a state that was handed to a judge."""

    def step(self, task: "Task", settings: Any) -> "Step":
        """One step of training on a model of its own, to measure its speed; absent if the method has no steps."""
