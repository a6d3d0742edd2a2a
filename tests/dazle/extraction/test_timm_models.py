"""Models of timm with random weights that are saved and loaded: their tokens, preparation, grid and refusals."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from dazle.errors import InputError
from dazle.extraction import timm_models
from dazle.extraction.backbones import load_backbone
from dazle.extraction.torchvision_models import torchvision
from tests.dazle.extraction.test_preparation import photograph
from tests.dazle.extraction.test_transformers import brightest, random, saved

torchvision()
timm: Any = pytest.importorskip("timm", reason="the extra `timm` is not installed", exc_type=ImportError)

# Register tokens and the final norm after the pooling; a class token and the norm before it.
LATE_NORM, CLASS_TOKEN = "test_vit2", "test_vit"


def network(name: str) -> Any:
    return random(lambda: timm.create_model(name, pretrained=False))


def saved_network(name: str, folder: Path) -> tuple[Any, Path]:
    made = network(name)
    return made, saved(made, folder / "mine.safetensors")


def by_hand(vit: Any, batch: Tensor) -> Tensor:
    """(n, R, D): the tokens of the last block, normed, without class and register tokens."""
    with torch.inference_mode():
        tokens = vit.fc_norm(vit.norm(vit.blocks(vit._pos_embed(vit.patch_embed(batch)))))
        return tokens[:, vit.num_prefix_tokens :]


@pytest.mark.parametrize("name", [CLASS_TOKEN, LATE_NORM, "test_vit3", "test_vit4"])
def test_tokens_are_those_taken_by_hand(name: str, tmp_path: Path) -> None:
    vit, file = saved_network(name, tmp_path)
    backbone = load_backbone(f"timm:{name}", file)
    batch = torch.rand(2, 3, 160, 160)
    torch.testing.assert_close(backbone.regions(batch), by_hand(vit, batch), rtol=1e-5, atol=1e-5)
    assert backbone.grid == (10, 10) and backbone.title == f"timm:{name}" and backbone.packages == ("timm",)
    assert backbone.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_chosen_networks_have_registers_and_class_tokens() -> None:
    late, early = (timm.create_model(name) for name in (LATE_NORM, CLASS_TOKEN))
    assert late.num_reg_tokens == 1 and isinstance(late.norm, torch.nn.Identity)
    assert early.cls_token is not None and not isinstance(early.norm, torch.nn.Identity)


@pytest.mark.parametrize(
    ("name", "channels"), [("test_resnet", 96), ("test_efficientnet", 256), ("test_mambaout", 64), ("test_maxvit", 128)]
)
def test_other_networks_give_the_map_that_they_pool(name: str, channels: int, tmp_path: Path) -> None:
    made, file = saved_network(name, tmp_path)
    backbone = load_backbone(f"timm:{name}", file)
    assert (backbone.grid, backbone.channels) == ((5, 5), channels)
    batch = torch.rand(2, 3, 160, 160)
    with torch.inference_mode():
        features = made.forward_features(batch)
    expected = features.flatten(1, 2) if name == "test_mambaout" else features.flatten(2).mT  # channels last, or first
    torch.testing.assert_close(backbone.regions(batch), expected, rtol=0, atol=0)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 9), (8, 1), (4, 6)])
@pytest.mark.parametrize("name", [CLASS_TOKEN, LATE_NORM])
def test_a_bright_patch_lights_its_region(name: str, row: int, column: int, tmp_path: Path) -> None:
    backbone = load_backbone(f"timm:{name}", saved_network(name, tmp_path)[1])
    rows, columns = backbone.grid
    assert brightest(backbone, (row + 0.5) / rows, (column + 0.5) / columns) == (row, column)


@pytest.mark.parametrize(
    "name",
    ["test_vit", "test_resnet", "vit_base_patch14_dinov2.lvd142m", "vit_base_patch16_clip_224.openai",
     "vit_base_patch16_siglip_224.webli", "vit_little_patch16_reg4_gap_256.sbb_in1k", "convnext_tiny.fb_in22k"],
)  # fmt: skip
@pytest.mark.parametrize("size", [(300, 451), (500, 333), (100, 231)])
def test_the_preparation_is_timms(name: str, size: tuple[int, int]) -> None:
    config = timm.get_pretrained_cfg(name).to_dict()
    made: Any = SimpleNamespace(pretrained_cfg=config)
    theirs = timm.data.create_transform(**timm.data.resolve_model_data_config(made))
    image = photograph(*size)
    ours = timm_models._preparation(timm, made, f"timm:{name}", None)
    torch.testing.assert_close(ours(image), theirs(image), rtol=0, atol=1e-6)


def test_the_size_is_passed_on_and_positions_follow(tmp_path: Path) -> None:
    _, file = saved_network("test_vit3", tmp_path)  # of a fixed size
    backbone = load_backbone("timm:test_vit3", file, image_size=192, grid=(4, 3))
    assert (backbone.full_grid, backbone.grid, backbone.preparation.size) == ((12, 12), (4, 3), 192)
    assert load_backbone("timm:test_resnet", saved_network("test_resnet", tmp_path)[1], image_size=224).grid == (7, 7)
    with pytest.raises(InputError, match=r"timm:test_vit3: takes no images of 3 x 3 .*; use another --image-size"):
        load_backbone("timm:test_vit3", file, image_size=3)


def test_a_classifier_of_another_task_does_not_matter(tmp_path: Path) -> None:
    made = random(lambda: timm.create_model(CLASS_TOKEN, num_classes=7))
    backbone = load_backbone(f"timm:{CLASS_TOKEN}", saved(made, tmp_path / "mine.pth"))
    batch = torch.rand(1, 3, 160, 160)
    torch.testing.assert_close(backbone.regions(batch), by_hand(made, batch), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda state: {"layer1.weight": torch.zeros(3)}, r"it has no cls_token"),
        (lambda state: state | {"blocks.0.attn.qkv.weight": torch.zeros(3, 4)}, r"blocks\.0\.attn\.qkv\.weight is 3 x 4, not 192 x 64"),
        (lambda state: state | {"new": torch.zeros(3)}, r"new is not a parameter of the network"),
        (lambda state: state | {"pos_embed": torch.zeros(3)}, r"timm cannot convert it"),
    ],
    ids=["other network", "shape", "unexpected", "not convertible"],
)  # fmt: skip
def test_wrong_weights_are_one_line(change: Any, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    torch.save(change(dict(network(CLASS_TOKEN).state_dict())), file)
    with pytest.raises(InputError, match=rf"mine\.pth: not the weights of this network \({fault}") as error:
        load_backbone(f"timm:{CLASS_TOKEN}", file)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:vit_bas_patch14_dinov2", "unknown backbone 'timm:vit_bas_patch14_dinov2'; the nearest is 'timm:vit_base_p"),
        ("timm:vit_base_patch14_dinov2.lvd142", "the nearest is 'timm:vit_base_patch14_dinov2.lvd142m'"),
        ("timm:hf-hub:someone/model", "unknown backbone 'timm:hf-hub:someone/model'"),
    ],
)  # fmt: skip
def test_unknown_names_are_answered(name: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        load_backbone(name)
    assert message in str(error.value)


def test_published_weights_are_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    _, file = saved_network(CLASS_TOKEN, tmp_path)
    asked: list[str] = []

    def downloaded(*source: str) -> str:
        asked.extend(source)
        return str(file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", downloaded)
    backbone = load_backbone(f"timm:{CLASS_TOKEN}.r160_in1k")
    assert asked == ["timm/test_vit.r160_in1k", "model.safetensors"]
    assert backbone.weights == "published mine.safetensors of timm/test_vit.r160_in1k"


def test_what_cannot_be_downloaded_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def fails(*source: str) -> str:
        raise OSError("no\nroute")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fails)
    with pytest.raises(InputError, match=r"cannot be downloaded \(no route\); give the file with --weights"):
        load_backbone(f"timm:{CLASS_TOKEN}.r160_in1k")


def test_a_network_without_a_grid_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made, file = saved_network(CLASS_TOKEN, tmp_path)
    made.forward_intermediates = None
    monkeypatch.setattr(timm, "create_model", lambda *words, **options: made)
    with pytest.raises(InputError, match="gives no grid of regions"):
        load_backbone(f"timm:{CLASS_TOKEN}", file)


def test_images_that_are_not_square_need_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    made = network(CLASS_TOKEN)
    made.pretrained_cfg = made.pretrained_cfg | {"input_size": (3, 1024, 768)}
    monkeypatch.setattr(timm, "create_model", lambda *words, **options: made)
    with pytest.raises(InputError, match="its images are 1024 x 768; give the side of a square: --image-size"):
        load_backbone(f"timm:{CLASS_TOKEN}")
