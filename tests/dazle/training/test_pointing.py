"""Hits and chance against a brute force that follows the definition word by word."""

import itertools

import numpy as np
import pytest
import torch

import dazle.training.pointing
from dazle.config import Settings
from dazle.features.feature_set import Places
from dazle.features.splits import final_phase
from dazle.training.fit import fit
from dazle.training.pointing import Pointing, neighbours
from tests.dazle.features.small_features import places, small

GRID = (3, 4)


def random_places(tolerance: int) -> Places:
    draw = np.random.default_rng(tolerance)
    return Places(
        part_regions=draw.integers(-1, 12, (9, 4)),
        attribute_parts=draw.random((6, 4)) < 0.4,
        present=draw.random((9, 6)) < 0.6,
        tolerance=tolerance,
    )


def is_hit(places: Places, image: int, attribute: int, region: int) -> bool:
    for part in np.flatnonzero(places.attribute_parts[attribute]):
        place = places.part_regions[image, part]
        rows, columns = abs(region // 4 - place // 4), abs(region % 4 - place % 4)
        if place >= 0 and max(rows, columns) <= places.tolerance:
            return bool(places.present[image, attribute])
    return False


def counts(places: Places, image: int, attribute: int) -> bool:
    visible = places.attribute_parts[attribute] & (places.part_regions[image] >= 0)
    return bool(places.present[image, attribute] and visible.any())


@pytest.mark.parametrize("resident", [0, 2**28])
@pytest.mark.parametrize("tolerance", [0, 1, 2])
def test_as_the_brute_force_counts(tolerance: int, resident: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dazle.training.pointing, "RESIDENT_BYTES", resident)
    monkeypatch.setattr(dazle.training.pointing, "BLOCK", 4)
    drawn, images = random_places(tolerance), np.array([7, 1, 3, 8, 0])
    pairs = [(i, a) for i, a in itertools.product(range(5), range(6)) if counts(drawn, images[i], a)]
    possible = [is_hit(drawn, images[i], a, r) for i, a in pairs for r in range(12)]
    peaks = np.random.default_rng(5).integers(0, 12, (5, 6))
    hits = [is_hit(drawn, images[i], a, peaks[i, a]) for i, a in pairs]

    pointing = Pointing(drawn, images, GRID)
    assert pointing.pairs == len(pairs)
    assert pointing.chance == pytest.approx(100 * np.mean(possible))
    total = sum(pointing.hits(np.array(rows), peaks[rows]) for rows in ([0, 1, 2], [4, 3]))
    assert total == sum(hits) and pointing.accuracy(total) == pytest.approx(100 * np.mean(hits))


def test_neighbours_do_not_reach_around_the_edge() -> None:
    adjacent = neighbours((7, 7), 1)
    assert np.flatnonzero(adjacent[6]).tolist() == [5, 6, 12, 13]
    assert adjacent[24].sum() == 9 and adjacent[0].sum() == 4 and neighbours((7, 7), 0).sum() == 49


def test_nothing_visible_is_no_number() -> None:
    hidden = places(part_regions=np.full((48, 2), -1))
    pointing = Pointing(hidden, np.arange(48), (2, 2))
    assert pointing.chance is None and pointing.accuracy(0) is None
    assert Pointing(places(), np.arange(0), (2, 2)).chance is None


@pytest.mark.parametrize("attention", ["dense", "shared", "max", "sparse", "uniform"])
def test_every_attention_that_points_is_judged(attention: str) -> None:
    settings = Settings().changed({"model.region_attention": attention, "training.epochs": 1})
    features = small(places=places())
    point = fit(features, final_phase(features), settings, (0, "small", 0), torch.device("cpu")).curve[-1]
    if attention == "uniform":
        assert point["pointing"] is None and point["pointing_chance"] is None
    else:
        # On a grid of 2 x 2 every region is next to every other one.
        assert point["pointing"] == point["pointing_chance"] == 100


def test_without_tolerance_chance_is_one_region() -> None:
    features = small(places=places(tolerance=0))
    point = fit(features, final_phase(features), Settings(), (0, "small", 0), torch.device("cpu")).curve[-1]
    assert point["pointing_chance"] == 25 and 0 <= point["pointing"] < 100
