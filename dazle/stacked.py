"""The one large product of the model, of the regions with all v_a' W stacked, and its gradient.

Written out for two reasons: the rows are multiplied into their place, where a concatenation would copy them twice; and
nothing asks for the gradient of the regions, whose product would be as large as the two that are needed.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def product_with_stacked(regions: Tensor, vectors: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """regions (B, R, D) times the transpose of the rows V W of each pair, V (n, d) and W (d, D): (B, R, sum of n).

    All products run in the dtype of the regions, which get no gradient.
    """
    return _Product.apply(regions, len(vectors), *vectors, *weights)  # type: ignore[no-untyped-call]


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, regions: Tensor, pairs: int, *factors: Tensor) -> Tensor:
        ctx.dtype, ctx.sizes = factors[0].dtype, [len(V) for V in factors[:pairs]]
        factors = tuple(factor.to(regions.dtype) for factor in factors)
        stacked = regions.new_empty(sum(ctx.sizes), regions.shape[2])
        for V, W, rows in zip(factors[:pairs], factors[pairs:], torch.split(stacked, ctx.sizes), strict=True):
            torch.mm(V, W, out=rows)
        ctx.save_for_backward(regions, *factors)
        return torch.nn.functional.linear(regions, stacked)

    @staticmethod
    def backward(ctx: Any, of_product: Tensor) -> tuple[Tensor | None, ...]:
        regions, *factors = ctx.saved_tensors
        vectors, weights = factors[: len(ctx.sizes)], factors[len(ctx.sizes) :]
        of_rows = torch.split(of_product.flatten(0, 1).T @ regions.flatten(0, 1), ctx.sizes)
        wanted = ctx.needs_input_grad[2:]
        of_vectors = [of @ W.T if need else None for of, W, need in zip(of_rows, weights, wanted, strict=False)]
        of_weights = [V.T @ of for of, V in zip(of_rows, vectors, strict=True)]
        return None, None, *(None if of is None else of.to(ctx.dtype) for of in [*of_vectors, *of_weights])
