"""What a training may see: no image both to train on and to be judged by, and no test image to validate."""

import numpy as np
import pytest

from dazle.errors import InputError
from dazle.features.feature_set import ClassFold
from dazle.features.splits import draw_folds, final_phase, validation_phase
from tests.dazle.features.small_features import TEST_SEEN, TEST_UNSEEN, TRAINVAL, small


def test_final_phase_is_the_published_split() -> None:
    phase = final_phase(small())
    assert phase.classes.tolist() == list(range(9))
    assert phase.seen.tolist() == [True] * 6 + [False] * 3
    for images, expected in (
        (phase.train, TRAINVAL),
        (phase.eval_seen, TEST_SEEN),
        (phase.eval_unseen, TEST_UNSEEN),
    ):
        assert np.array_equal(images, expected)


def test_final_phase_leaves_classes_without_images_out() -> None:
    features = small(test_unseen=TEST_UNSEEN[:4])
    assert final_phase(features).classes.tolist() == list(range(7))


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_validation_phase_splits_seen_classes_and_no_test_image(fold: int) -> None:
    features = small()
    phase = validation_phase(features, fold)
    split = features.folds[fold - 1]
    assert phase.classes.tolist() == list(range(6))
    assert phase.classes[~phase.seen].tolist() == split.validation_classes.tolist()
    parts = np.concatenate([phase.train, phase.eval_seen, phase.eval_unseen])
    assert sorted(parts) == TRAINVAL.tolist()
    assert set(features.labels[phase.train]) == set(features.labels[phase.eval_seen]) == set(split.train_classes)
    assert set(features.labels[phase.eval_unseen]) == set(split.validation_classes)
    for images in (phase.train, phase.eval_seen, phase.eval_unseen):
        assert (np.diff(images) > 0).all()


def test_classes_outside_the_fold_stay_out() -> None:
    features = small(folds=(ClassFold(np.array([0, 1]), np.array([4])),))
    phase = validation_phase(features, 1)
    assert phase.classes.tolist() == [0, 1, 4]
    assert set(features.labels[np.concatenate([phase.train, phase.eval_seen, phase.eval_unseen])]) == {
        0,
        1,
        4,
    }


@pytest.mark.parametrize(("images", "held_out"), [(2, 1), (3, 2), (5, 2), (12, 2), (13, 3), (40, 8)])
def test_a_fifth_of_each_train_class_is_held_out_at_least_two(images: int, held_out: int) -> None:
    labels = np.concatenate([np.repeat([0, 1, 2], images), [3]])
    features = small(
        labels=labels, trainval=np.arange(3 * images), test_seen=TEST_SEEN[:0],
        test_unseen=np.array([3 * images]),
        folds=(ClassFold(np.array([0, 1]), np.array([2])),),
    )  # fmt: skip
    phase = validation_phase(features, 1)
    assert np.bincount(labels[phase.eval_seen]).tolist() == [held_out, held_out]
    assert np.bincount(labels[phase.train]).tolist() == [images - held_out] * 2


def test_held_out_images_depend_on_dataset_and_fold_only() -> None:
    def held_out(**changes: object) -> list[int]:
        return validation_phase(small(**changes), 1).eval_seen.tolist()

    assert held_out() == held_out(fingerprint="1" * 64, preset="sun") != held_out(name="other")


@pytest.mark.parametrize("fold", [0, 4])
def test_an_unknown_fold_is_refused(fold: int) -> None:
    with pytest.raises(InputError, match=f"fold {fold}: small has folds 1 to 3"):
        validation_phase(small(), fold)


def test_drawn_folds_are_disjoint_thirds_and_always_the_same() -> None:
    seen = np.arange(100, 194)
    folds = draw_folds("cub127", seen)
    assert sorted(np.concatenate([fold.validation_classes for fold in folds])) == seen.tolist()
    assert [len(fold.validation_classes) for fold in folds] == [32, 31, 31]
    for fold in folds:
        assert sorted(np.concatenate([fold.train_classes, fold.validation_classes])) == seen.tolist()
    again = draw_folds("cub127", seen)
    assert all(np.array_equal(a.train_classes, b.train_classes) for a, b in zip(folds, again, strict=True))
    assert not np.array_equal(folds[0].validation_classes, draw_folds("sun", seen)[0].validation_classes)


@pytest.mark.parametrize(("validation", "count"), [(13, 13), (30, 5)])
def test_a_given_fold_stays_and_two_are_drawn_beside_it(validation: int, count: int) -> None:
    given = ClassFold(np.arange(validation, 40), np.arange(validation))
    folds = draw_folds("awa2", np.arange(40), given)
    assert np.array_equal(folds[0].train_classes, given.train_classes)
    assert np.array_equal(folds[0].validation_classes, given.validation_classes)
    assert [len(fold.validation_classes) for fold in folds[1:]] == [count, count]
    all_validation = np.concatenate([fold.validation_classes for fold in folds])
    assert len(np.unique(all_validation)) == len(all_validation)


def test_too_few_classes_for_three_folds_are_refused() -> None:
    with pytest.raises(InputError, match="2 seen classes are too few"):
        draw_folds("tiny", np.arange(2))
