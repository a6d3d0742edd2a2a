"""Splits: which images and classes a training uses, and which its evaluation uses, in each phase.

The final phase trains on trainval and evaluates on the test images. A validation phase uses trainval only and divides
its seen classes by a class fold. The rule for callers: every phase has its own label space, `Phase.classes`; classes
outside it must not be scored.
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
    """The label space of a training, C' classes, and its training and evaluation images; all sorted."""

    classes: np.ndarray  # (C',) class ids
    seen: np.ndarray  # (C',) bool
    train: np.ndarray  # image indices
    eval_seen: np.ndarray
    eval_unseen: np.ndarray

    def positions(self, labels: np.ndarray) -> np.ndarray:
        """Class ids as positions in `classes`, the labels of this phase's model."""
        return np.searchsorted(self.classes, labels)


def final_phase(features: FeatureSet) -> Phase:
    """Train on trainval, evaluate on test_seen and test_unseen, over all seen and unseen classes."""
    classes = np.union1d(features.seen_classes, features.unseen_classes)
    seen = np.isin(classes, features.seen_classes)
    return Phase(classes, seen, features.trainval, features.test_seen, features.test_unseen)


def validation_phase(features: FeatureSet, fold: int) -> Phase:
    """Class fold `fold` (from 1): its train classes are seen, its validation classes unseen, others are left out.

    `eval_seen` is 20 % of each train class's trainval images (rounded, at least 2, but not all), drawn from the stream
    of (dataset, fold). Raises InputError for an unknown fold.
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
    """The features without test splits, and with the label -1 for every image outside trainval.

    With these features no phase can contain a test image, and no test image has a label to score it with.
    """
    labels = np.full_like(features.labels, -1)
    labels[features.trainval] = features.labels[features.trainval]
    no_images = features.test_seen[:0]
    return replace(features, labels=labels, test_seen=no_images, test_unseen=no_images)


def _draw(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    count = min(max(2, round(HELD_OUT * len(images))), len(images) - 1)
    return generator.choice(images, count, replace=False)


def draw_folds(name: str, seen_classes: np.ndarray, given: ClassFold | None = None) -> tuple[ClassFold, ...]:
    """Three class folds drawn from the stream of the dataset's name; their validation classes are disjoint thirds.

    If fold 1 is `given`, folds 2 and 3 draw their validation classes from its train classes: as many as fold 1 has, or
    at most half of the train classes each. Raises InputError if a fold would have no validation classes.
    """
    generator = np.random.default_rng(stream("folds", name))
    if given is None:
        parts = np.array_split(generator.permutation(seen_classes), FOLDS)
    else:
        shuffled = generator.permutation(given.train_classes)
        size = min(len(given.validation_classes), len(shuffled) // 2)
        parts = [given.validation_classes, shuffled[:size], shuffled[size : 2 * size]]
    if not all(len(part) for part in parts):
        raise InputError(f"{name}: {len(seen_classes)} seen classes are too few for {FOLDS} class folds")
    classes = seen_classes if given is None else np.union1d(given.train_classes, given.validation_classes)
    return tuple(ClassFold(np.setdiff1d(classes, part), np.sort(part)) for part in parts)
