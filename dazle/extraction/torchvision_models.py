"""Networks of torchvision: convolutional classifiers, vision transformers (`vit_*`) and Swin (`swin_*`).

A convolutional classifier gives the map that it pools, prepared as the paper prepares images. A vision transformer
gives the patch tokens of its last block after the final norm, without the class token; Swin the map after its final
norm. Both have the preparation of their published weights.
"""

import importlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from PIL import Image
from torch import Tensor, nn

from dazle.errors import InputError, unknown
from dazle.extraction.network import Network, black_image, size_error
from dazle.extraction.preparation import REFERENCE, Preparation
from dazle.extraction.weights import (
    OFFLINE,
    Published,
    Weights,
    digits,
    download,
    load_state,
    own_weights,
    published_weights,
    read_state,
    sha256_of,
)

VIT, SWIN = "vit_", "swin_"
CLASSIFIER = {VIT: "heads", SWIN: "head"}
# The published weights of these two networks expect the colour scale of `transform_input`.
ARGUMENTS = {name: {"transform_input": True, "init_weights": False} for name in ("googlenet", "inception_v3")}
POOLING = (nn.AdaptiveAvgPool2d, nn.AvgPool2d)
OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def torchvision() -> Any:
    """The package torchvision. If it was built for another torch, its operators are missing; stubs let it import."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for operator in OPERATORS:
        torch.library.define(f"torchvision::{operator.partition('(')[0]}", operator[operator.index("(") :])
    return importlib.import_module("torchvision")


def build(name: str, file: Path | None, image_size: int | None) -> Network:
    """The classifier of that name. Raises InputError for an unknown name, size, or weights that do not fit."""
    models = torchvision().models
    names = models.list_models(module=models)
    if name not in names:
        raise unknown("backbone", name, [OFFLINE, *names, "timm:NAME"], "default: resnet101; see `list backbones`")
    return (_transformer if name.startswith((VIT, SWIN)) else _classifier)(name, file, image_size)


def _classifier(name: str, file: Path | None, image_size: int | None) -> Network:
    preparation = REFERENCE if image_size is None else replace(REFERENCE, size=image_size)
    network = torchvision().models.get_model(name, weights=None, **ARGUMENTS.get(name, {}))
    feature_map = FeatureMap(network, name, preparation.size)
    path, weights = published_weights(_published(name, _versions(name)[0]), file, name)
    load_state(network, read_state(path), path)
    return Network(network, feature_map, preparation, weights)


def _versions(name: str) -> list[Any]:
    """The published weights, first the default one: IMAGENET1K_V1 if it exists."""
    versions = torchvision().models.get_model_weights(name).__members__
    default = versions.get("IMAGENET1K_V1", versions["DEFAULT"])
    return [default, *(version for version in versions.values() if version is not default)]


def _published(name: str, version: Any) -> Published:
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(version.url).path).name
    return Published(file.name, lambda: download(version.url, file, name))


def _transformer(name: str, file: Path | None, image_size: int | None) -> Network:
    kind = VIT if name.startswith(VIT) else SWIN
    version = _version_of(name, file)
    preparation = _preparation(version, image_size)
    size = preparation.size
    make = partial(torchvision().models.get_model, name, weights=None)
    try:
        network = make(image_size=size) if kind == VIT else make()
    except AssertionError as error:
        raise size_error(name, size, error) from error
    feature_map = PatchTokens(network) if kind == VIT else FeatureMap(network, name, size)
    path, weights = _transformer_weights(name, version, file)
    state = read_state(path)
    if kind == VIT and image_size is not None:
        state = _resized_positions(state, network, path)
    load_state(network, state, path, [CLASSIFIER[kind]])
    return Network(network, feature_map, preparation, weights)


def _version_of(name: str, file: Path | None) -> Any:
    """The published weights with the hash or the name of the file; the default ones if it is of neither."""
    versions = _versions(name)
    if file is None:
        return versions[0]
    sha256 = sha256_of(file)
    return next((version for version in versions if _is_published(name, version, file, sha256)), versions[0])


def _is_published(name: str, version: Any, file: Path, sha256: str) -> bool:
    published = _published(name, version)
    return sha256.startswith(digits(published.name)) or file.name == published.name


def _transformer_weights(name: str, version: Any, file: Path | None) -> tuple[Path, Weights]:
    """The file and its weights. Raises InputError for a file with the name of published weights and another hash."""
    if file is not None and not _is_published(name, version, file, sha256_of(file)):
        return file, own_weights(file)
    return published_weights(_published(name, version), file, name)


def _preparation(version: Any, image_size: int | None) -> Preparation:
    """The preparation of published weights; at another size the same part of the image is cropped."""
    transforms = version.transforms()
    [size], [resized] = transforms.crop_size, transforms.resize_size
    if image_size is not None:
        size, resized = image_size, image_size * resized // size
    resampling = Image.Resampling[transforms.interpolation.name]
    mean, std = tuple(transforms.mean), tuple(transforms.std)
    return Preparation(size, True, resampling, mean, std, 0 if resized == size else resized)


def _resized_positions(state: dict[str, Tensor], network: Any, file: Path) -> dict[str, Tensor]:
    """The weights with the position of each patch interpolated to the network's grid, as torchvision does it."""
    interpolate = importlib.import_module("torchvision.models.vision_transformer").interpolate_embeddings
    try:
        return dict(interpolate(network.image_size, network.patch_size, dict(state)))
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"{file}: not the weights of this network (encoder.pos_embedding: {error})") from error


