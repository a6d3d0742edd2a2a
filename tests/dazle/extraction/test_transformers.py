"""Vision transformers and Swin of torchvision: their tokens, preparation, and weights that are saved and loaded."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from dazle.errors import InputError
from dazle.extraction import torchvision_models
from dazle.extraction.backbones import Backbone, load_backbone
from dazle.extraction.torchvision_models import torchvision
from tests.dazle.extraction.test_preparation import photograph

SIZE = 224


class SmallViT:
    """`vit_b_32` with two narrow layers, at any image size."""

    def __new__(cls, image_size: int = SIZE) -> Any:
        kind = torchvision().models.VisionTransformer
        return kind(image_size, 32, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64)


def small_swin(weights: None = None) -> Any:
    kind = torchvision().models.SwinTransformer
    return kind([4, 4], 24, [2, 2], [2, 4], [7, 7])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's models are small ones with random weights, so that a test takes no second."""
    models = torchvision().models
    make = {"vit_b_32": lambda weights, **options: SmallViT(**options), "swin_t": lambda weights: small_swin()}
    monkeypatch.setattr(models, "get_model", lambda name, **options: make[name](**options))


def saved(network: Any, file: Path) -> Path:
    """The network's weights in a file."""
    if file.suffix == ".safetensors":
        save_file({key: values.contiguous() for key, values in network.state_dict().items()}, file)
    else:
        torch.save(network.state_dict(), file)
    return file


def random(make: Any) -> Any:
    torch.manual_seed(3)
    network = make().eval()
    with torch.no_grad():
        for parameter in network.parameters():  # heads start at zero, and norms at one
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def tokens_by_hand(vit: Any, batch: Tensor) -> Tensor:
    """(n, R, D): torchvision's steps, one by one."""
    with torch.inference_mode():
        patches = vit.conv_proj(batch).flatten(2).transpose(1, 2)
        tokens = torch.cat([vit.class_token.expand(len(batch), -1, -1), patches], dim=1)
        tokens = tokens + vit.encoder.pos_embedding
        for layer in vit.encoder.layers:
            tokens = layer(tokens)
        return vit.encoder.ln(tokens)[:, 1:]


def swin_by_hand(swin: Any, batch: Tensor) -> Tensor:
    """(n, R, D)."""
    with torch.inference_mode():
        return swin.norm(swin.features(batch)).flatten(1, 2)


def brightest(backbone: Backbone, row: float, column: float) -> tuple[int, int]:
    """The region that changes most if a patch at a place (fractions of the image) becomes bright."""
    size = backbone.preparation.size
    pixels = np.full((size, size, 3), 90, np.uint8)
    bright = pixels.copy()
    top, left = int(row * size), int(column * size)
    bright[top - 8 : top + 8, left - 8 : left + 8] = 255
    images = [backbone.preparation(Image.fromarray(image)) for image in (pixels, bright)]
    before, after = backbone.regions(torch.stack(images))
    place = int((after - before).norm(dim=1).argmax())
    return divmod(place, backbone.grid[1])


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_tokens_of_a_vit_are_those_taken_by_hand(small: None, tmp_path: Path, suffix: str) -> None:
    network = random(SmallViT)
    file = saved(network, tmp_path / f"mine.{suffix}")
    backbone = load_backbone("vit_b_32", file)
    batch = torch.rand(2, 3, SIZE, SIZE)
    torch.testing.assert_close(backbone.regions(batch), tokens_by_hand(network, batch), rtol=0, atol=0)
    assert (backbone.grid, backbone.channels, backbone.weights) == ((7, 7), 32, f"own file mine.{suffix}")
    assert backbone.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_map_of_a_swin_is_the_one_taken_by_hand(small: None, tmp_path: Path) -> None:
    network = random(small_swin)
    backbone = load_backbone("swin_t", saved(network, tmp_path / "mine.safetensors"))
    batch = torch.rand(2, 3, SIZE, SIZE)
    torch.testing.assert_close(backbone.regions(batch), swin_by_hand(network, batch), rtol=0, atol=0)
    assert (backbone.grid, backbone.channels) == ((28, 28), 48)


