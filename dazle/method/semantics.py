"""Attribute semantics: the vectors v_a from which the model starts.

The setting `model.semantics` names vectors of the feature file (`word2vec` in the paper), or `random` or `one-hot`. All
rows are L2-normalised as in the paper; a row of zeros (an attribute whose words have no vector) stays zero.
"""

import torch
from torch import Tensor
from torch.nn import functional

from dazle.config import MADE_SEMANTICS
from dazle.errors import InputError
from dazle.features.feature_set import FeatureSet
from dazle.streams import stream

RANDOM_DIMENSION = 300


def initial_semantics(features: FeatureSet, choice: str, *seed: str | int) -> Tensor:
    """The initial V, (A, d) float32, rows of length 1 or 0.

    `random`: rows drawn from N(0, 1), with the dimension of the file's word2vec vectors if it has them; `one-hot`: the
    identity, d = A. Raises InputError for any other name that is not in the feature file.
    """
    attributes = features.attributes.shape[1]
    if choice == "one-hot":
        return torch.eye(attributes)
    if choice == "random":
        word2vec = features.semantics.get("word2vec")
        dimension = RANDOM_DIMENSION if word2vec is None else word2vec.shape[1]
        generator = torch.Generator().manual_seed(stream(*seed, "semantics"))
        return functional.normalize(torch.randn(attributes, dimension, generator=generator), dim=1)
    if choice not in features.semantics:
        names = ", ".join([*features.semantics, *MADE_SEMANTICS])
        raise InputError(f"model.semantics = {choice!r} is not in the features of {features.name}; they have {names}")
    return functional.normalize(torch.from_numpy(features.semantics[choice]).float(), dim=1)
