"""ESZSL (Romera-Paredes and Torr, ICML 2015): a bilinear map from pooled features to class signatures, in closed form.

W minimises ||X' W Z - Y||^2 + g ||W Z||^2 + l ||X' W||^2 + g l ||W||^2, so

    W = (X X' + g I)^-1 X Y Z' (Z Z' + l I)^-1,    s_c = f' W z_c

X (D, n): train features, Z (A, S): signatures of the seen classes, Y (n, S): one-hot labels, g = 10^a, l = 10^b.
Candidates: a and b in -3 .. 3. Published (Xian et al. 2019, res101; T1 | U/S/H, oracle protocol): CUB 53.9 |
12.6/63.8/21.0, SUN 54.5 | 11.0/27.9/15.8, AWA2 58.6 | 5.9/77.8/11.0.

Ours differs: Y is 0/1, as in the usual code (the paper has -1/1); a and b come from the class folds; features are the
mean of this backbone's regions, not normalised.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ablations.baselines import closed_form
from ablations.baselines.closed_form import ClosedFormSettings, LinearScorer
from dazle.training.judge import Judge
from dazle.training.task import Reads, Task

EXPONENTS = range(-3, 4)


class Eszsl:
    """Implements `dazle.training.method.Method`."""

    name = "eszsl"
    reads: Reads = "pooled"
    deterministic = True
    revision = 1
    Settings = ClosedFormSettings

    def fit(self, task: Task, settings: ClosedFormSettings, judge: Judge) -> None:
        """Solves for each pair of regularisers; one eigendecomposition of X X' serves all of them."""
        seen = torch.from_numpy(task.seen).to(task.device)
        sums, Z = closed_form.moments(task), closed_form.signatures(task)[:, seen]
        eigenvalues, Q = torch.linalg.eigh(sums.second)
        A = Q.T @ (sums.by_class[:, seen] @ Z.T)  # (D, A), in the basis of the eigenvectors
        identity = torch.eye(len(Z), dtype=Z.dtype, device=task.device)
        pairs = [(a, b) for a in EXPONENTS for b in EXPONENTS]
        for (a, b), fraction in zip(pairs, closed_form.fractions(len(pairs)), strict=True):
            left = Q @ (A / (eigenvalues.clamp(min=0) + 10.0**a)[:, None])
            W = torch.linalg.solve(Z @ Z.T + 10.0**b * identity, left.T).T
            state = closed_form.state_of(W=W)
            judge(self.scorer(state, task, settings), state, fraction, candidate={"a": a, "b": b})

    def scorer(self, state: Mapping[str, Tensor], task: Task, settings: ClosedFormSettings) -> LinearScorer:
        """Scores f' W z_c."""
        W = state["W"].to(task.device)
        return LinearScorer(W @ task.attributes.T.to(task.device), parameters=W.numel())
