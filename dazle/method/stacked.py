"""The one large product of the model, of the regions with all v_a' W stacked, and its gradient.

Written out for two reasons: the rows are multiplied into their place, where a concatenation would copy them twice; and
nothing asks for the gradient of the regions, whose product would be as large as the two that are needed.

The rule: the first dimension S counts models that are trained side by side; no product mixes them.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def stacked_rows(vectors: Sequence[Tensor], weights: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """The rows V W of each pair, V (S, n, d) and W (S, d, D), one below the other: (S, sum of n, D) in `dtype`."""
    return _Rows.apply(dtype, len(vectors), *vectors, *weights)  # type: ignore[no-untyped-call]


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, pairs: int, *factors: Tensor) -> Tensor:
        ctx.dtype, ctx.sizes = factors[0].dtype, [V.shape[1] for V in factors[:pairs]]
        factors = _in(dtype, factors)
        stacked = factors[-1].new_empty(len(factors[-1]), sum(ctx.sizes), factors[-1].shape[2])
        for V, W, rows in zip(factors[:pairs], factors[pairs:], stacked.split_with_sizes(ctx.sizes, 1), strict=True):
            torch.bmm(V, W, out=rows)
        ctx.save_for_backward(*factors)
        return stacked

    @staticmethod
    def backward(ctx: Any, of_stacked: Tensor) -> tuple[Tensor | None, ...]:
        factors, pairs = ctx.saved_tensors, len(ctx.sizes)
        vectors, weights, wanted = factors[:pairs], factors[pairs:], ctx.needs_input_grad[2:]
        of_rows = of_stacked.split_with_sizes(ctx.sizes, 1)
        of_weights = tuple(torch.bmm(V.mT, of) for of, V in zip(of_rows, vectors, strict=True))
        if not any(wanted[:pairs]):
            return None, None, *[None] * pairs, *_in(ctx.dtype, of_weights)
        of_vectors = tuple(torch.bmm(of, W.mT) for of, W in zip(of_rows, weights, strict=True))
        return None, None, *_in(ctx.dtype, of_vectors + of_weights)


def _in(dtype: torch.dtype, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The tensors in that dtype; to ask each of many small ones takes longer than to multiply it."""
    return tensors if tensors[0].dtype == dtype else tuple(each.to(dtype) for each in tensors)


def product(regions: Tensor, rows: Tensor) -> Tensor:
    """regions (S, n, D) times the transpose of rows (S, m, D): (S, n, m). The regions get no gradient."""
    return _Product.apply(regions, rows)  # type: ignore[no-untyped-call]


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, regions: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(regions)
        return torch.bmm(regions, rows.mT)

    @staticmethod
    def backward(ctx: Any, of_product: Tensor) -> tuple[None, Tensor]:
        (regions,) = ctx.saved_tensors
        return None, torch.bmm(of_product.mT, regions)
