"""The margin: what is added to unseen and taken from seen class scores."""

import torch
from torch import Tensor


def with_margin(scores: Tensor, seen: Tensor, margin: float) -> Tensor:
    """`scores` (B, C) with a gap of 2 `margin` opened between unseen and seen classes; `seen`: (C,) bool."""
    return torch.where(seen, scores - margin, scores + margin)
