"""Attribute vectors from .npy files: files that the user names, and word vectors beside a dataset's archives."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dazle.errors import InputError

FILE_NAMES = ("w2v.npy", "word_vectors.npy")


def read_npy(path: Path, remedy: str = "") -> np.ndarray:
    """(A, d) float32. Raises InputError, with `remedy` at its end, for anything else."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a .npy file of (A, d) attribute vectors")
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a .npy file of numbers; write it with numpy.save{remedy}") from error
    if not isinstance(vectors, np.ndarray) or vectors.dtype.kind != "f" or vectors.ndim != 2:
        raise InputError(f"{path}: not one (attributes, dimensions) array of floating point numbers{remedy}")
    return np.array(vectors, np.float32)


def find_word2vec(folders: Iterable[Path], attributes: int) -> tuple[dict[str, np.ndarray], str]:
    """The semantics in the first of `FILE_NAMES` in `folders`, as `word2vec`, and a note about them for the user."""
    path = next((path for folder in folders for name in FILE_NAMES if (path := folder / name).is_file()), None)
    if path is None:
        return {}, f"none ({' or '.join(FILE_NAMES)} is not beside the splits)"
    vectors = read_npy(path, ", or move it away")
    if len(vectors) != attributes:
        return {}, f"none ({path.name} has {len(vectors)} rows, not one for each of the {attributes} attributes)"
    return {"word2vec": vectors}, f"word2vec of {path.name}"
