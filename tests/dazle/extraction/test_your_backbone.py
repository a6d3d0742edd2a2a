"""The commands of docs/your-backbone.md run; a ViT whose weights are saved becomes a feature file that says so."""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import dazle.extraction.backbones
from benchmark.cli.main import app
from benchmark.reporting.attention import _photograph
from dazle.datasets.prepare import prepare
from dazle.errors import InputError
from dazle.extraction.backbones import Backbone, load_backbone
from dazle.extraction.torchvision_models import torchvision
from dazle.features.feature_file import open_features, verify
from dazle.features.feature_set import FeatureSet
from tests.dazle.datasets.archives import make_archive
from tests.dazle.datasets.test_prepare import raw_dataset
from tests.dazle.extraction.small_backbone import small_backbone
from tests.dazle.extraction.test_transformers import SmallViT, random, saved
from tests.dazle.features.small_features import write_reference

PAGE = Path(__file__).resolve().parents[3] / "docs" / "your-backbone.md"
COMMANDS = [
    shlex.split(line.replace("\\\n", ""))[3:]
    for block in re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for line in re.findall(r"python -m benchmark (?:.*\\\n)*.*", block)
]


def test_the_page_has_commands() -> None:
    assert [words[:2] for words in COMMANDS] == [
        ["list", "backbones"], ["data", "prepare"], ["data", "prepare"], ["data", "import"]
    ]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words)[:60])
def test_a_command_of_the_page_runs(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Any] = []

    def load(*names: Any, **options: Any) -> Backbone:
        loaded.append((names[0], names[1], options))
        return small_backbone()

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAZLE_DATA", raising=False)
    monkeypatch.setattr(dazle.extraction.backbones, "load_backbone", load)
    make_archive(tmp_path, "cub")
    write_reference(tmp_path / "feature_map_vit_CUB.hdf5", feature_map=np.ones((48, 3, 196), np.float32))
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    if "--backbone" in words and "prepare" in words:
        [(name, weights, options)] = loaded
        assert name == words[words.index("--backbone") + 1]
        expected = {"grid": (7, 7), "image_size": 224} if "--grid" in words else {"grid": None, "image_size": None}
        assert options == expected and weights == (Path("my_vit.safetensors") if "--weights" in words else None)
    if "import" in words:
        assert open_features(tmp_path / "data" / "cub-mine.h5").grid == (14, 14)


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[FeatureSet, Path]:
    """48 photographs through a small ViT, on a grid that is not square."""
    monkeypatch.setattr(torchvision().models, "get_model", lambda name, weights, **options: SmallViT(**options))
    file = saved(random(SmallViT), tmp_path / "mine.safetensors")
    backbone = load_backbone("vit_b_32", file, grid=(2, 3))
    features = prepare(raw_dataset(tmp_path), backbone, tmp_path / "data" / "small.h5", batch=8)
    return features, tmp_path


def test_the_feature_file_says_all_about_the_backbone(prepared: tuple[FeatureSet, Path]) -> None:
    features, folder = prepared
    verify(folder / "data" / "small.h5")
    assert (features.grid, features.backbone, features.regions.shape) == ((2, 3), "vit_b_32", (48, 6, 32))
    facts = features.provenance
    assert facts["model"] == "vit_b_32" and facts["weights"] == "own file mine.safetensors"
    assert len(facts["weights_sha256"]) == 64 and facts["grid"] == "2 x 3 regions, averages of 7 x 7"
    assert facts["preparation"].startswith("shorter side to 256, centre 224 x 224, bilinear")
    assert json.dumps(facts)


def test_key_points_and_pictures_follow_the_grid_and_the_crop(prepared: tuple[FeatureSet, Path]) -> None:
    """The photographs are 50 x 40 or so: the shorter side is resized to 256, so 2.5 of 40 pixels are cropped off."""
    features, folder = prepared
    assert features.places is not None
    raw = raw_dataset(folder)
    assert raw.key_points is not None
    (x, y), region = raw.key_points.points[0, 0], features.places.part_regions[0, 0]
    scale = 256 / 40
    column, row = ((np.array([x, y]) * scale - [(50 * scale - 224) / 2, 16]) / 224 * (3, 2)).astype(int)
    inside = 0 <= x * scale - (50 * scale - 224) / 2 < 224 and 0 <= y * scale - 16 < 224
    assert region == (row * 3 + column if inside else -1)
    picture = _photograph(features, 0, folder / "images")
    assert picture.shape == (224, 224, 3)
    original = Image.open(folder / "images" / features.image_files[0])
    centre = np.asarray(original.resize((320, 256), Image.Resampling.BILINEAR))[16:240, 48:272] / 255
    np.testing.assert_allclose(picture, centre, atol=1e-3)
    with pytest.raises(InputError, match="do not say which files they are of"):
        _photograph(replace(features, provenance={}), 0, folder)


def test_other_weights_start_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted extraction is not continued with another grid."""
    monkeypatch.setattr(torchvision().models, "get_model", lambda name, weights, **options: SmallViT(**options))
    file = saved(random(SmallViT), tmp_path / "mine.safetensors")
    raw, target = raw_dataset(tmp_path), tmp_path / "data" / "small.h5"

    def interrupted(backbone: Backbone) -> Callable[[Any], Any]:
        calls = iter(range(2))

        def feature_map(batch: torch.Tensor) -> torch.Tensor:
            if next(calls, None) is None:
                raise KeyboardInterrupt
            return backbone.feature_map(batch)

        return feature_map

    backbone = load_backbone("vit_b_32", file, grid=(2, 3))
    with pytest.raises(KeyboardInterrupt):
        prepare(raw, replace(backbone, feature_map=interrupted(backbone)), target, batch=8)
    lines: list[str] = []
    prepare(raw, load_backbone("vit_b_32", file, grid=(3, 2)), target, batch=8, log=lines.append)
    assert lines == ["grid changed since the interrupted extraction; starting over"]
