"""Where an attribute looks (region attention) and how much it counts (attribute attention).

Each choice is one function under the name that settings and registry use. Region attention weighs the R regions for
each attribute; everything it weighs enters linearly, so the functions work on products with the regions and attribute
features h_a are never built.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Sizes = list[int]


def sparsemax(logits: Tensor, dim: int) -> Tensor:
    """Euclidean projection of `logits` onto the simplex along `dim` (Martins & Astudillo, ICML 2016, algorithm 1)."""
    ordered = logits.sort(dim=dim, descending=True).values
    count = torch.arange(1, logits.shape[dim] + 1, device=logits.device, dtype=logits.dtype)
    count = count.view([-1 if axis == dim % logits.dim() else 1 for axis in range(logits.dim())])
    total = ordered.cumsum(dim) - 1
    support = (count * ordered > total).sum(dim, keepdim=True)
    threshold = total.gather(dim, support - 1) / support
    return (logits - threshold).clamp(min=0)


def softmax_sums(products: Tensor, sizes: Sizes) -> tuple[Tensor, ...]:
    """`dense` and `shared`: alpha = softmax_r of the logits; equation of the paper's dense attention."""
    return _SoftmaxSums.apply(products, sizes)  # type: ignore[no-untyped-call]


class _SoftmaxSums(torch.autograd.Function):
    """With s = sum_r alpha_r x_r and alpha = softmax(l): ds/dx_r = alpha_r, ds/dl_r = alpha_r (x_r - s).

    Written out, the gradient is made in one piece, where autograd makes one of every slice and joins them.
    """

    @staticmethod
    def forward(ctx: Any, products: Tensor, sizes: Sizes) -> tuple[Tensor, ...]:
        logits, *values = products.split_with_sizes(sizes, 2)
        alpha = logits.softmax(dim=1)
        sums = torch.stack([(alpha * each).sum(dim=1) for each in values], dim=1).unbind(1)
        ctx.save_for_backward(products, alpha, *sums)
        ctx.mark_non_differentiable(alpha)
        ctx.set_materialize_grads(False)
        ctx.sizes = sizes
        return alpha, *sums

    @staticmethod
    def backward(ctx: Any, of_alpha: None, *of_sums: Tensor) -> tuple[Tensor, None]:
        products, alpha, *sums = ctx.saved_tensors
        gradient = torch.empty_like(products)
        of_logits, *of_values = gradient.split_with_sizes(ctx.sizes, 2)
        _, *values = products.split_with_sizes(ctx.sizes, 2)
        mean = of_sums[0] * sums[0]
        for of_sum, each in zip(of_sums[1:], sums[1:], strict=True):
            mean += of_sum * each
        against = -mean[:, None]
        for of_sum, of_value, value in zip(of_sums, of_values, values, strict=True):
            everywhere = of_sum[:, None]
            torch.mul(alpha, everywhere, out=of_value)
            against = torch.addcmul(against, value, everywhere)
        if ctx.sizes[0] == 1:
            # One map for all attributes: its logit moves every sum.
            against = against.sum(dim=2, keepdim=True)
        torch.mul(alpha, against, out=of_logits)
        return gradient, None


def sparsemax_sums(products: Tensor, sizes: Sizes) -> tuple[Tensor, ...]:
    """`sparse`: most regions get a weight of exactly zero."""
    logits, values = torch.split(products, [sizes[0], sum(sizes[1:])], dim=2)
    alpha = sparsemax(logits, dim=1)
    values = values.view(*values.shape[:2], len(sizes) - 1, sizes[-1])
    return alpha, *(alpha[:, :, None] * values).sum(dim=1).unbind(1)


# From products (B, R, sum of sizes) of the regions, first the logits of the maps and then the values of each attribute
# for each weight, to alpha (B, R, maps) and for each weight the sums (B, A) of its values over the regions, weighed by
# alpha. `shared` has one map for all attributes.
REGION_SUMS: dict[str, Callable[[Tensor, Sizes], tuple[Tensor, ...]]] = {
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
