"""The margin: what is added to unseen and taken from seen class scores."""

import torch
from torch import Tensor


def margin_signs(seen: Tensor) -> Tensor:
    """+1 for unseen and -1 for seen classes; `seen`: (C,) bool. Returns (C,) float."""
    return torch.where(seen, -1.0, 1.0)


def with_margin(scores: Tensor, seen: Tensor, margin: float) -> Tensor:
    """`scores` (B, C) with a gap of 2 `margin` opened between unseen and seen classes."""
    return scores + margin * margin_signs(seen).to(scores)
