"""Which images a training sees and which it is judged on.

The final phase trains on trainval and is judged on the test images. A validation phase takes the seen
classes only, splits them by a class fold, and never touches a test image. The rule for callers: a phase has a
label space of its own, `Phase.classes`, and a class that is not in it must not be scored.
"""

from dataclasses import dataclass, replace

import numpy as np

from dazle.errors import InputError
from dazle.features.feature_set import ClassFold, FeatureSet
from dazle.streams import stream

FOLDS = 3
HELD_OUT = 0.2


@dataclass(frozen=True, eq=False)
class Phase:
    """One training: its label space of C' classes and its images, all sorted."""

    classes: np.ndarray  # (C',) class ids
    seen: np.ndarray  # (C',) bool
    train: np.ndarray  # image indices
    eval_seen: np.ndarray
    eval_unseen: np.ndarray

    def positions(self, labels: np.ndarray) -> np.ndarray:
        """Where the given class ids stand in `classes`: labels as the model of this phase counts them."""
        return np.searchsorted(self.classes, labels)


def final_phase(features: FeatureSet) -> Phase:
    """Train on trainval, judge on test_seen and test_unseen, over all classes that are seen or unseen."""
    classes = np.union1d(features.seen_classes, features.unseen_classes)
    seen = np.isin(classes, features.seen_classes)
    return Phase(classes, seen, features.trainval, features.test_seen, features.test_unseen)


def validation_phase(features: FeatureSet, fold: int) -> Phase:
    """Class fold `fold` (from 1): its train classes are seen, its validation classes unseen, others stay out.

    Of each train class 20 % of its trainval images (rounded, at least 2, but one stays to train on) are held
    out as `eval_seen`, drawn from the stream of (dataset, fold). Raises InputError for an unknown fold.
    """
    if not 1 <= fold <= len(features.folds):
        raise InputError(f"fold {fold}: {features.name} has folds 1 to {len(features.folds)}")
    split = features.folds[fold - 1]
    generator = np.random.default_rng(stream("val_seen", features.name, fold))
    labels = features.labels[features.trainval]
    held_out = [_draw(features.trainval[labels == label], generator) for label in np.sort(split.train_classes)]
    eval_seen = np.sort(np.concatenate(held_out))
    train = features.trainval[np.isin(labels, split.train_classes)]
    classes = np.union1d(split.train_classes, split.validation_classes)
    return Phase(
        classes=classes,
        seen=np.isin(classes, split.train_classes),
        train=np.setdiff1d(train, eval_seen, assume_unique=True),
        eval_seen=eval_seen,
        eval_unseen=features.trainval[np.isin(labels, split.validation_classes)],
    )


def without_test(features: FeatureSet) -> FeatureSet:
    """The same features with no test split, and -1 for the label of every image that is not in trainval.

    Whoever has only these can build no phase with a test image in it, nor score one if it could.
    """
    labels = np.full_like(features.labels, -1)
    labels[features.trainval] = features.labels[features.trainval]
    nothing = features.test_seen[:0]
    return replace(features, labels=labels, test_seen=nothing, test_unseen=nothing)


def _draw(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    count = min(max(2, round(HELD_OUT * len(images))), len(images) - 1)
    return generator.choice(images, count, replace=False)


def draw_folds(name: str, seen_classes: np.ndarray, given: ClassFold | None = None) -> tuple[ClassFold, ...]:
    """Three class folds from the constant stream of the dataset's name, validation classes disjoint thirds.

    With `given` as fold 1, the other two draw as many validation classes as it has from its train classes, or
    half of those each where there are fewer. Raises InputError where a fold would have none.
    """
    generator = np.random.default_rng(stream("folds", name))
    if given is None:
        parts = np.array_split(generator.permutation(seen_classes), FOLDS)
    else:
        rest = generator.permutation(given.train_classes)
        size = min(len(given.validation_classes), len(rest) // 2)
        parts = [given.validation_classes, rest[:size], rest[size : 2 * size]]
    if not all(len(part) for part in parts):
        raise InputError(f"{name}: {len(seen_classes)} seen classes are too few for {FOLDS} class folds")
    space = seen_classes if given is None else np.union1d(given.train_classes, given.validation_classes)
    return tuple(ClassFold(np.setdiff1d(space, part), np.sort(part)) for part in parts)
