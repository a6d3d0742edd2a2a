"""ConSE (Norouzi et al., ICLR 2014): an image lies at the mean signature of its most probable seen classes.

    e = sum_{s in top 10} p_s z_s / sum_{s in top 10} p_s,    s_c = cos(e, z_c)

p: probabilities of the linear probe over the seen classes (`probe.py`), z: class signatures. Published (Xian et al.
2019) results on these splits have not been read here, so none are given.

Ours differs: the probe is trained on pooled features of a fixed backbone, and its weight comes from the class folds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ablations.baselines import closed_form
from ablations.baselines.closed_form import ClosedFormSettings
from ablations.baselines.probe import EXPONENTS, probes
from dazle.training.judge import Judge
from dazle.training.scorer import Scores
from dazle.training.task import Reads, Task

MOST_PROBABLE = 10


class Conse:
    """Implements `dazle.training.method.Method`."""

    name = "conse"
    reads: Reads = "pooled"
    deterministic = True
    revision = 1
    Settings = ClosedFormSettings

    def fit(self, task: Task, settings: ClosedFormSettings, judge: Judge) -> None:
        """One probe for each candidate weight."""
        for probe, fraction in zip(probes(task), closed_form.fractions(len(EXPONENTS)), strict=True):
            state = closed_form.state_of(W=probe.weights, b=probe.bias)
            judge(self.scorer(state, task, settings), state, fraction, candidate={"l": probe.exponent})

    def scorer(self, state: Mapping[str, Tensor], task: Task, settings: ClosedFormSettings) -> "ConseScorer":
        """Scores cos(e, z_c)."""
        attributes = task.attributes.to(task.device)
        seen = torch.from_numpy(task.seen).to(task.device)
        W, b = state["W"].to(task.device), state["b"].to(task.device)
        return ConseScorer(W, b, attributes, seen, closed_form.parameters(state))


@dataclass
class ConseScorer:
    """cos(e, z_c) of pooled features; `weights` (D, S), `bias` (S,), `attributes` (C, A), `seen` (C,)."""

    weights: Tensor
    bias: Tensor
    attributes: Tensor
    seen: Tensor
    parameters: int
    normalise: bool = True

    def __call__(self, images: Tensor, peaks: bool = False) -> Scores:
        """`images`: pooled features (b, D)."""
        logits = functional.normalize(images, dim=1) @ self.weights + self.bias
        probabilities, classes = logits.softmax(dim=1).topk(min(MOST_PROBABLE, logits.shape[1]), dim=1)
        signatures = self.attributes[self.seen][classes]  # (b, 10, A)
        # The cosine does not depend on the length of e, so the sum of the probabilities is not divided out.
        e = (probabilities[:, None, :] @ signatures)[:, 0]
        return Scores(functional.normalize(e, dim=1) @ functional.normalize(self.attributes, dim=1).T)
