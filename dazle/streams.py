"""Random streams named by what they are for.

Every source of chance (split, initial weights, batches, features) has a stream of its own, derived from its name and
never from the variant: two variants of one repetition see the same split, the same batches and the same initial W_e,
and a variant that draws more numbers than another cannot shift what comes after.
"""

import hashlib


def stream(*parts: str | int) -> int:
    """A 63-bit seed for the stream named by `parts`, the same on every machine.

    Parts are joined with a separator that no name contains, so ("a", "bc") and ("ab", "c") differ.
    """
    name = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
