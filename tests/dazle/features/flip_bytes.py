"""Flips bits of every seventh byte of a feature file: reading it must be refused, or give the very same values.

python -m tests.dazle.features.flip_bytes FILE
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np

from dazle.errors import InputError
from dazle.features.feature_file import open_features
from dazle.features.feature_set import FeatureSet
from dazle.features.fingerprint import stored_arrays

FLIPS = (0x01, 0x80)
STEP = 7


def values(features: FeatureSet) -> dict[str, bytes | str]:
    """Everything that can change a result."""
    images = np.arange(len(features.labels))
    arrays = stored_arrays(features) | features.semantics
    arrays |= {"regions": features.regions.read(images), "norms": features.regions.read_norms(images)}
    named = {key: str(getattr(features, key)) for key in ("name", "preset", "source", "grid", "fingerprint")}
    return {key: array.tobytes() for key, array in arrays.items()} | named


def main(path: Path) -> int:
    content = path.read_bytes()
    original, outcomes = values(open_features(path)), Counter[str]()
    for offset in range(0, len(content), STEP):
        for flip in FLIPS:
            broken = bytearray(content)
            broken[offset] ^= flip
            path.write_bytes(broken)
            try:
                unchanged = values(open_features(path)) == original
            except InputError:
                outcomes["refused"] += 1
            else:
                outcomes["unchanged" if unchanged else f"CHANGED at {offset}"] += 1
    print(f"{len(content):,} bytes, {sum(outcomes.values()):,} flips: {dict(outcomes)}")
    return int(outcomes["refused"] + outcomes["unchanged"] < outcomes.total())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
