"""Where an attribute looks (region attention) and how much it counts (attribute attention).

Each choice is one function under the name that settings and registry use. Region attention weighs the R regions for
each attribute; everything it weighs enters linearly, so the functions work on products with the regions and attribute
features h_a are never built.
"""

from collections.abc import Callable
from typing import Any

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


def softmax_sums(products: Tensor, maps: int, attributes: int) -> tuple[Tensor, Tensor]:
    """`dense` and `shared`: alpha = softmax_r of the logits; equation of the paper's dense attention."""
    return _SoftmaxSums.apply(products, maps, attributes)  # type: ignore[no-untyped-call]


class _SoftmaxSums(torch.autograd.Function):
    """With s = sum_r alpha_r x_r and alpha = softmax(l): ds/dx_r = alpha_r, ds/dl_r = alpha_r (x_r - s).

    Written out, the gradient is made in one piece, where autograd makes one of every slice and joins them.
    """

    @staticmethod
    def forward(ctx: Any, products: Tensor, maps: int, attributes: int) -> tuple[Tensor, Tensor]:
        logits, values = split(products, maps, attributes)
        alpha = logits.softmax(dim=1)
        sums = torch.stack([(alpha * each).sum(dim=1) for each in values.unbind(2)], dim=1)
        ctx.save_for_backward(products, alpha, sums)
        ctx.mark_non_differentiable(alpha)
        return sums, alpha

    @staticmethod
    def backward(ctx: Any, of_sums: Tensor, of_alpha: Tensor) -> tuple[Tensor, None, None]:
        products, alpha, sums = ctx.saved_tensors
        shape = alpha.shape[2], sums.shape[2]
        gradient = torch.empty_like(products)
        of_logits, of_values = split(gradient, *shape)
        against = -(sums * of_sums).sum(dim=1)[:, None]
        for k, values in enumerate(split(products, *shape)[1].unbind(2)):
            torch.mul(alpha, of_sums[:, None, k], out=of_values[:, :, k])
            against = torch.addcmul(against, values, of_sums[:, None, k])
        if alpha.shape[2] == 1:
            # One map for all attributes: its logit moves every sum.
            against = against.sum(dim=2, keepdim=True)
        torch.mul(alpha, against, out=of_logits)
        return gradient, None, None


def sparsemax_sums(products: Tensor, maps: int, attributes: int) -> tuple[Tensor, Tensor]:
    """`sparse`: most regions get a weight of exactly zero."""
    logits, values = split(products, maps, attributes)
    alpha = sparsemax(logits, dim=1)
    return (alpha[:, :, None] * values).sum(dim=1), alpha


def split(products: Tensor, maps: int, attributes: int) -> tuple[Tensor, Tensor]:
    """Logits (B, R, maps) and values (B, R, K, A), two views of `products` (B, R, maps + K A)."""
    values = products[..., maps:]
    return products[..., :maps], values.view(*values.shape[:2], -1, attributes)


# From products (B, R, maps + K A) of the regions (first the logits of each map, then the K values of each attribute) to
# the sums over regions that the map weighs (B, K, A), and alpha (B, R, maps). `shared` has one map for all attributes.
REGION_SUMS: dict[str, Callable[[Tensor, int, int], tuple[Tensor, Tensor]]] = {
    "dense": softmax_sums,
    "shared": softmax_sums,
    "sparse": sparsemax_sums,
}


def sigmoid_gate(logits: Tensor) -> Tensor:
    """`sigmoid`: beta_a = sigmoid(v_a' W_beta h_a), each attribute for itself; logits (B, A)."""
    return logits.sigmoid()


def softmax_gate(logits: Tensor) -> Tensor:
    """`softmax`: beta = A softmax_a(v_a' W_beta h_a): attributes compete, and their mean weight is 1."""
    return logits.shape[1] * logits.softmax(dim=1)


ATTRIBUTE_WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {"sigmoid": sigmoid_gate, "softmax": softmax_gate}
