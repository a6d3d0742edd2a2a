"""Image preparation of a backbone: resize, crop and normalise, and the same mapping for key points."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preparation:
    """Maps an RGB image to (3, size, size): resized, cropped if `crop`, then `(x / 255 - mean) / std` per channel.

    With `crop` the shorter side is resized to `size` and the centre is cropped, as torchvision's Resize and CenterCrop
    do; without it the image is stretched to the square.
    """

    size: int
    crop: bool
    resampling: Image.Resampling
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def name(self) -> str:
        """The complete preparation as text, for the feature file."""
        how = "shorter side to {0}, centre {0} x {0}" if self.crop else "stretched to {0} x {0}"
        mean, std = (" ".join(f"{number:.6g}" for number in numbers) for numbers in (self.mean, self.std))
        return f"{how.format(self.size)}, {self.resampling.name.lower()}, mean {mean}, std {std}"

    def __call__(self, image: Image.Image) -> Tensor:
        resized = image.resize(self._resized(*image.size), self.resampling)
        left, top = self._corner(*image.size)
        pixels = np.array(resized.crop((left, top, left + self.size, top + self.size)))
        values = torch.from_numpy(pixels).permute(2, 0, 1).to(torch.float32) / 255
        return (values - torch.tensor(self.mean)[:, None, None]) / torch.tensor(self.std)[:, None, None]

    def locate(self, points: np.ndarray, width: int, height: int) -> np.ndarray:
        """(P, 2) x, y in pixels of the image as fractions 0..1 of the prepared image; NaN if cropped away."""
        scaled = points * self._resized(width, height) / (width, height)
        located = (scaled - self._corner(width, height)) / self.size
        inside = ((located >= 0) & (located <= 1)).all(axis=-1, keepdims=True)
        return np.where(inside, located, np.nan)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if not self.crop:
            return self.size, self.size
        short = min(width, height)
        return int(self.size * width / short), int(self.size * height / short)

    def _corner(self, width: int, height: int) -> tuple[int, int]:
        wide, high = self._resized(width, height)
        return round((wide - self.size) / 2), round((high - self.size) / 2)


REFERENCE = Preparation(224, True, Image.Resampling.BILINEAR, IMAGENET_MEAN, IMAGENET_STD)
STRETCHED = Preparation(224, False, Image.Resampling.BICUBIC, (127 / 255,) * 3, (128 / 255,) * 3)