@pytest.mark.parametrize(("name", "make"), [("vit_b_32", SmallViT), ("swin_t", small_swin)])
@pytest.mark.parametrize(("row", "column"), [(0.07, 0.07), (0.21, 0.93), (0.93, 0.36), (0.5, 0.5)])
def test_a_bright_patch_lights_its_region(
    small: None, tmp_path: Path, name: str, make: Any, row: float, column: float
) -> None:
    backbone = load_backbone(name, saved(random(make), tmp_path / "mine.pth"), grid=(7, 7))
    assert brightest(backbone, row, column) == (int(row * 7), int(column * 7))


def test_a_coarser_grid_has_averages_of_the_tokens(small: None, tmp_path: Path) -> None:
    network = random(SmallViT)
    file = saved(network, tmp_path / "mine.pth")
    backbone = load_backbone("vit_b_32", file, grid=(3, 2), image_size=192)
    assert (backbone.grid, backbone.full_grid) == ((3, 2), (6, 6))
    whole, batch = load_backbone("vit_b_32", file, image_size=192), torch.rand(2, 3, 192, 192)
    cells = whole.regions(batch).reshape(2, 3, 2, 2, 3, 32)  # image, row, row in it, column, column in it
    torch.testing.assert_close(backbone.regions(batch).reshape(2, 3, 2, 32), cells.mean(dim=(2, 4)))


def test_a_finer_grid_is_refused(small: None, tmp_path: Path) -> None:
    file = saved(random(SmallViT), tmp_path / "mine.pth")
    with pytest.raises(
        InputError, match=r"--grid 8x7: vit_b_32 has 7x7 regions, .* a larger --image-size makes a finer"
    ):
        load_backbone("vit_b_32", file, grid=(8, 7))
    assert load_backbone("vit_b_32", file, grid=(7, 7)).full_grid is None


def test_positions_are_interpolated_to_another_size(small: None, tmp_path: Path) -> None:
    network = random(SmallViT)
    backbone = load_backbone("vit_b_32", saved(network, tmp_path / "mine.pth"), image_size=320)
    assert (backbone.grid, backbone.preparation.size, backbone.preparation.resized) == ((10, 10), 320, 365)
    positions = network.encoder.pos_embedding.detach()
    grid = positions[:, 1:].reshape(1, 7, 7, 32).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, size=10, mode="bicubic", align_corners=True)
    larger = SmallViT(320).eval()
    state = network.state_dict()
    state["encoder.pos_embedding"] = torch.cat([positions[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)
    larger.load_state_dict(state)
    batch = torch.rand(1, 3, 320, 320)
    torch.testing.assert_close(backbone.regions(batch), tokens_by_hand(larger, batch))


def test_a_size_that_patches_do_not_fill_is_refused(small: None, tmp_path: Path) -> None:
    file = saved(random(SmallViT), tmp_path / "mine.pth")
    with pytest.raises(InputError, match=r"vit_b_32: takes no images of 225 x 225 .* use another --image-size"):
        load_backbone("vit_b_32", file, image_size=225)


def test_a_classifier_of_another_task_does_not_matter(small: None, tmp_path: Path) -> None:
    network = random(SmallViT)
    network.heads = torch.nn.Sequential(torch.nn.Linear(32, 12))
    batch = torch.rand(1, 3, SIZE, SIZE)
    regions = load_backbone("vit_b_32", saved(network, tmp_path / "mine.pth")).regions(batch)
    torch.testing.assert_close(regions, tokens_by_hand(network, batch), rtol=0, atol=0)


def test_old_names_and_containers_are_understood(small: None, tmp_path: Path) -> None:
    """torchvision's published weights name the two layers of a block's MLP linear_1 and linear_2."""
    network, file = random(SmallViT), tmp_path / "mine.pth"
    old = {
        key.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): v
        for key, v in network.state_dict().items()
    }
    assert any("linear_2" in key for key in old)
    torch.save({"epoch": 3, "state_dict": old}, file)
    batch = torch.rand(1, 3, SIZE, SIZE)
    torch.testing.assert_close(load_backbone("vit_b_32", file).regions(batch), tokens_by_hand(network, batch))


def without(state: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    return {name: values for name, values in state.items() if name != key}


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda state: without(state, "encoder.ln.bias"), "it has no encoder.ln.bias"),
        (lambda state: state | {"conv_proj.bias": torch.zeros(3), "encoder.ln.bias": torch.zeros(3)}, "conv_proj.bias is 3, not 32"),
        (lambda state: state | {"extra": torch.zeros(3)}, "extra is not a parameter of the network"),
        (lambda state: {"layer1.weight": torch.zeros(3)}, "it has no class_token"),
        (lambda state: state | {"extra": 7}, "'extra' is not a tensor"),
        (lambda state: [1, 2], "a list, no dictionary of tensors"),
    ],
    ids=["missing", "shape", "unexpected", "other network", "no tensor", "no dictionary"],
)  # fmt: skip
def test_wrong_weights_are_one_line(small: None, tmp_path: Path, spoil: Any, fault: str) -> None:
    file = tmp_path / "mine.pth"
    torch.save(spoil(dict(random(SmallViT).state_dict())), file)
    with pytest.raises(InputError) as error:
        load_backbone("vit_b_32", file)
    assert str(error.value).startswith(f"{file}: not the weights of this network ({fault})")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no", b"\x08\0\0\0\0\0\0\0{}      "])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_damaged_file_is_one_line(small: None, tmp_path: Path, content: bytes, suffix: str) -> None:
    file = tmp_path / f"mine.{suffix}"
    file.write_bytes(content)
    with pytest.raises(InputError, match="not the weights of this network") as error:
        load_backbone("vit_b_32", file)
    assert "\n" not in str(error.value)


