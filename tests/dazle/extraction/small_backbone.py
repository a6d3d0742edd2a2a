"""A backbone that needs no weights, and images for it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from dazle.extraction.backbones import Backbone
from dazle.extraction.preparation import REFERENCE


def mean_colours(batch: Tensor) -> Tensor:
    """(n, 3, H, W) -> (n, 3, 2, 2), never zero."""
    return functional.adaptive_avg_pool2d(batch, 2) + 4


def small_backbone(feature_map: Callable[[Tensor], Tensor] = mean_colours, weights: str = "0" * 64) -> Backbone:
    return Backbone("small", weights, REFERENCE, (2, 2), 3, torch.device("cpu"), feature_map)


def write_images(folder: Path, count: int) -> tuple[Path, ...]:
    """Photographs of noise, each of its own size and content."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    paths = tuple(folder / f"{number:03}.jpg" for number in range(count))
    for number, path in enumerate(paths):
        pixels = draw.integers(0, 256, (40 + number % 5, 50, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return paths
