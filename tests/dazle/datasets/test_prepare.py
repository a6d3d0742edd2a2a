"""A raw dataset becomes a feature file that says everything, or a line that says what is wrong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dazle.datasets.prepare import part_regions, prepare
from dazle.datasets.raw import KeyPoints, RawDataset
from dazle.errors import InputError
from dazle.extraction.backbones import Backbone
from dazle.extraction.preparation import REFERENCE, STRETCHED
from dazle.features.feature_file import verify
from dazle.features.feature_set import FeatureSet
from tests.dazle.extraction.small_backbone import mean_colours, small_backbone, write_images
from tests.dazle.features.small_features import small


def raw_dataset(folder: Path, **changes: Any) -> RawDataset:
    """48 photographs under the labels and splits of the small feature set, three parts on each."""
    paths = write_images(folder / "images", 48)
    features = small()
    points = np.random.default_rng(0).uniform(0, 40, (48, 3, 2))
    points[5, 1] = np.nan
    fields: dict[str, Any] = {
        "name": "small", "preset": "cub", "images": paths, "image_files": tuple(path.name for path in paths),
        "labels": features.labels, "attributes": features.attributes, "original_attributes": None,
        "semantics": features.semantics, "trainval": features.trainval, "test_seen": features.test_seen,
        "test_unseen": features.test_unseen, "folds": features.folds,
        "class_names": tuple("abcdefghi"), "attribute_names": tuple("ABCDE"),
        "key_points": KeyPoints(("x", "y", "z"), points, np.ones((5, 3), bool), np.ones((48, 5), bool)),
        "provenance": {"from": "a test"}, "notes": (),
    }  # fmt: skip
    return RawDataset(**fields | changes)


def run(
    raw: RawDataset, folder: Path, backbone: Backbone | None = None, **options: Any
) -> tuple[FeatureSet, list[str], list[tuple[str, int, int]]]:
    """One preparation: its features, its messages and its calls of `progress`."""
    messages: list[str] = []
    progress: list[tuple[str, int, int]] = []
    features = prepare(
        raw, backbone or small_backbone(), folder / "data" / "small.h5", batch=8, log=messages.append,
        progress=lambda stage, done, total: progress.append((stage, done, total)), **options,
    )  # fmt: skip
    return features, messages, progress


def interrupted_network(calls: int) -> Callable[[Any], Any]:
    remaining = iter(range(calls))

    def feature_map(batch: Any) -> Any:
        if next(remaining, None) is None:
            raise KeyboardInterrupt
        return mean_colours(batch)

    return feature_map


def test_the_file_has_everything(tmp_path: Path) -> None:
    raw = raw_dataset(tmp_path)
    features, messages, progress = run(raw, tmp_path)
    verify(tmp_path / "data" / "small.h5")
    assert (features.name, features.source, features.backbone, features.grid) == ("small", "real", "small", (2, 2))
    assert features.class_names == raw.class_names and features.image_files == raw.image_files
    for field in ("labels", "trainval", "test_seen", "test_unseen", "attributes"):
        np.testing.assert_array_equal(getattr(features, field), getattr(raw, field))
    assert messages == [] and {stage for stage, _, _ in progress} == {"decoding", "extracting", "writing"}
    assert progress[-1] == ("writing", 48, 48)
    assert {path.suffix for path in (tmp_path / "data").iterdir()} == {".h5", ".lock"}


def test_provenance_says_how_it_was_made(tmp_path: Path) -> None:
    provenance = run(raw_dataset(tmp_path), tmp_path)[0].provenance
    assert provenance["from"] == "a test" and provenance["weights_sha256"] == "0" * 64
    assert provenance["preparation"] == REFERENCE.name and provenance["versions"].keys() >= {"torch", "pillow"}
    assert len(provenance["image_list_sha256"]) == 64


def test_places_are_the_cells_of_the_key_points(tmp_path: Path) -> None:
    raw = raw_dataset(tmp_path)
    places = run(raw, tmp_path)[0].places
    assert places is not None and raw.key_points is not None and places.tolerance == 1
    sizes = np.array([Image.open(path).size for path in raw.images])
    expected = part_regions(raw.key_points.points, sizes, REFERENCE, (2, 2))
    np.testing.assert_array_equal(places.part_regions, expected)
    assert expected[5, 1] == -1 and expected.max() == 3
    np.testing.assert_array_equal(places.attribute_parts, raw.key_points.attribute_parts)


def test_without_key_points_there_are_no_places(tmp_path: Path) -> None:
    assert run(raw_dataset(tmp_path, key_points=None), tmp_path)[0].places is None


def test_an_interrupted_preparation_goes_on_and_gives_the_same_file(tmp_path: Path) -> None:
    raw = raw_dataset(tmp_path)
    expected = run(raw, tmp_path)[0]
    (tmp_path / "data" / "small.h5").unlink()
    with pytest.raises(KeyboardInterrupt):
        run(raw, tmp_path, small_backbone(interrupted_network(3)))
    assert not (tmp_path / "data" / "small.h5").exists()
    resumed, messages, progress = run(raw, tmp_path)
    assert messages == ["resuming after 24 of 48 images"]
    assert "decoding" not in {stage for stage, _, _ in progress}
    assert resumed.fingerprint == expected.fingerprint and resumed.provenance == expected.provenance
    verify(tmp_path / "data" / "small.h5")


@pytest.mark.parametrize("change", ["weights", "images"])
def test_another_extraction_starts_over(tmp_path: Path, change: str) -> None:
    raw = raw_dataset(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(raw, tmp_path, small_backbone(interrupted_network(3)))
    backbone = small_backbone(weights="1" * 64) if change == "weights" else None
    if change == "images":
        Image.new("RGB", (50, 40), (1, 2, 3)).save(raw.images[0])
    assert run(raw, tmp_path, backbone)[1] == [f"{change} changed since the interrupted extraction; starting over"]


def test_broken_images_are_named_and_stop_the_preparation(tmp_path: Path) -> None:
    raw = raw_dataset(tmp_path)
    raw.images[3].unlink()
    raw.images[7].write_bytes(raw.images[7].read_bytes()[:-300])
    with pytest.raises(InputError) as error:
        run(raw, tmp_path)
    assert "2 of 48 images cannot be used: 003.jpg (no such file), 007.jpg (" in str(error.value)
    assert "truncated" in str(error.value) and str(error.value).endswith("leave them out with --skip-broken")
    assert not (tmp_path / "data" / "small.h5").exists()


def test_broken_images_can_be_left_out_of_everything(tmp_path: Path) -> None:
    complete = run(raw_dataset(tmp_path), tmp_path)[0]
    raw = raw_dataset(tmp_path)
    raw.images[3].unlink()
    features, messages, _ = run(raw, tmp_path, skip_broken=True)
    verify(tmp_path / "data" / "small.h5")
    assert messages == ["left out: 1 of 48 images cannot be used: 003.jpg (no such file)"]
    assert features.provenance["left_out_images"] == ["003.jpg"] and "003.jpg" not in features.image_files
    remaining = np.delete(np.arange(48), 3)
    np.testing.assert_array_equal(features.labels, raw.labels[remaining])
    np.testing.assert_array_equal(remaining[features.trainval], np.setdiff1d(raw.trainval, [3]))
    assert features.places is not None and complete.places is not None
    np.testing.assert_array_equal(features.places.part_regions, complete.places.part_regions[remaining])
    assert features.regions.shape[0] == 47


def test_a_class_without_any_readable_image_leaves_the_folds(tmp_path: Path) -> None:
    raw = raw_dataset(tmp_path)
    label = int(raw.folds[0].validation_classes[0])
    for image in np.flatnonzero(raw.labels == label):
        raw.images[image].unlink()
    features, messages, _ = run(raw, tmp_path, skip_broken=True)
    assert (
        messages[-1]
        == f"class {raw.class_names[label]}: no image is left to train on, so it is left out of folds and test"
    )
    for before, after in zip(raw.folds, features.folds, strict=True):
        for name in ("train_classes", "validation_classes"):
            np.testing.assert_array_equal(getattr(after, name), np.setdiff1d(getattr(before, name), [label]))


def test_a_class_that_cannot_be_trained_is_not_tested(tmp_path: Path) -> None:
    raw = raw_dataset(tmp_path)
    label = int(raw.labels[raw.test_seen[0]])
    for image in raw.trainval[raw.labels[raw.trainval] == label]:
        raw.images[image].unlink()
    features, messages, _ = run(raw, tmp_path, skip_broken=True)
    assert f"class {raw.class_names[label]}: no image is left to train on" in messages[-1]
    assert label in raw.labels[raw.test_seen] and label not in features.labels[features.test_seen]


def test_what_validation_or_the_test_lost_is_said(tmp_path: Path) -> None:
    raw = raw_dataset(tmp_path)
    for image in raw.test_seen:
        raw.images[image].unlink()
    _, messages, _ = run(raw, tmp_path, skip_broken=True)
    assert messages[-1] == "no image of a seen class is left to test on, so only T1 and U exist"
    for image in np.flatnonzero(np.isin(raw.labels, raw.folds[0].validation_classes)):
        raw.images[image].unlink(missing_ok=True)
    (tmp_path / "data" / "small.h5").unlink()
    with pytest.raises(InputError, match="class fold 1 has no validation class with a readable image left; repair"):
        run(raw, tmp_path, skip_broken=True)


def test_the_wrong_folder_is_not_skipped(tmp_path: Path) -> None:
    raw = raw_dataset(tmp_path)
    raw = replace(raw, images=tuple(tmp_path / "elsewhere" / path.name for path in raw.images))
    with pytest.raises(InputError, match=r"48 of 48 images cannot be used: .* and 38 more"):
        run(raw, tmp_path, skip_broken=True)


def test_grey_cmyk_and_transparent_images_are_used(tmp_path: Path) -> None:
    raw = raw_dataset(tmp_path)
    for number, mode in enumerate(("L", "CMYK")):
        Image.open(raw.images[number]).convert(mode).save(raw.images[number])
    Image.open(raw.images[2]).convert("RGBA").save(raw.images[2], "PNG")
    assert run(raw, tmp_path)[0].regions.shape == (48, 4, 3)


def test_wrong_descriptions_are_refused_before_the_extraction(tmp_path: Path) -> None:
    raw = raw_dataset(tmp_path)
    with pytest.raises(InputError, match="trainval and test_seen share"):
        run(replace(raw, test_seen=raw.trainval), tmp_path, small_backbone(interrupted_network(0)))
    with pytest.raises(InputError, match="is for real features of the preset sun"):
        run(replace(raw, name="sun"), tmp_path, small_backbone(interrupted_network(0)))


def test_part_regions_are_cells_row_by_row() -> None:
    points = np.array([[[0, 0], [223, 0], [0, 223], [224, 224], [100, 40], [np.nan, np.nan], [225, 5]]], float)
    regions = part_regions(points, np.array([[224, 224]]), STRETCHED, (7, 7))
    assert regions.dtype == np.int16 and regions.tolist() == [[0, 6, 42, 48, 10, -1, -1]]


def test_part_regions_follow_the_crop() -> None:
    points = np.array([[[99, 100], [100, 10], [299, 199]], [[99, 100], [100, 10], [299, 199]]], float)
    regions = part_regions(points, np.array([[400, 200], [400, 400]]), REFERENCE, (2, 3))
    assert regions.tolist() == [[-1, 0, 5], [0, 0, 2]]