class PatchTokens:
    """The patch tokens of a vision transformer after its encoder, whose last layer is the final norm, as a map."""

    def __init__(self, network: Any):
        self._network = network.eval()
        self._tokens: Tensor | None = None
        network.encoder.register_forward_hook(self._record)

    def __call__(self, batch: Tensor) -> Tensor:
        """(n, D, h, w)."""
        self._network(batch)
        assert self._tokens is not None
        patches, self._tokens = self._tokens[:, 1:], None  # the first is the class token
        side = self._network.image_size // self._network.patch_size
        return patches.transpose(1, 2).reshape(len(batch), -1, side, side)

    def _record(self, encoder: nn.Module, inputs: Any, tokens: Tensor) -> None:
        self._tokens = tokens


class FeatureMap:
    """The feature map that a classifier pools: the last output of one of its children that is a grid.

    Raises InputError for a network without such a map.
    """

    def __init__(self, network: nn.Module, name: str, size: int = REFERENCE.size):
        self._network = network.eval()
        self._outputs: list[tuple[nn.Module, Any]] = []
        hooks = [child.register_forward_hook(self._record) for child in _children(network)]
        try:
            with torch.inference_mode():
                network(black_image(size))
        except (RuntimeError, AssertionError, ValueError) as error:
            raise size_error(name, size, error) from error
        for hook in hooks:
            hook.remove()
        grids = [number for number, (child, output) in enumerate(self._outputs) if _is_grid(child, output)]
        if not grids or any(output.ndim == 3 for _, output in self._outputs[grids[-1] :]):
            raise InputError(f"backbone {name}: has no grid before its pooling; use resnet101 or another one")
        last, _ = self._outputs[grids[-1]]
        last.register_forward_hook(self._record)
        self._outputs.clear()

    def __call__(self, batch: Tensor) -> Tensor:
        """(n, D, h, w). DenseNet's last ReLU works in place, so its map is rectified too."""
        self._network(batch)
        ((_, output),) = self._outputs
        self._outputs.clear()
        return output

    def _record(self, child: nn.Module, inputs: Any, output: Any) -> None:
        self._outputs.append((child, output))


def _children(network: nn.Module) -> Iterator[nn.Module]:
    """The modules that are called in sequence; a ModuleList (MaxViT) is not called itself, only its members."""
    for child in network.children():
        if isinstance(child, nn.ModuleList):
            yield from _children(child)
        else:
            yield child


def _is_grid(child: nn.Module, output: Tensor) -> bool:
    return output.ndim == 4 and output.shape[2] * output.shape[3] > 1 and not isinstance(child, POOLING)
