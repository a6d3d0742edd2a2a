"""Weights of a backbone: a published file, whose name ends with digits of its sha256, or a file of the user's own.

A file is a dictionary of tensors, as safetensors or as torch saves it; it is read with `weights_only`, so that nothing
in it can run. The rule for callers: `load_state` refuses a file that does not fit the network, and names the first
parameter that differs.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from dazle.errors import InputError

OFFLINE = "efficientnet-lite0"
CONTAINERS = ("state_dict", "model")  # under which training scripts store the parameters
State = dict[str, Tensor]


class Published(NamedTuple):
    """The published file of weights."""

    name: str  # ends with the first digits of the file's sha256
    fetch: Callable[[], Path]  # downloads the file if necessary and returns its path


@dataclass(frozen=True)
class Weights:
    """The origin of a network's parameters, for the feature file."""

    sha256: str  # of the file
    origin: str


def published_weights(published: Published, file: Path | None, backbone: str) -> tuple[Path, Weights]:
    """The file, by default downloaded. Raises InputError if it is not the published file."""
    path = published.fetch() if file is None else file
    sha256 = sha256_of(path)
    if not sha256.startswith(digits(published.name)):
        raise InputError(
            f"{path}: its sha256 begins with {sha256[:8]}, so it is not {published.name}, the published weights of "
            f"{backbone}; fetch that file again"
        )
    return path, Weights(sha256, f"published {published.name}")


def own_weights(file: Path) -> Weights:
    """The weights of a file without a published hash."""
    return Weights(sha256_of(file), f"own file {file.name}")


def digits(published: str) -> str:
    """The digits of the sha256 in a file name, such as 63fe2227 in `resnet101-63fe2227.pth`."""
    return Path(published).stem.rpartition("-")[2]


def sha256_of(file: Path) -> str:
    """Hex sha256 of the file. Raises InputError if it cannot be read."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); give the weights with --weights") from error


def download(url: str, file: Path, backbone: str) -> Path:
    """Downloads `url` to `file` if it does not exist, checks the hash in its name, and returns it."""
    if not file.exists():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(file), digits(file.name))
        except (OSError, RuntimeError) as error:
            raise not_downloaded(url, backbone, error) from error
    return file


def not_downloaded(source: str, backbone: str, error: Exception) -> InputError:
    """The error for weights that cannot be downloaded."""
    reason = " ".join(str(error).split())[:200]
    return InputError(
        f"backbone {backbone}: {source} cannot be downloaded ({reason}); give the file with --weights, or use "
        f"--backbone {OFFLINE}, whose weights come with a package"
    )


def read_state(file: Path) -> State:
    """The tensors of a file by name. Raises InputError for anything else."""
    try:
        if file.suffix == ".safetensors":
            return dict(load_file(file))
        state = torch.load(file, map_location="cpu", weights_only=True)
        return _tensors(state, file)
    except (OSError, RuntimeError, ValueError, AttributeError, EOFError, UnpicklingError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{file}: not the weights of this network ({reason})") from error


def _tensors(state: Any, file: Path) -> State:
    if not isinstance(state, dict):
        raise InputError(
            f"{file}: not the weights of this network (a {type(state).__name__}, no dictionary of tensors)"
        )
    for key in CONTAINERS:
        if isinstance(state.get(key), dict):
            return _tensors(state[key], file)
    other = next((key for key, values in state.items() if not isinstance(values, Tensor)), None)
    if other is not None:
        raise InputError(f"{file}: not the weights of this network ({other!r} is not a tensor)")
    return {current_name(str(key)): values for key, values in state.items()}


def current_name(key: str) -> str:
    """DenseNet's published weights have old parameter names with dots: `norm.1` is now `norm1`."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)", r"\1\2", key)


def load_state(network: nn.Module, state: State, file: Path, optional: Sequence[str] = ()) -> None:
    """Copies the tensors into the network; `optional`: modules that may be missing or differ, such as the classifier.

    Raises InputError with the first parameter, in the network's order, that is missing or has another shape, or else
    with the first one that the network does not have.
    """
    prefixes = tuple(f"{name}." for name in optional)
    state = {key: values for key, values in state.items() if not key.startswith(prefixes)}
    parameters = {key: values for key, values in network.state_dict().items() if not key.startswith(prefixes)}
    differences = [key for key in parameters if key in state and state[key].shape != parameters[key].shape]
    # torch translates parameter names of older versions, so that it knows best which ones are missing.
    missing, unexpected = ([], []) if differences else network.load_state_dict(state, strict=False)
    wrong = {*differences, *missing}
    first = next((key for key in parameters if key in wrong), None)
    if first is None and not unexpected:
        return
    if first in differences:
        shapes = (" x ".join(map(str, values[first].shape)) or "one number" for values in (state, parameters))
        fault = "{} is {}, not {}".format(first, *shapes)
    else:
        fault = f"it has no {first}" if first else f"{unexpected[0]} is not a parameter of the network"
    raise InputError(f"{file}: not the weights of this network ({fault}); give the file that belongs to --backbone")
