"""Ridge prototypes: kernel ridge regression from class signatures to the mean pooled feature of a class.

B (D, S) minimises ||M - B K||^2 + l tr(B K B'), so

    P(z) = B k(z) = M (K + l I)^-1 k(z),    s_c = cos(f, P(z_c))

M (D, S): means of the pooled features of each seen class, K (S, S): kernel of their signatures, k(z) (S,): kernel of z
with each of them, exp(-||z - z_s||^2 / (2 w^2)), w: the median distance between two seen signatures. Candidates:
l = 10^a, a in -4 .. 2. A plain form of regression to visual prototypes, after those of Changpinyo, Chao and Sha (ICCV
2017), who use support vector regression; it has no published results on these splits.

Features are not normalised before the mean is taken. Seen classes are scored by P(z) too, not by their means.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ablations.baselines import closed_form
from ablations.baselines.closed_form import ClosedFormSettings, LinearScorer
from dazle.training.judge import Judge
from dazle.training.task import Reads, Task

EXPONENTS = range(-4, 3)


class RidgePrototypes:
    """Implements `dazle.training.method.Method`."""

    name = "ridge-prototypes"
    reads: Reads = "pooled"
    deterministic = True
    revision = 1
    Settings = ClosedFormSettings

    def fit(self, task: Task, settings: ClosedFormSettings, judge: Judge) -> None:
        """Solves for each candidate l."""
        seen = torch.from_numpy(task.seen).to(task.device)
        M, signatures = closed_form.class_means(task), closed_form.signatures(task).T
        k = kernel(signatures[seen], signatures)  # (S, C)
        K, identity = k[:, seen], torch.eye(len(k), dtype=k.dtype, device=task.device)
        for exponent, fraction in zip(EXPONENTS, closed_form.fractions(len(EXPONENTS)), strict=True):
            B = torch.linalg.solve(K + 10.0**exponent * identity, M.T).T
            state = closed_form.state_of(P=B @ k)
            judge(self.scorer(state, task, settings), state, fraction, candidate={"l": exponent})

    def scorer(self, state: Mapping[str, Tensor], task: Task, settings: ClosedFormSettings) -> LinearScorer:
        """Scores the cosine to P (D, C)."""
        P = state["P"].to(task.device)
        return LinearScorer(P, cosine=True, parameters=len(P) * int(task.seen.sum()))


def kernel(seen: Tensor, signatures: Tensor) -> Tensor:
    """(S, C): the RBF kernel of seen signatures (S, A) with signatures (C, A)."""
    squared = torch.cdist(seen, signatures).square()
    distances = torch.pdist(seen)
    # With one seen class there is no distance, and with equal signatures it can be 0; any width serves then.
    width = distances.median() if len(distances) else distances.new_zeros(())
    return torch.exp(-squared / (2 * torch.where(width > 0, width, 1).square()))
