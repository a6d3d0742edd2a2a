"""A scorer: class scores of images by a trained state, in the label space of its task. Importable without torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Scores:
    """`values` (b, C) without any margin; `peaks` (b, A), the region each attribute looks at most, or None."""

    values: "Tensor"
    peaks: "Tensor | None" = None


class Scorer(Protocol):
    """Scores images of the label space of the task that it was trained on."""

    normalise: bool  # whether it wants regions of length 1; else with their stored norms. Not of pooled features
    parameters: int  # trained numbers

    def __call__(self, images: "Tensor", peaks: bool = False) -> Scores:
        """`images`: regions (b, R, D) or pooled features (b, D); `peaks`: whether they are wanted."""
