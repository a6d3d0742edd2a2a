"""Random streams: independent seeds derived from names such as (base seed, dataset, repetition, purpose).

Every use of random numbers (split, initial weights, batches, features) has its own stream, which never depends on the
variant. So all variants of a repetition have the same split, batches and initial W_e, and a variant that draws more
numbers does not change the numbers of another purpose.
"""

import hashlib


def stream(*parts: str | int) -> int:
    """The 63-bit seed of the stream named by `parts`, equal on every machine.

    Parts are joined with a separator that names do not contain, so ("a", "bc") and ("ab", "c") differ.
    """
    name = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
