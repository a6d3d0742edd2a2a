"""Region attention (weights alpha over the regions of an image) and attribute attention (weights beta of attributes).

Each choice of `model.region_attention` and `model.attribute_attention` that has weights is one function, registered
under its name. The model is linear in the attribute features h_a = sum_r alpha_ar f_r. So region attention takes the
logits v_a' W_alpha f_r alone, and h_a is never computed.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def softmax(logits: Tensor) -> Tensor:
    """`dense` and `shared`: alpha = softmax over regions; logits (B, R, maps)."""
    return logits.softmax(dim=1)


def sparsemax(logits: Tensor) -> Tensor:
    """`sparse`: Euclidean projection onto the simplex over regions (Martins & Astudillo, ICML 2016, algorithm 1).

    Most regions get a weight of exactly zero; logits (B, R, maps).
    """
    ordered = logits.sort(dim=1, descending=True).values
    count = torch.arange(1, logits.shape[1] + 1, device=logits.device, dtype=logits.dtype)[:, None]
    total = ordered.cumsum(dim=1) - 1
    support = (count * ordered > total).sum(dim=1, keepdim=True)
    threshold = total.gather(1, support - 1) / support
    return (logits - threshold).clamp(min=0)


def sigmoid_gate(logits: Tensor) -> Tensor:
    """`sigmoid`: beta_a = sigmoid(v_a' W_beta h_a), each attribute for itself; logits (B, A)."""
    return logits.sigmoid()


def softmax_gate(logits: Tensor) -> Tensor:
    """`softmax`: beta = A softmax_a(v_a' W_beta h_a): attributes compete, and their mean weight is 1."""
    return logits.shape[1] * logits.softmax(dim=1)


# From the logits (B, R, maps) to alpha, the weights of the regions; `shared` has one map for all attributes.
REGION_WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {"dense": softmax, "shared": softmax, "sparse": sparsemax}
ATTRIBUTE_WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {"sigmoid": sigmoid_gate, "softmax": softmax_gate}
