"""What a method is given to train on: the train images of one phase, and what describes their classes.

Images are regions (R, D) or pooled features (D), as the method's `reads` says.

A task holds no evaluation image, no evaluation label and no way to read one: `TrainImages` refuses every position but
those of the train images.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dazle.features.feature_set import FeatureSet, Regions
from dazle.features.splits import Phase
from dazle.training.batches import ImageReader, Images

Reads = Literal["regions", "pooled"]
# Images of a block; with 2,048 channels 8 MiB of pooled features.
BLOCK = 1024
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


class TrainImages:
    """The regions or pooled features of the n train images, at positions 0 to n - 1."""

    def __init__(self, source: Images, images: NDArray[np.integer]) -> None:
        self.shape = (len(images), *source.shape[1:])
        self.dtype, self.read_ahead = source.dtype, source.read_ahead

        # In a closure and not in attributes: what a method can reach of a task are train images.
        def read_into(positions: NDArray[np.integer], buffer: NDArray[Any]) -> None:
            source.read_into(images[self._checked(positions)], buffer)

        def read_norms(positions: NDArray[np.integer]) -> NDArray[np.float32]:
            return source.read_norms(images[self._checked(positions)])  # type: ignore[attr-defined]

        self.read_into, self.read_norms = read_into, read_norms

    def _checked(self, positions: NDArray[np.integer]) -> NDArray[np.integer]:
        if len(positions) and not 0 <= positions.min() <= positions.max() < self.shape[0]:
            raise IndexError(f"there are {self.shape[0]} train images; positions {positions} are not all among them")
        return positions


@dataclass(frozen=True, eq=False)
class Task:
    """One training. Labels are positions in the label space of C classes; `seen` says which of them can be labels.

    `attributes` (C, A) float32 are the class vectors z_c; `semantics` the attribute vectors (A, d) by name; `seed`
    names the random streams of the repetition, never of the variant; `precision` is that of the large products.
    """

    images: TrainImages
    labels: NDArray[np.int64]  # (n,)
    attributes: Tensor
    seen: NDArray[np.bool_]  # (C,)
    semantics: Mapping[str, NDArray[np.float32]]
    grid: tuple[int, int]
    seed: tuple[str | int, ...]
    device: torch.device
    precision: str = "float32"
    _readers: list[ImageReader] = field(default_factory=list)

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[self.precision]

    @property
    def images_trained(self) -> int:
        """How many images the readers of this task have handed out."""
        return sum(reader.count for reader in self._readers)

    def reader(self, normalise: bool = True) -> ImageReader:
        """Batches of train images on the device; `normalise` False multiplies the stored norms of regions back in."""
        every = np.arange(len(self.labels))
        reader = ImageReader(self.images, every, normalise, self.dtype, self.device)
        self._readers.append(reader)
        return reader

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """All train images once, in order: (positions, images) of at most `BLOCK` images, overwritten by the next.

        For closed forms, which need sums over images: no more than a block is in memory.
        """
        count = len(self.labels)
        return self.reader().batches(np.arange(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def images_of(features: FeatureSet, reads: Reads) -> Images:
    """The regions of a feature set, or its pooled features."""
    return features.pooled if reads == "pooled" else features.regions


def task_of(
    features: FeatureSet, phase: Phase, seed: tuple[str | int, ...], device: torch.device, precision: str = "float32",
    reads: Reads = "regions",
) -> Task:  # fmt: skip
    """The task of a phase's train images."""
    return Task(
        images=TrainImages(images_of(features, reads), phase.train),
        labels=phase.positions(features.labels[phase.train]),
        attributes=torch.from_numpy(features.attributes[phase.classes]),
        seen=phase.seen.copy(),
        semantics=features.semantics,
        grid=features.grid,
        seed=seed,
        device=device,
        precision=precision,
    )


def made_up_task(
    regions: tuple[int, int],
    attributes: int,
    classes: tuple[int, int],
    images: int,
    *,
    dimension: int = 300,
    semantics: str = "word2vec",
    device: torch.device | str = "cpu",
    precision: str = "float32",
) -> Task:
    """A task of random train images, for measurements of speed; regions (R, D), classes (seen, unseen).

    The semantics `word2vec`, and those named `semantics`, are the same vectors of `dimension` values; the label of an
    image is its position modulo the number of seen classes.
    """
    random = np.random.default_rng(0)
    values = random.random((images, *regions), np.float32)
    values /= np.linalg.norm(values, axis=2, keepdims=True)
    seen, unseen = classes
    class_vectors = random.random((seen + unseen, attributes), np.float32)
    attribute_vectors = random.standard_normal((attributes, dimension)).astype(np.float32)
    return Task(
        images=TrainImages(
            Regions(values.astype(np.float16), np.ones((images, regions[0]), np.float32)), np.arange(images)
        ),
        labels=np.arange(images) % seen,
        attributes=torch.from_numpy(class_vectors / np.linalg.norm(class_vectors, axis=1, keepdims=True)),
        seen=np.arange(seen + unseen) < seen,
        semantics=dict.fromkeys(("word2vec", semantics), attribute_vectors),
        grid=(1, regions[0]),
        seed=("made up",),
        device=torch.device(device),
        precision=precision,
    )
