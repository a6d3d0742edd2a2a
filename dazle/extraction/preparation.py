"""Image preparation of a backbone: resize, crop and normalise, and the same mapping for key points."""

import re
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NAME = re.compile(
    r"(?P<how>shorter side to|stretched to) (?P<resized>\d+)(?: x \d+)?(?:, centre (?P<size>\d+) x \d+)?, "
    r"(?P<resampling>\w+), mean (?P<mean>[^,]+), std (?P<std>[^,]+)"
)


@dataclass(frozen=True)
class Preparation:
    """Maps an RGB image to (3, size, size): resized, cropped to its centre, then `(x / 255 - mean) / std` per channel.

    With `crop` the shorter side is resized to `resized` and the centre is cropped, as torchvision's Resize and
    CenterCrop do; without it the image is stretched to the square of `resized`.
    """

    size: int
    crop: bool
    resampling: Image.Resampling
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resized: int = 0  # 0: equal to `size`

    @property
    def name(self) -> str:
        """The complete preparation as text, for the feature file."""
        resized, centre = self.resized or self.size, f", centre {self.size} x {self.size}"
        how = f"shorter side to {resized}" if self.crop else f"stretched to {resized} x {resized}"
        mean, std = (" ".join(f"{number:.6g}" for number in numbers) for numbers in (self.mean, self.std))
        shown_centre = centre if self.crop or resized != self.size else ""
        return f"{how}{shown_centre}, {self.resampling.name.lower()}, mean {mean}, std {std}"

    @classmethod
    def named(cls, name: str) -> "Preparation | None":
        """The preparation with that name, its mean and std rounded as in the name; None if it is no such name."""
        match = NAME.fullmatch(name)
        if match is None or match["resampling"].upper() not in Image.Resampling.__members__:
            return None
        try:
            mean, std = (tuple(map(float, match[key].split())) for key in ("mean", "std"))
        except ValueError:
            return None
        resized, size = int(match["resized"]), int(match["size"] or match["resized"])
        resampling = Image.Resampling[match["resampling"].upper()]
        return cls(size, match["how"].startswith("shorter"), resampling, mean, std, 0 if resized == size else resized)

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
        resized = self.resized or self.size
        if not self.crop:
            return resized, resized
        short = min(width, height)
        return int(resized * width / short), int(resized * height / short)

    def _corner(self, width: int, height: int) -> tuple[int, int]:
        wide, high = self._resized(width, height)
        return round((wide - self.size) / 2), round((high - self.size) / 2)


REFERENCE = Preparation(224, True, Image.Resampling.BILINEAR, IMAGENET_MEAN, IMAGENET_STD)
STRETCHED = Preparation(224, False, Image.Resampling.BICUBIC, (127 / 255,) * 3, (128 / 255,) * 3)
