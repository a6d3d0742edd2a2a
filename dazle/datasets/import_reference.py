"""Import of feature files that DAZLE, MSDN, TransZero, GEM-ZSL and others share: `data import`.

The file has one of two HDF5 layouts, read by `reference_layout` and, for DeepFashion, by `deepfashion_layout`.
"""

from collections.abc import Mapping
from pathlib import Path

from dazle.datasets import deepfashion_layout, reference_layout
from dazle.features import hdf5
from dazle.features.feature_file import Progress, check_identity, check_semantics_name, open_features, write
from dazle.features.feature_set import FeatureSet
from dazle.features.word_vectors import check_missing


def import_reference(
    source: Path,
    target: Path,
    *,
    name: str,
    preset: str,
    backbone: str | None = None,
    grid: tuple[int, int] | None = None,
    semantics: Mapping[str, Path] | None = None,
    allow_missing: bool = False,
    progress: Progress = lambda done, images: None,
) -> FeatureSet:
    """Convert a file of `reference_layout` or `deepfashion_layout` into the feature file `target`, and open it.

    Everything but the regions is checked before the first region is written; regions are streamed, a few images at a
    time. `semantics` adds (A, d) .npy files under their own names. An attribute whose vector is all zero, in these
    files or in w2v_att, is an error unless `allow_missing`. `grid` (rows, columns) is for a `feature_map` (N, D, R)
    that does not contain it. Raises InputError, one line, for any bad input.
    """
    check_identity(name, preset, "real")
    for key in semantics or {}:
        check_semantics_name(key)
    with hdf5.open_file(source) as file:
        layout = reference_layout if hdf5.find(file, "feature_map_train") is None else deepfashion_layout
        features = layout.describe(file, source, name, preset, backbone, semantics or {}, grid)
        for key, vectors in features.semantics.items():
            check_missing(vectors, (), f"{source}, semantics {key}", allow_missing)
        write(target, features, progress)
    return open_features(target)
