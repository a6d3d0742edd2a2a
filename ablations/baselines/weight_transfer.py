"""What COSTA, WAvg and SMO share: an unseen class's classifier is a mixture of those of the linear probe.

    w_u = sum_s m_us w_s,    s_c = w_c' f

w: the probe's weights with the bias as their last value; f: pooled feature of unit length with a 1 after it. The
methods differ in the mixtures M (U, S), which come from the class signatures alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from ablations.baselines import closed_form
from ablations.baselines.closed_form import ClosedFormSettings, LinearScorer
from ablations.baselines.probe import EXPONENTS, probes
from dazle.training.judge import Judge
from dazle.training.task import Reads, Task


class WeightTransfer(ABC):
    """Implements `dazle.training.method.Method` but for the mixtures."""

    name: str
    reads: Reads = "pooled"
    deterministic = True
    revision = 1
    Settings = ClosedFormSettings

    @abstractmethod
    def mixtures(self, seen: Tensor, unseen: Tensor) -> Tensor:
        """M (U, S) from the signatures of seen classes (S, A) and of unseen classes (U, A), float64."""

    def fit(self, task: Task, settings: ClosedFormSettings, judge: Judge) -> None:
        """One probe for each candidate weight; the mixtures are the same for all."""
        is_seen, signatures = torch.from_numpy(task.seen).to(task.device), closed_form.signatures(task).T
        M = self.mixtures(signatures[is_seen], signatures[~is_seen])
        places = closed_form.fractions(len(EXPONENTS))
        for probe, fraction in zip(probes(task), places, strict=True):
            weights = torch.cat([probe.weights, probe.bias[None]])  # (D + 1, S)
            classes = weights.new_empty(len(weights), len(is_seen))
            classes[:, is_seen], classes[:, ~is_seen] = weights, weights @ M.T
            state = closed_form.state_of(W=classes[:-1], b=classes[-1])
            judge(self.scorer(state, task, settings), state, fraction, candidate={"l": probe.exponent})

    def scorer(self, state: Mapping[str, Tensor], task: Task, settings: ClosedFormSettings) -> LinearScorer:
        """Scores w_c' f."""
        W, b = state["W"].to(task.device), state["b"].to(task.device)
        return LinearScorer(W, bias=b, unit=True, parameters=(len(W) + 1) * int(task.seen.sum()))
