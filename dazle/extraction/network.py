"""A network that a library gives: the module with its weights, its feature map, and its image preparation."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dazle.errors import InputError
from dazle.extraction.preparation import Preparation
from dazle.extraction.weights import Weights


class Network(NamedTuple):
    """What a backbone is made of."""

    module: nn.Module
    feature_map: Callable[[Tensor], Tensor]  # (n, 3, size, size) -> (n, D, h, w)
    preparation: Preparation
    weights: Weights
    packages: tuple[str, ...] = ()  # whose versions belong to the features, besides torch and torchvision


def black_image(size: int) -> Tensor:
    """(1, 3, size, size), to find out the shapes of a network."""
    return torch.zeros(1, 3, size, size)


def size_error(backbone: str, size: int, error: Exception) -> InputError:
    """The error for a network that refuses images of that size."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return InputError(f"backbone {backbone}: takes no images of {size} x {size} ({reason}); use another --image-size")
