"""Region attention (weights alpha over the regions of an image) and attribute attention (weights beta of attributes).

Each choice of `model.region_attention` and `model.attribute_attention` that has weights is one function, registered
under its name. The model is linear in the attribute features h_a = sum_r alpha_ar f_r. So region attention takes the
products v_a' W f_r and sums them over regions with the weights alpha, and h_a is never computed.
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
    """`dense` and `shared`: alpha = softmax_r(logits), the paper's dense attention."""
    return _SoftmaxSums.apply(products, sizes)  # type: ignore[no-untyped-call]


class _SoftmaxSums(torch.autograd.Function):
    """With s = sum_r alpha_r x_r and alpha = softmax(l): ds/dx_r = alpha_r, ds/dl_r = alpha_r (x_r - s).

    The gradient is written into one tensor; autograd would compute one per slice and concatenate them.
    """

    @staticmethod
    def forward(ctx: Any, products: Tensor, sizes: Sizes) -> tuple[Tensor, ...]:
        logits, *values = products.split_with_sizes(sizes, 2)
        alpha = logits.softmax(dim=1)
        sums = torch.stack([(alpha * value).sum(dim=1) for value in values], dim=1).unbind(1)
        ctx.save_for_backward(products, alpha, *sums)
        ctx.mark_non_differentiable(alpha)
        ctx.set_materialize_grads(False)
        ctx.sizes = sizes
        return alpha, *sums

    @staticmethod
    def backward(ctx: Any, alpha_gradient: None, *sum_gradients: Tensor) -> tuple[Tensor, None]:
        products, alpha, *sums = ctx.saved_tensors
        gradient = torch.empty_like(products)
        logit_gradient, *value_gradients = gradient.split_with_sizes(ctx.sizes, 2)
        _, *values = products.split_with_sizes(ctx.sizes, 2)
        mean = sum_gradients[0] * sums[0]
        for sum_gradient, weighed_sum in zip(sum_gradients[1:], sums[1:], strict=True):
            mean += sum_gradient * weighed_sum
        # Becomes the sum over all s of ds (x_r - s).
        relative = -mean[:, None]
        for sum_gradient, value_gradient, value in zip(sum_gradients, value_gradients, values, strict=True):
            torch.mul(alpha, sum_gradient[:, None], out=value_gradient)
            relative = torch.addcmul(relative, value, sum_gradient[:, None])
        if ctx.sizes[0] == 1:
            # One map for all attributes: its logits take part in the sums of all of them.
            relative = relative.sum(dim=2, keepdim=True)
        torch.mul(alpha, relative, out=logit_gradient)
        return gradient, None


def sparsemax_sums(products: Tensor, sizes: Sizes) -> tuple[Tensor, ...]:
    """`sparse`: alpha = sparsemax_r(logits); most regions get a weight of exactly zero."""
    logits, values = torch.split(products, [sizes[0], sum(sizes[1:])], dim=2)
    alpha = sparsemax(logits, dim=1)
    values = values.view(*values.shape[:2], len(sizes) - 1, sizes[-1])
    return alpha, *(alpha[:, :, None] * values).sum(dim=1).unbind(1)


# Functions of (products, sizes). `products` (B, R, sum of sizes): logits of the attention maps, then for each weight
# matrix (W_e, and W_beta if used) the values v_a' W f_r of all attributes. They return alpha (B, R, maps), and for each
# weight matrix its values summed over regions with weights alpha (B, A). `shared` has one map, the others A.
REGION_SUMS: dict[str, Callable[[Tensor, Sizes], tuple[Tensor, ...]]] = {
    "dense": softmax_sums,
    "shared": softmax_sums,
    "sparse": sparsemax_sums,
}


def sigmoid_gate(logits: Tensor) -> Tensor:
    """`sigmoid`: beta_a = sigmoid(v_a' W_beta h_a), independent of other attributes; logits (B, A)."""
    return logits.sigmoid()


def softmax_gate(logits: Tensor) -> Tensor:
    """`softmax`: beta = A softmax_a(v_a' W_beta h_a), attributes compete and their mean weight is 1; logits (B, A)."""
    return logits.shape[1] * logits.softmax(dim=1)


ATTRIBUTE_WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {"sigmoid": sigmoid_gate, "softmax": softmax_gate}
