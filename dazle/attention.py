"""Where an attribute looks (region attention) and how much it counts (attribute attention).

Each choice is one function under the name that settings and registry use. Region attention weighs the R regions for
each attribute; everything it weighs enters linearly, so the functions work on products with the regions and attribute
features h_a are never built.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def sparsemax(logits: Tensor, dim: int) -> Tensor:
    """Euclidean projection of `logits` onto the simplex along `dim` (Martins & Astudillo, ICML 2016, algorithm 1)."""
    ordered = logits.sort(dim=dim, descending=True).values
    count = torch.arange(1, logits.shape[dim] + 1, device=logits.device, dtype=logits.dtype)
    count = count.view([-1 if axis == dim % logits.dim() else 1 for axis in range(logits.dim())])
    total = ordered.cumsum(dim) - 1
    support = (count * ordered > total).sum(dim, keepdim=True)
    threshold = total.gather(dim, support - 1) / support
    return (logits - threshold).clamp(min=0)


def softmax_over_regions(logits: Tensor) -> Tensor:
    """`dense` and `shared`: alpha = softmax_r of logits (B, R, A or 1); equation of the paper's dense attention."""
    return logits.softmax(dim=1)


def sparsemax_over_regions(logits: Tensor) -> Tensor:
    """`sparse`: most regions get a weight of exactly zero."""
    return sparsemax(logits, dim=1)


REGION_WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {
    "dense": softmax_over_regions,
    "shared": softmax_over_regions,
    "sparse": sparsemax_over_regions,
}


def sigmoid_gate(logits: Tensor) -> Tensor:
    """`sigmoid`: beta_a = sigmoid(v_a' W_beta h_a), each attribute for itself; logits (B, A)."""
    return logits.sigmoid()


def softmax_gate(logits: Tensor) -> Tensor:
    """`softmax`: beta = A softmax_a(v_a' W_beta h_a): attributes compete, and their mean weight is 1."""
    return logits.shape[1] * logits.softmax(dim=1)


ATTRIBUTE_WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {"sigmoid": sigmoid_gate, "softmax": softmax_gate}
