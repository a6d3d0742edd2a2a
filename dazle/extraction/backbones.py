"""Backbones: pretrained networks that turn images into a grid of region features.

The paper's backbone is `resnet101` with the ImageNet weights IMAGENET1K_V1. `dazle.extraction.families` lists what else
can be used: other networks of torchvision, those of timm, and `efficientnet-lite0` with weights from a pip package.
The rule for callers: prepare images, and map their key points, with the backbone's own `preparation`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dazle.errors import InputError
from dazle.extraction import lite, timm_models, torchvision_models
from dazle.extraction.network import black_image, size_error
from dazle.extraction.preparation import Preparation

LITE = "efficientnet-lite0"
TITLES = {"resnet101": "ResNet-101", LITE: "EfficientNet-Lite0"}


@dataclass(frozen=True, eq=False)
class Backbone:
    """A network with its weights on a device; `regions` gives the region features of prepared images."""

    name: str
    weights_sha256: str
    preparation: Preparation
    grid: tuple[int, int]
    channels: int
    device: torch.device
    feature_map: Callable[[Tensor], Tensor] = field(repr=False)  # (n, 3, H, W) -> (n, D, h, w)
    weights: str = ""  # the origin of the weights
    full_grid: tuple[int, int] | None = None  # of the network, if `grid` has averages of its regions
    packages: tuple[str, ...] = ()  # whose versions belong to the features, besides torch and torchvision

    @property
    def title(self) -> str:
        """The name as papers write it."""
        return TITLES.get(self.name, self.name)

    def regions(self, batch: Tensor) -> Tensor:
        """(n, 3, H, W) -> (n, R, D) float32 on the CPU, not normalised; region r is grid cell (r // w, r % w)."""
        with torch.inference_mode(), _deterministic():
            maps = self.feature_map(batch.to(self.device))
            if self.full_grid is not None:
                maps = functional.adaptive_avg_pool2d(maps, self.grid)
            return maps.flatten(2).transpose(1, 2).float().contiguous().cpu()


def _deterministic() -> AbstractContextManager[Any]:
    """Full float32 and deterministic algorithms on CUDA, so that a resumed extraction gives the same numbers."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def load_backbone(
    name: str,
    weights: Path | None = None,
    device: str | torch.device = "cpu",
    *,
    grid: tuple[int, int] | None = None,
    image_size: int | None = None,
) -> Backbone:
    """The backbone `name`, with the weights of a file, or else the published ones from a package or downloaded.

    `grid` (rows, columns) replaces the network's regions by averages; `image_size` is the side of its square images.
    Raises InputError for an unknown name, a network without a grid, a size it does not take, or weights of another one.
    """
    network = _builder(name)(name, weights, image_size)
    network.module.eval().requires_grad_(False)
    size = network.preparation.size
    try:
        with torch.inference_mode():
            _, channels, rows, columns = network.feature_map(black_image(size)).shape
    except (RuntimeError, AssertionError, ValueError) as error:
        raise size_error(name, size, error) from error
    pooled = grid is not None and grid != (rows, columns)
    if grid is not None and (grid[0] > rows or grid[1] > columns):
        raise InputError(
            f"--grid {grid[0]}x{grid[1]}: {name} has {rows}x{columns} regions, and their averages make a coarser "
            "grid only; a larger --image-size makes a finer one"
        )
    network.module.to(device)
    return Backbone(
        name, network.weights.sha256, network.preparation, grid if grid and pooled else (rows, columns), channels,
        torch.device(device), network.feature_map, network.weights.origin, (rows, columns) if pooled else None,
        network.packages,
    )  # fmt: skip


def _builder(name: str) -> Callable[[str, Path | None, int | None], Any]:
    if name == LITE:
        return lite.build
    return timm_models.build if name.startswith(timm_models.PREFIX) else torchvision_models.build
