"""The model's large matrix product: regions times the stacked rows v_a' W, with its gradient.

Product and gradient are written by hand for two reasons: rows are computed in place, where a concatenation would copy
them twice; and the gradient of the regions, which is not needed, would cost as much as the two other products.

The rule: the first dimension S counts models that are trained side by side, and no product mixes them.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def stacked_rows(vectors: Sequence[Tensor], weights: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """The products V W of each pair V (S, n, d), W (S, d, D), stacked to (S, sum of n, D) in `dtype`."""
    return _Rows.apply(dtype, len(vectors), *vectors, *weights)  # type: ignore[no-untyped-call]


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, pairs: int, *factors: Tensor) -> Tensor:
        ctx.dtype, ctx.sizes = factors[0].dtype, [V.shape[1] for V in factors[:pairs]]
        factors = _cast(dtype, factors)
        stacked = factors[-1].new_empty(len(factors[-1]), sum(ctx.sizes), factors[-1].shape[2])
        for V, W, rows in zip(factors[:pairs], factors[pairs:], stacked.split_with_sizes(ctx.sizes, 1), strict=True):
            torch.bmm(V, W, out=rows)
        ctx.save_for_backward(*factors)
        return stacked

    @staticmethod
    def backward(ctx: Any, stacked_gradient: Tensor) -> tuple[Tensor | None, ...]:
        factors, pairs = ctx.saved_tensors, len(ctx.sizes)
        vectors, weights, needed = factors[:pairs], factors[pairs:], ctx.needs_input_grad[2:]
        row_gradients = stacked_gradient.split_with_sizes(ctx.sizes, 1)
        weight_gradients = tuple(torch.bmm(V.mT, gradient) for gradient, V in zip(row_gradients, vectors, strict=True))
        if not any(needed[:pairs]):
            return None, None, *[None] * pairs, *_cast(ctx.dtype, weight_gradients)
        vector_gradients = tuple(torch.bmm(gradient, W.mT) for gradient, W in zip(row_gradients, weights, strict=True))
        return None, None, *_cast(ctx.dtype, vector_gradients + weight_gradients)


def _cast(dtype: torch.dtype, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The tensors in `dtype`. Only the first is checked: a check of each takes longer than a small product."""
    return tensors if tensors[0].dtype == dtype else tuple(tensor.to(dtype) for tensor in tensors)


def product(regions: Tensor, rows: Tensor) -> Tensor:
    """`regions` (S, n, D) times the transpose of `rows` (S, m, D): (S, n, m). Regions get no gradient."""
    return _Product.apply(regions, rows)  # type: ignore[no-untyped-call]


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, regions: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(regions)
        return torch.bmm(regions, rows.mT)

    @staticmethod
    def backward(ctx: Any, product_gradient: Tensor) -> tuple[None, Tensor]:
        (regions,) = ctx.saved_tensors
        return None, torch.bmm(product_gradient.mT, regions)
