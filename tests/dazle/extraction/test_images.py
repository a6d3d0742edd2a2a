"""Images of every kind that archives hold, and files that are none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dazle.errors import InputError
from dazle.extraction import images
from dazle.extraction.images import in_order, read_image, survey
from tests.dazle.extraction.small_backbone import write_images

GREY16 = np.full((30, 40), 30_000, np.uint16)


def new_image(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, (40, 30), colour)


@pytest.mark.parametrize(
    ("image", "suffix", "colour"),
    [
        (new_image("RGB", (200, 100, 50)), "png", (200, 100, 50)),
        (new_image("L", 90), "jpg", (90, 90, 90)),
        (new_image("1", 1), "png", (255, 255, 255)),
        (new_image("LA", (90, 7)), "png", (90, 90, 90)),
        (new_image("RGBA", (200, 100, 50, 0)), "png", (200, 100, 50)),
        (new_image("CMYK", (0, 255, 255, 0)), "jpg", (254, 0, 0)),
        (new_image("RGB", (200, 100, 50)).convert("P", palette=Image.Palette.ADAPTIVE), "gif", (200, 100, 50)),
        (Image.fromarray(GREY16), "png", (116, 116, 116)),
        (Image.fromarray(GREY16), "tiff", (116, 116, 116)),
        (Image.fromarray(GREY16), "ppm", (116, 116, 116)),
    ],
)
def test_every_kind_becomes_rgb(image: Image.Image, suffix: str, colour: tuple[int, ...], tmp_path: Path) -> None:
    image.save(tmp_path / f"a.{suffix}")
    result = read_image(tmp_path / f"a.{suffix}")
    assert result.mode == "RGB" and result.size == (40, 30)
    np.testing.assert_allclose(np.asarray(result)[15, 20], colour, atol=2)


def broken_files(folder: Path) -> dict[str, Path]:
    good = write_images(folder, 1)[0]
    paths = {name: folder / name for name in ("missing", "text", "cut", "empty", "folder", "strip", "eps", "float")}
    paths["text"].write_text("<html>not found</html>")
    paths["cut"].write_bytes(good.read_bytes()[:-300])
    paths["empty"].write_bytes(b"")
    paths["folder"].mkdir()
    Image.new("L", (1, 65)).save(paths["strip"], "PNG")
    paths["eps"].write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    Image.fromarray(np.ones((4, 4), np.float32)).save(paths["float"], "TIFF")
    return paths


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no such file"),
        ("text", "cannot identify image"),
        ("cut", "truncated"),
        ("empty", "cannot identify image"),
        ("folder", "no such file"),
        ("strip", "1 x 65 pixels are too many or too thin"),
        ("eps", "cannot identify image"),
        ("float", "have no known range"),
    ],
)
def test_what_is_no_image_is_named(kind: str, message: str, tmp_path: Path) -> None:
    path = broken_files(tmp_path)[kind]
    with pytest.raises(InputError, match=message) as error:
        read_image(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)
    assert str(error.value).count(str(path)) == 1


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (1000, 1000)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(images, "LARGEST_PIXELS", 999_999)
    with pytest.raises(InputError, match="1000 x 1000 pixels are too many"):
        read_image(tmp_path / "bomb.png")


def run_survey(paths: tuple[Path, ...], cache: Path) -> tuple[images.Survey, list[int]]:
    progress: list[int] = []
    return survey(paths, cache, lambda done, images: progress.append(done)), progress


def test_a_survey_finds_sizes_and_what_is_broken(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "i", 4)
    paths[2].unlink()
    result, progress = run_survey(paths, tmp_path / "kept")
    assert result.sizes.tolist() == [[50, 40], [50, 41], [0, 0], [50, 43]]
    assert result.broken == {2: "no such file"} and progress == [0, 1, 2, 3, 4]
    assert result.complaint([path.name for path in paths]) == "002.jpg (no such file)"


def test_a_survey_is_kept_until_a_file_changes(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "i", 3)
    paths[1].write_text("no image")
    first, _ = run_survey(paths, tmp_path / "kept")
    second, progress = run_survey(paths, tmp_path / "kept")
    assert not progress and second.broken == first.broken and second.sizes.tolist() == first.sizes.tolist()
    write_images(tmp_path / "i", 3)
    assert run_survey(paths, tmp_path / "kept")[0].broken == {}
    (tmp_path / "kept").write_text("{")
    assert run_survey(paths, tmp_path / "kept")[1] == [0, 1, 2, 3]


def test_ten_are_named_and_the_rest_counted() -> None:
    result = images.Survey(np.zeros((30, 2)), dict.fromkeys(range(12), "cut"))
    complaint = result.complaint([f"{image}.jpg" for image in range(30)])
    assert complaint.startswith("0.jpg (cut), 1.jpg (cut)") and complaint.endswith("9.jpg (cut) and 2 more")


def test_results_come_in_order_and_errors_come_through() -> None:
    assert list(in_order(lambda x: x * x, range(1000))) == [x * x for x in range(1000)]
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda x: 1 // x, [1, 0]))
