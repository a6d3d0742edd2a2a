"""Attribute semantics: the vectors v_a that the model starts from.

`semantics` names vectors of the feature file (`word2vec` is the paper's choice), or `random` or `one-hot`. All rows are
L2-normalised, as the paper does; a row of zeros (an attribute whose words had no vector) stays zero.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dazle.config import MADE_SEMANTICS
from dazle.errors import InputError
from dazle.streams import stream

RANDOM_DIMENSION = 300


def initial_semantics(
    semantics: Mapping[str, NDArray[np.floating]], attributes: int, choice: str, *seed: str | int
) -> Tensor:
    """V of shape (A, d), float32, rows of length 1.

    `random`: rows drawn from N(0, 1), as long as the file's word vectors where it has them; `one-hot`: the identity,
    d = A. Anything else must be in the feature file, or InputError is raised.
    """
    if choice == "one-hot":
        return torch.eye(attributes)
    if choice == "random":
        known = semantics.get("word2vec")
        dimension = known.shape[1] if known is not None else RANDOM_DIMENSION
        generator = torch.Generator().manual_seed(stream(*seed, "semantics"))
        return functional.normalize(torch.randn(attributes, dimension, generator=generator), dim=1)
    if choice not in semantics:
        names = ", ".join([*semantics, *MADE_SEMANTICS])
        raise InputError(f"model.semantics = {choice!r} is not in the features; they have {names}")
    return functional.normalize(torch.from_numpy(semantics[choice]).float(), dim=1)
