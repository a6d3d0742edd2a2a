"""Export of a feature set in the layout that DAZLE, MSDN and TransZero read, `data export`: `reference_layout` written.

The authors' codes read `feature_map`, `labels`, `trainval_loc`, `test_seen_loc`, `test_unseen_loc`, `att`,
`original_att` and `w2v_att`. The file has more, which they ignore: names, class folds, places, norms, other vectors and
the provenance. With these, `data import` gives back equal features, with the same fingerprint.
"""

import json
from pathlib import Path

import h5py
import numpy as np

from dazle.errors import InputError
from dazle.features import hdf5
from dazle.features.descriptions import write_arrays
from dazle.features.feature_file import Progress, new_file
from dazle.features.feature_set import FeatureSet
from dazle.features.fingerprint import SPLITS, stored_arrays

FORMAT = "dazle export"
VECTORS = "word2vec"  # stored as w2v_att
CHUNK_BYTES = 2**20


def export_reference(features: FeatureSet, into: Path, progress: Progress = lambda done, images: None) -> None:
    """Write the file `into` under a temporary name, then rename it. Raises InputError for features that do not fit."""
    if features.source != "real":
        raise InputError(f"{features.name}: its features are simulated, which the layout cannot say; export real ones")
    if features.preset == "deepfashion":
        raise InputError(f"{features.name}: the authors' DeepFashion code reads another layout, which is not written")
    if VECTORS not in features.semantics:
        raise InputError(
            f"{features.name}: has no attribute vectors {VECTORS!r}, which the layout needs as w2v_att; add them with "
            f"`data add-semantics {features.name} --semantics {VECTORS}=FILE`"
        )
    with new_file(into, features.regions.nbytes, libver=None) as file:
        _write_layout(file, features)
        _write_rest(file, features)
        _write_maps(file, features, progress)


def _write_layout(file: h5py.File, features: FeatureSet) -> None:
    """The arrays that the authors' codes read, except feature_map, and class fold 1 as train_loc and val_loc."""
    arrays = {"labels": features.labels, "att": features.attributes, "w2v_att": features.semantics[VECTORS]}
    arrays |= {f"{name}_loc": getattr(features, name) for name in SPLITS}
    labels, fold = features.labels[features.trainval], features.folds[0]
    for key, classes in (("train_loc", fold.train_classes), ("val_loc", fold.validation_classes)):
        arrays[key] = features.trainval[np.isin(labels, classes)]
    if features.original_attributes is not None:
        arrays["original_att"] = features.original_attributes
    for key, values in arrays.items():
        file[key] = values


def _write_rest(file: h5py.File, features: FeatureSet) -> None:
    """What the layout does not have, under the keys of a feature file."""
    arrays = {key: values for key, values in stored_arrays(features).items() if key.startswith(("folds/", "places/"))}
    arrays |= {f"semantics/{name}": values for name, values in features.semantics.items() if name != VECTORS}
    # As a dataset: an attribute is limited to 64 KB.
    write_arrays(file, features, arrays | {"provenance": np.array([json.dumps(features.provenance).encode()])})
    for key, text in (("format", FORMAT), ("backbone", features.backbone), ("exported", features.fingerprint)):
        hdf5.write_text(file, key, text)


def _write_maps(file: h5py.File, features: FeatureSet, progress: Progress) -> None:
    """`feature_map` (N, D, h, w): regions times norms."""
    images, regions, channels = features.regions.shape
    chunk = (max(1, min(images, CHUNK_BYTES // (regions * channels * 4))), channels, *features.grid)
    maps = file.create_dataset(
        "feature_map", (images, channels, *features.grid), "<f4", chunks=chunk, compression="gzip", shuffle=True
    )
    stored_norms = file.create_dataset("norms", (images, regions), "<f4", fletcher32=True)
    start = 0
    for block, norms in features.regions.blocks():
        stop = start + len(block)
        raw = block.astype(np.float32) * norms[..., None]
        maps[start:stop] = raw.swapaxes(1, 2).reshape(-1, channels, *features.grid)
        stored_norms[start:stop] = norms
        progress(stop, images)
        start = stop
