"""Images are prepared as the reference prepares them, and points go where their pixels go."""

import numpy as np
import pytest
import torch
from PIL import Image

from dazle.extraction.preparation import IMAGENET_MEAN, IMAGENET_STD, REFERENCE, STRETCHED, Preparation
from dazle.extraction.torchvision_models import torchvision


def photograph(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", [(300, 451), (500, 333), (224, 224), (100, 231), (17, 16)])
def test_the_reference_preparation_is_torchvisions(size: tuple[int, int]) -> None:
    transforms = torchvision().transforms
    theirs = transforms.Compose(
        [
            transforms.Resize(224),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    image = photograph(*size)
    torch.testing.assert_close(REFERENCE(image), theirs(image), rtol=0, atol=0)


def test_the_stretched_preparation_keeps_the_whole_image() -> None:
    values = STRETCHED(Image.new("RGB", (300, 100), (255, 127, 0)))
    assert values.shape == (3, 224, 224) and values.dtype == torch.float32
    np.testing.assert_allclose(values[:, 0, 0], [1, 0, -127 / 128], atol=1e-6)


def test_names_say_the_whole_preparation() -> None:
    assert REFERENCE.name == (
        "shorter side to 224, centre 224 x 224, bilinear, mean 0.485 0.456 0.406, std 0.229 0.224 0.225"
    )
    assert STRETCHED.name.startswith("stretched to 224 x 224, bicubic, mean 0.498039")


@pytest.mark.parametrize(
    ("point", "located"),
    [
        ((200, 100), (0.5, 0.5)),
        ((100, 0), (0, 0)),
        ((300, 200), (1, 1)),
        ((150, 50), (0.25, 0.25)),
        ((99, 100), None),
        ((301, 100), None),
        ((200, 201), None),
        ((np.nan, np.nan), None),
    ],
)
def test_points_follow_resizing_and_cropping(point: tuple[float, float], located: tuple[float, float] | None) -> None:
    result = REFERENCE.locate(np.array([point]), 400, 200)
    np.testing.assert_allclose(result, [located or (np.nan, np.nan)], atol=1e-9)


def test_points_follow_stretching() -> None:
    result = STRETCHED.locate(np.array([[0, 0], [400, 200], [100, 150], [-1, 5], [5, 201]]), 400, 200)
    np.testing.assert_allclose(result, [[0, 0], [1, 1], [0.25, 0.75], [np.nan] * 2, [np.nan] * 2])


@pytest.mark.parametrize(("width", "height"), [(500, 333), (333, 500)])
def test_a_bright_spot_is_where_its_point_is(width: int, height: int) -> None:
    image = Image.new("RGB", (width, height))
    x, y = width * 0.55, height * 0.45
    image.paste((255, 255, 255), (int(x) - 4, int(y) - 4, int(x) + 4, int(y) + 4))
    brightest = REFERENCE(image).sum(0) > 6
    row, column = np.argwhere(brightest.numpy()).mean(axis=0)
    located = REFERENCE.locate(np.array([[x, y]]), width, height)[0]
    np.testing.assert_allclose([column / 224, row / 224], located, atol=0.01)


LARGER = Preparation(160, True, Image.Resampling.BICUBIC, (0.5,) * 3, (0.25,) * 3, 176)
SQUASHED = Preparation(160, False, Image.Resampling.BICUBIC, (0.5,) * 3, (0.25,) * 3, 176)


@pytest.mark.parametrize("preparation", [REFERENCE, STRETCHED, LARGER, SQUASHED])
def test_a_name_gives_its_preparation(preparation: Preparation) -> None:
    named = Preparation.named(preparation.name)
    assert named is not None and named.name == preparation.name
    image = photograph(300, 211)
    torch.testing.assert_close(named(image), preparation(image), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "name",
    ["", "None", "cut to 3, bilinear, mean 1, std 1", "stretched to 9 x 9, magic, mean 1, std 1", "stretched to 9 x 9, box, mean a, std 1"],
)  # fmt: skip
def test_other_texts_are_no_preparation(name: str) -> None:
    assert Preparation.named(name) is None


def test_points_follow_a_crop_inside_the_shorter_side() -> None:
    points = LARGER.locate(np.array([[100, 100], [100, 5], [0, 100]]), 200, 200)
    np.testing.assert_allclose(points, [[0.5, 0.5], [np.nan] * 2, [np.nan] * 2])
    assert LARGER.name.startswith("shorter side to 176, centre 160 x 160, bicubic")
    assert SQUASHED.name.startswith("stretched to 176 x 176, centre 160 x 160, bicubic")
