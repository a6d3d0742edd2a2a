"""A feature set contradicts itself: `check` says where, what and what is needed, in one line."""

from typing import Any

import numpy as np
import pytest

from dazle.errors import InputError
from dazle.features.feature_set import ClassFold, check, normalise
from tests.dazle.features.small_features import LABELS, TEST_SEEN, TEST_UNSEEN, TRAINVAL, places, small


def replaced(array: np.ndarray, index: Any, value: float) -> np.ndarray:
    copy = array.copy()
    copy[index] = value
    return copy


ATTRIBUTES = small().attributes
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "label too large": ({"labels": replaced(LABELS, 7, 9)}, r"labels\[7\] = 9 is outside 0\.\.8"),
    "label negative": ({"labels": replaced(LABELS, 0, -1)}, r"labels\[0\] = -1 is outside"),
    "labels too few": ({"labels": LABELS[:-1]}, r"labels have shape \(47,\)"),
    "index too large": ({"trainval": replaced(TRAINVAL, -1, 48)}, r"trainval has index 48, outside 0\.\.47"),
    "index negative": ({"test_seen": replaced(TEST_SEEN, 0, -1)}, "test_seen has index -1"),
    "index unsorted": ({"test_seen": TEST_SEEN[::-1]}, "test_seen is not sorted"),
    "index twice": ({"test_seen": replaced(TEST_SEEN, 1, TEST_SEEN[0])}, "test_seen .* twice"),
    "no training images": ({"trainval": TRAINVAL[:0]}, r"trainval has shape \(0,\)"),
    "image in two splits": ({"test_seen": np.union1d(TEST_SEEN, [4])}, "trainval and test_seen share 1"),
    "seen and unseen": ({"labels": replaced(LABELS, 40, 2)}, "class 2 is in trainval and in test_unseen"),
    "test_seen not seen": (
        {"test_seen": np.union1d(TEST_SEEN, [47]), "test_unseen": TEST_UNSEEN[:-4]},
        "test_seen has images of class 8",
    ),
    "grid": ({"grid": (2, 3)}, r"grid \(2, 3\) does not make 4 regions"),
    "grid negative": ({"grid": (-2, -2)}, r"grid \(-2, -2\)"),
    "attributes nan": ({"attributes": replaced(ATTRIBUTES, (2, 1), np.nan)}, "attributes of class 2 .* nan"),
    "attributes not unit": ({"attributes": ATTRIBUTES * 2}, "attributes of class 0 have length 2, not 1"),
    "attributes zero": ({"attributes": replaced(ATTRIBUTES, 4, 0)}, "attributes of class 4 have length 0"),
    "semantics shape": ({"semantics": {"glove": np.ones((4, 3))}}, r"glove has shape \(4, 3\), not \(5, d\)"),
    "semantics nan": (
        {"semantics": {"glove": replaced(np.ones((5, 3)), (3, 0), np.inf)}},
        "semantics glove is not finite in the row of attribute 3",
    ),
    "original attributes": ({"original_attributes": np.ones((9, 4))}, r"have shape \(9, 4\), not \(9, 5\)"),
    "class names": ({"class_names": ("one",)}, "1 class_names, not 9"),
    "places of images": ({"places": places(part_regions=np.zeros((47, 2)))}, r"part_regions has shape \(47, 2\), not"),
    "places of attributes": ({"places": places(attribute_parts=np.ones((4, 2)))}, r"\(4, 2\), not \(5, 2\)"),
    "places parts": ({"places": places(attribute_parts=np.ones((5, 3)))}, r"\(48, 2\), not \(48, 3\)"),
    "places present": ({"places": places(present=np.ones((48, 4)))}, r"places/present has shape \(48, 4\)"),
    "places range": ({"places": places(part_regions=np.full((48, 2), 4))}, r"part_regions run 4\.\.4, not -1\.\.3"),
    "places tolerance": ({"places": places(tolerance=-1)}, "tolerance -1; it is 0 or more"),
    "no folds": ({"folds": ()}, "no class folds"),
    "fold overlaps": ({"folds": (ClassFold(np.array([0, 1]), np.array([1, 2])),)}, "fold 1 has class 1 on"),
    "fold unseen": ({"folds": (ClassFold(np.array([0, 1]), np.array([6])),)}, "class 6, which is not a seen"),
    "fold empty": ({"folds": (ClassFold(np.array([0]), np.array([], int)),)}, "0 validation classes"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
def test_check_refuses_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        check(small(**changes))
    assert str(error.value).startswith("small: ") and "\n" not in str(error.value)


def test_check_accepts_what_may_be_absent_or_present() -> None:
    check(small())
    check(small(test_seen=TEST_SEEN[:0], places=places(), semantics={}))


def test_check_names_the_file_where_one_is_given() -> None:
    with pytest.raises(InputError, match=r"^here\.h5: "):
        check(small(folds=()), "here.h5")


def test_normalise_gives_unit_rows_their_norms_and_leaves_zeros() -> None:
    raw = np.random.default_rng(0).random((3, 4, 8)) * 100
    raw[1, 2] = 0
    regions, norms = normalise(raw)
    assert regions.dtype == np.float16 and norms.dtype == np.float32
    np.testing.assert_allclose(regions.astype(float) * norms[..., None], raw, rtol=2e-3, atol=1e-4)
    lengths = np.linalg.norm(regions.astype(float), axis=2)
    assert lengths[1, 2] == norms[1, 2] == 0 and np.isfinite(regions).all()
    np.testing.assert_allclose(np.delete(lengths.ravel(), 6), 1, atol=1e-3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_normalise_shows_what_is_not_finite_in_the_norm(value: float) -> None:
    raw = np.ones((2, 1, 4))
    raw[1, 0, 3] = value
    assert np.isfinite(normalise(raw)[1]).tolist() == [[True], [False]]


def test_regions_in_memory_read_in_the_order_asked_for() -> None:
    regions = small().regions
    assert regions.in_memory and regions.load() is regions
    assert regions.nbytes == 48 * 4 * (8 * 2 + 4)
    rows = np.array([7, 3, 7])
    assert (regions.read(rows)[0] == regions.read(rows)[2]).all() and regions.read_norms(rows).shape == (3, 4)
    assert np.array_equal(np.concatenate([block for block, _ in regions.blocks()]), regions.read(np.arange(48)))


def test_classes_follow_from_the_splits() -> None:
    features = small()
    assert features.seen_classes.tolist() == [0, 1, 2, 3, 4, 5] and features.unseen_classes.tolist() == [
        6,
        7,
        8,
    ]


def test_semantics_are_identified_by_values_and_shape() -> None:
    vectors = np.arange(15, dtype=np.float32).reshape(5, 3)
    features = small(semantics={"a": vectors, "b": vectors.astype(np.float64), "c": vectors.T})
    hashes = [features.semantics_sha256(name) for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]
    with pytest.raises(InputError, match="no semantics 'glove'; it has a, b, c"):
        features.semantics_sha256("glove")
