"""Attribute vectors added to an existing feature file: `NAME.semantics-VECTORS.safetensors` files beside it.

The feature file itself is never changed, and a side file is written atomically, so an interrupted addition cannot
damage either. A side file holds the fingerprint of its features and the hash of its vectors. If one of them does not
match, opening fails: vectors in another order of attributes would otherwise be used unnoticed.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dazle.errors import InputError
from dazle.features.feature_set import FeatureSet, check
from dazle.files import write_atomic

KEY = "vectors"
REMEDY = "remove it, or `data add-semantics` it again with --overwrite"


def side_file(features_file: Path, name: str) -> Path:
    """The path of the side file for vectors `name`."""
    return features_file.with_name(f"{_prefix(features_file)}{name}.safetensors")


def side_files(features_file: Path) -> list[Path]:
    """The existing side files of a feature file, sorted."""
    return sorted(features_file.parent.glob(f"{_prefix(features_file)}*.safetensors"))


def _prefix(features_file: Path) -> str:
    return f"{features_file.stem}.semantics-"


def add(features_file: Path, features: FeatureSet, name: str, vectors: np.ndarray, about: Mapping[str, Any]) -> Path:
    """Write vectors (A, d) to a side file, replacing an existing one, and return its path.

    `about` describes their origin; `data info` prints it. Raises InputError for vectors that do not fit the features.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    candidate = replace(features, semantics={name: vectors})
    check(candidate, str(features_file))
    path = side_file(features_file, name)
    identity = {"features": features.fingerprint, "sha256": candidate.semantics_sha256(name)}
    write_atomic(path, save({KEY: vectors}, {**identity, "about": json.dumps(about)}))
    return path


def attach_added(features: FeatureSet, features_file: Path) -> FeatureSet:
    """The features with the vectors of all side files. Raises InputError for a side file of other features."""
    for path in side_files(features_file):
        name = path.stem.removeprefix(_prefix(features_file))
        if name in features.semantics:
            raise InputError(f"{path}: the features have vectors {name!r} of their own; remove this file")
        vectors, identity = _read(path)
        features = replace(
            features,
            semantics=features.semantics | {name: vectors},
            provenance=features.provenance | {f"semantics_{name}": json.loads(identity["about"])},
        )
        if identity["features"] != features.fingerprint:
            raise InputError(f"{path}: belongs to other features than {features_file.name} has now; {REMEDY}")
        if identity["sha256"] != features.semantics_sha256(name):
            raise InputError(f"{path}: was changed, its hash is not that of its vectors; {REMEDY}")
        check(features, str(path))
    return features


def _read(path: Path) -> tuple[np.ndarray, dict[str, str]]:
    try:
        with safe_open(path, "numpy") as file:
            identity = file.metadata() or {}
            vectors = file.get_tensor(KEY)
            json.loads(identity["about"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())}); {REMEDY}") from error
    if not {"features", "sha256"} <= identity.keys() or vectors.dtype != np.float32:
        raise InputError(f"{path}: not written by `data add-semantics`; {REMEDY}")
    return vectors, identity
