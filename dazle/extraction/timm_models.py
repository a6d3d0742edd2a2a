"""Networks of timm (`timm:NAME`, or `timm:NAME.TAG` for certain published weights), with their own preparation.

A transformer gives the patch tokens of its last block after the final norm, without class and register tokens; a
convolutional network the map that it pools. Where a transformer has its final norm after the pooling (`fc_norm`), the
norm is applied to every token. The needs: the extra `timm`.
"""

import importlib
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from dazle.errors import InputError, unknown
from dazle.extraction.network import Network, black_image, size_error
from dazle.extraction.preparation import Preparation
from dazle.extraction.torchvision_models import torchvision
from dazle.extraction.weights import State, download, load_state, not_downloaded, own_weights, read_state

PREFIX = "timm:"


def build(name: str, file: Path | None, image_size: int | None) -> Network:
    """The model of that name. Raises InputError for an unknown name, size, or weights that do not fit."""
    timm = _timm(name)
    network = _model(timm, name, image_size).eval()
    preparation = _preparation(timm, network, name, image_size)
    feature_map = _feature_map(network, name, preparation.size)
    path = _download(network.pretrained_cfg, name) if file is None else file
    weights = own_weights(path)
    if file is None:
        weights = replace(weights, origin=f"published {path.name} of {_source(network.pretrained_cfg)}")
    load_state(network, _converted(timm, network, read_state(path), path), path, _classifiers(network))
    return Network(network, feature_map, preparation, weights, ("timm",))


def _timm(name: str) -> Any:
    torchvision()  # timm imports it, and may need the stubs
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise InputError(
            f"backbone {name}: {error.name} is missing; install the extra: pip install 'dazle-benchmark[timm]'"
        ) from error


def _model(timm: Any, name: str, image_size: int | None) -> Any:
    model = name.removeprefix(PREFIX)
    architecture, _, tag = model.partition(".")
    if not timm.is_model(architecture):
        raise unknown("backbone", name, [PREFIX + other for other in timm.list_models()])
    if tag and model not in (tags := timm.list_pretrained(f"{architecture}.*")):
        raise unknown("backbone", name, [PREFIX + other for other in tags] or [PREFIX + architecture])
    config = timm.get_pretrained_cfg(model)
    # Only networks with a fixed size take it as an argument; the others take images of any size.
    sizes = {"img_size": image_size} if image_size is not None and config and config.fixed_input_size else {}
    try:
        return timm.create_model(model, pretrained=False, **sizes)
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        if image_size is None:
            raise
        raise size_error(name, image_size, error) from error


def _preparation(timm: Any, network: nn.Module, name: str, image_size: int | None) -> Preparation:
    arguments = {} if image_size is None else {"img_size": image_size}
    config = timm.data.resolve_model_data_config(network, arguments)
    _, height, width = config["input_size"]
    if height != width:
        raise InputError(f"backbone {name}: its images are {height} x {width}; give the side of a square: --image-size")
    mode, resampling = config["crop_mode"], config["interpolation"].upper()
    if mode not in ("center", "squash") or resampling not in Image.Resampling.__members__:
        raise InputError(
            f"backbone {name}: its preparation ({mode}, {resampling.lower()}) is not known here; use another model"
        )
    resized = int(height / config["crop_pct"])
    mean, std = (tuple(map(float, config[key])) for key in ("mean", "std"))
    scaled = 0 if resized == height else resized
    return Preparation(height, mode == "center", Image.Resampling[resampling], mean, std, scaled)


def _feature_map(network: Any, name: str, size: int) -> Callable[[Tensor], Tensor]:
    """(n, 3, size, size) -> (n, D, h, w)."""
    try:
        with torch.inference_mode():
            features = network.forward_features(black_image(size))
            is_map = isinstance(features, Tensor) and features.ndim == 4
            feature_map: Callable[[Tensor], Tensor] = _Map(network) if is_map else _Tokens(network)
            shape = feature_map(black_image(size)).shape
    except (RuntimeError, AssertionError, ValueError) as error:
        raise size_error(name, size, error) from error
    except (AttributeError, TypeError) as error:
        raise InputError(f"backbone {name}: gives no grid of regions ({error}); use another model") from error
    if len(shape) != 4 or shape[2] * shape[3] < 2:
        raise InputError(f"backbone {name}: gives no grid of regions; use another model")
    return feature_map


class _Map:
    """The last map of a network; timm's networks with channels last have the format NHWC."""

    def __init__(self, network: Any):
        self._network = network
        self._channels_last = getattr(network, "output_fmt", "NCHW") == "NHWC"

    def __call__(self, batch: Tensor) -> Tensor:
        features = self._network.forward_features(batch)
        return features.permute(0, 3, 1, 2) if self._channels_last else features


class _Tokens:
    """The patch tokens of the last block after the final norm; timm leaves class and register tokens out of the map."""

    def __init__(self, network: Any):
        self._network = network
        norm, late = (getattr(network, name, None) for name in ("norm", "fc_norm"))
        self._late_norm = late if isinstance(norm, nn.Identity) and late is not None else nn.Identity()

    def __call__(self, batch: Tensor) -> Tensor:
        [tokens] = self._network.forward_intermediates(
            batch, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        normed: Tensor = self._late_norm(tokens.permute(0, 2, 3, 1))
        return normed.permute(0, 3, 1, 2)


def _classifiers(network: Any) -> list[str]:
    names = network.pretrained_cfg.get("classifier") or ()
    return [names] if isinstance(names, str) else list(names)


def _converted(timm: Any, network: Any, state: State, file: Path) -> State:
    """The weights with timm's names, for files in the format of a model's authors, and positions for its grid."""
    entry = timm.models.model_entrypoint(network.pretrained_cfg["architecture"])
    convert = getattr(importlib.import_module(entry.__module__), "checkpoint_filter_fn", None)
    if convert is None:
        return state
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        return dict(convert(state, network))
    except Exception as error:  # the errors of timm's conversions are not documented
        reason = " ".join(f"{type(error).__name__} {error}".split())[:200]
        raise InputError(f"{file}: not the weights of this network (timm cannot convert it: {reason})") from error
    finally:
        logging.disable(level)


def _source(config: dict[str, Any]) -> str:
    return str(config.get("hf_hub_id") or config.get("url") or "")


def _download(config: dict[str, Any], name: str) -> Path:
    """The file of published weights, in the cache of the Hugging Face hub or of torch."""
    source = _source(config)
    if not source:
        raise InputError(f"backbone {name}: timm knows no published weights of it; give a file with --weights")
    if not config.get("hf_hub_id"):
        return download(source, Path(torch.hub.get_dir()) / "checkpoints" / Path(source).name, name)
    hub = importlib.import_module("huggingface_hub")
    try:
        return Path(hub.hf_hub_download(source, config.get("hf_hub_filename") or "model.safetensors"))
    except (OSError, RuntimeError, ValueError) as error:
        raise not_downloaded(source, name, error) from error