def test_a_file_with_the_name_of_published_weights_must_be_they(small: None, tmp_path: Path) -> None:
    file = saved(random(SmallViT), tmp_path / "vit_b_32-d86f8d99.pth")
    with pytest.raises(InputError, match=r"so it is not vit_b_32-d86f8d99\.pth, the published weights of vit_b_32"):
        load_backbone("vit_b_32", file)


def test_published_weights_come_with_their_own_size(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the second version, by the hash of the file, whatever its name."""
    file = saved(random(lambda: SmallViT(384)), tmp_path / "mine.pth")
    digits = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    first, second = torchvision_models._versions("vit_b_16")[:2]
    second = SimpleNamespace(url=f"https://example.org/vit_b_32_swag-{digits}.pth", transforms=second.transforms)
    monkeypatch.setattr(torchvision_models, "_versions", lambda name: [first, second])
    backbone = load_backbone("vit_b_32", file)
    assert backbone.grid == (12, 12) and backbone.weights == f"published vit_b_32_swag-{digits}.pth"
    assert backbone.preparation.name.startswith("shorter side to 384, centre 384 x 384, bicubic")


@pytest.mark.parametrize("name", ["vit_b_32", "vit_l_16", "vit_h_14", "swin_t", "swin_v2_b"])
@pytest.mark.parametrize("size", [(300, 451), (500, 333)])
def test_the_preparation_is_that_of_the_published_weights(name: str, size: tuple[int, int]) -> None:
    version = torchvision_models._versions(name)[0]
    image = photograph(*size)
    ours = torchvision_models._preparation(version, None)(image)
    torch.testing.assert_close(ours, version.transforms()(image), rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "grid"), [("vit_b_16", (14, 14)), ("swin_v2_t", (8, 8))])
def test_the_networks_of_torchvision_too(name: str, grid: tuple[int, int], tmp_path: Path) -> None:
    network = random(lambda: torchvision().models.get_model(name, weights=None))
    backbone = load_backbone(name, saved(network, tmp_path / "mine.safetensors"))
    size = backbone.preparation.size
    by_hand = tokens_by_hand if name.startswith("vit") else swin_by_hand
    batch = torch.rand(1, 3, size, size)
    torch.testing.assert_close(backbone.regions(batch), by_hand(network, batch), rtol=0, atol=0)
    assert backbone.grid == grid
