"""SAE (Kodirov, Xiang and Gong, CVPR 2017): a linear map to class signatures that must also map back to the features.

W minimises ||X - W' Z||^2 + l ||W X - Z||^2, so it solves the Sylvester equation

    (Z Z') W + W (l X X') = (1 + l) Z X'
    s_c = cos(W f, z_c) (`to-attributes`)    or    s_c = cos(f, W' z_c) (`to-features`)

X (D, n): train features, Z (A, n): the class signature of each image, W (A, D). Candidates: l = 10^a, a in -3 .. 6.
Published (Xian et al. 2019, res101; T1 | U/S/H, oracle protocol): CUB 33.3 | 7.8/54.0/13.6, SUN 40.3 | 8.8/18.0/11.8,
AWA2 54.1 | 1.1/82.2/2.2.

Ours differs: l comes from the class folds, features are the mean of this backbone's regions, not normalised. If
the equation has several solutions, ours is the one of least norm.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from ablations.baselines import closed_form
from ablations.baselines.closed_form import ClosedFormSettings, LinearScorer
from dazle.config import Frozen
from dazle.training.judge import Judge
from dazle.training.scorer import Scores
from dazle.training.task import Reads, Task

EXPONENTS = range(-3, 7)
# An eigenvalue below this share of the largest one is rounding, of a direction without data.
RELATIVE_ZERO = 1e-12


class SaeModelSettings(Frozen):
    """Where images and classes are compared."""

    direction: Literal["to-attributes", "to-features"] = "to-attributes"


class SaeSettings(ClosedFormSettings):
    """The direction and the margin."""

    model: SaeModelSettings = Field(default_factory=SaeModelSettings)


class Sae:
    """Implements `dazle.training.method.Method`."""

    name = "sae"
    reads: Reads = "pooled"
    deterministic = True
    revision = 1
    Settings = SaeSettings

    def fit(self, task: Task, settings: SaeSettings, judge: Judge) -> None:
        """Solves for each candidate l."""
        sums, Z = closed_form.moments(task), closed_form.signatures(task)
        P, R = (Z * sums.counts) @ Z.T, Z @ sums.by_class.T
        places = closed_form.fractions(len(EXPONENTS))
        for exponent, W, fraction in zip(EXPONENTS, solutions(P, sums.second, R), places, strict=True):
            state = closed_form.state_of(W=W)
            judge(self.scorer(state, task, settings), state, fraction, candidate={"l": exponent})

    def scorer(self, state: Mapping[str, Tensor], task: Task, settings: SaeSettings) -> "LinearScorer | SaeScorer":
        """Scores cosines in the space that the settings choose."""
        W, attributes = state["W"].to(task.device), task.attributes.to(task.device)
        if settings.model.direction == "to-features":
            return LinearScorer(W.T @ attributes.T, cosine=True, parameters=W.numel())
        return SaeScorer(W, LinearScorer(attributes.T, cosine=True, parameters=W.numel()))


class SaeScorer:
    """Class scores of images that are mapped to attributes by `W` (A, D)."""

    def __init__(self, W: Tensor, attributes: LinearScorer) -> None:
        self.W, self.attributes = W, attributes
        self.parameters, self.normalise = attributes.parameters, attributes.normalise

    def __call__(self, images: Tensor, peaks: bool = False) -> Scores:
        """`images`: pooled features (b, D)."""
        return self.attributes(images @ self.W.T)


def solutions(P: Tensor, Q: Tensor, R: Tensor) -> Iterator[Tensor]:
    """W (A, D) with P W + l W Q = (1 + l) R for l = 10^a of each candidate; P (A, A) and Q (D, D) symmetric.

    In the eigenvectors of P and Q the equation is diagonal: (p_i + l q_j) W_ij = (1 + l) R_ij.
    """
    # Faster than `scipy.linalg.solve_sylvester`, which decomposes again for each l: at D = 1024 it takes 2.5 s for one
    # l, this 0.7 s for all ten.
    (p, U), (q, V) = torch.linalg.eigh(P), torch.linalg.eigh(Q)
    has_data = torch.outer(p > RELATIVE_ZERO * p.max(), q > RELATIVE_ZERO * q.max())
    rotated = U.T @ R @ V
    for exponent in EXPONENTS:
        l = 10.0**exponent  # noqa: E741
        rotated_W = (1 + l) * rotated / (p[:, None] + l * q)
        yield U @ torch.where(has_data, rotated_W, 0) @ V.T
