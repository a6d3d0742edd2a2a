"""The DAZLE model in its fast form: class scores from one matrix product with the regions.

All logits and attribute scores are linear in the regions f_r or in the attribute features h_a = sum_r alpha_ar f_r. So
they come from ONE product of the regions with the stacked matrix [V W_alpha; V W_e; V W_beta] (3A x D); h_a is never
computed. Tests compare the model with the paper's formulas (`dazle/method/reference.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dazle.config import ModelSettings
from dazle.method.attention import ATTRIBUTE_WEIGHTS, REGION_SUMS
from dazle.method.stacked_product import product, stacked_rows
from dazle.streams import stream

# V (W f) writes and reads one more array per region: on CUB, with equal operation counts, it is 11 % slower.
ATTRIBUTES_FIRST_FACTOR = 0.9

# V (S, A, d) and W_* (S, d, D) of S models side by side, by name, in the order V, W_alpha, W_e, W_beta.
Parameters = Mapping[str, Tensor]


@dataclass(frozen=True)
class Output:
    """Class scores and, on request, the region with the highest attention weight of each attribute."""

    scores: Tensor  # (B, C), without margin
    peaks: Tensor | None  # (B, A) region indices; None if not requested, or with uniform attention


class Model(nn.Module):
    """s_c = sum_a z_ca beta_a e_a for every class of one label space.

    Parameters are named as in the paper: `V` (A, d), `W_e`, `W_alpha`, `W_beta` (d, D). Parameters that the settings do
    not use do not exist. `V` is a buffer if semantics are not trained.
    """

    class_attributes: Tensor
    V: Tensor

    def __init__(
        self, settings: ModelSettings, semantics: Tensor, class_attributes: Tensor, dimension: int, *seed: str | int
    ) -> None:
        """`semantics`: initial V, (A, d); `class_attributes`: z, (C, A); `dimension`: D; `seed`: stream of W_e."""
        super().__init__()
        self.settings = settings
        self.register_buffer("class_attributes", class_attributes)
        if settings.train_semantics:
            self.V = nn.Parameter(semantics.clone())
        else:
            self.register_buffer("V", semantics.clone())
        shape = (semantics.shape[1], dimension)
        generator = torch.Generator().manual_seed(stream(*seed, "W_e"))
        self.W_e = nn.Parameter(torch.randn(shape, generator=generator, dtype=semantics.dtype))
        # Zeros: alpha starts uniform, and every beta at 0.5 (sigmoid) or 1 (softmax).
        if settings.region_attention in REGION_SUMS:
            self.W_alpha = nn.Parameter(semantics.new_zeros(shape))
        if settings.attribute_attention in ATTRIBUTE_WEIGHTS:
            self.W_beta = nn.Parameter(semantics.new_zeros(shape))
        self.names = [name for name in ("W_alpha", "W_e", "W_beta") if hasattr(self, name)]

    def forward(self, regions: Tensor, peaks: bool = False) -> Output:
        """`regions`: (B, R, D). The large product runs in their dtype, the rest in the parameters' dtype."""
        result = evidence(self.settings, self._stack_of_one(), regions[None])
        peak = result.peak
        if peaks and result.alpha is not None:
            # `max` returns the same region as `argmax`, several times faster.
            peak = result.alpha.max(dim=1).indices.expand(-1, len(self.V))
        return Output(result.evidence @ self.class_attributes.T, peak if peaks else None)

    def maps(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """alpha_ar (B, A, R), the attention maps, and beta_a e_a (B, A), the evidence for each attribute."""
        result = evidence(self.settings, self._stack_of_one(), regions[None])
        attributes, count = len(self.V), regions.shape[1]
        if result.alpha is not None:
            return result.alpha.transpose(1, 2).expand(-1, attributes, -1), result.evidence
        if result.peak is not None:
            return functional.one_hot(result.peak, count).to(result.evidence), result.evidence
        return result.evidence.new_full((len(regions), attributes, count), 1 / count), result.evidence

    def _stack_of_one(self) -> Parameters:
        return {name: getattr(self, name)[None] for name in ("V", *self.names)}


@dataclass(frozen=True)
class Evidence:
    """The evidence for each attribute and the region attention it comes from; n images."""

    evidence: Tensor  # beta_a e_a, (n, A)
    alpha: Tensor | None  # (n, R, maps); None with `max` and `uniform`
    peak: Tensor | None  # (n, A) the region that `max` takes; None otherwise


def evidence(settings: ModelSettings, parameters: Parameters, regions: Tensor) -> Evidence:
    """The evidence of S models side by side, each for its own `regions` (S, B, R, D); n = S B rows, model by model."""
    attention = settings.region_attention
    if attention == "uniform":
        # alpha = 1/R for every attribute: averaging the regions first is equal and R times cheaper.
        regions = regions.mean(dim=2, keepdim=True)
    products, sizes = _products(settings, parameters, regions)
    alpha = peak = None
    if attention in REGION_SUMS:
        alpha, values, *gate = REGION_SUMS[attention](products, sizes)
    else:
        per_weight = torch.split(products, sizes, dim=2)
        if attention == "max":
            peak = per_weight[0].max(dim=1).indices
            per_weight = torch.stack([values.gather(1, peak[:, None]) for values in per_weight], dim=2).unbind(2)
        values, *gate = (values[:, 0] for values in per_weight)
    if gate:
        values = ATTRIBUTE_WEIGHTS[settings.attribute_attention](*gate) * values
    return Evidence(values, alpha, peak)


def _products(settings: ModelSettings, parameters: Parameters, regions: Tensor) -> tuple[Tensor, list[int]]:
    """v_a' W f_r for each W in use, concatenated to (S B, R, sum of sizes), and the sizes: A, or 1 for a shared map."""
    V, *weights = parameters.values()
    if settings.renormalise_semantics:
        V = functional.normalize(V, dim=2)
    vectors = [V] * len(weights)
    if settings.region_attention == "shared":
        vectors[0] = V.mean(dim=1, keepdim=True)
    models, batch, count, _ = regions.shape
    rows = regions.flatten(1, 2)
    if _attributes_first(rows, V):
        products = product(rows, stacked_rows(vectors, weights, regions.dtype))
    else:
        mapped = product(rows, torch.cat(weights, dim=1).to(regions.dtype))
        mapped = mapped.view(models, batch * count, len(weights), -1)
        single_map = vectors[0] is not V
        per_attribute = mapped[:, :, 1:] if single_map else mapped
        products = torch.bmm(per_attribute.flatten(1, 2), V.to(mapped.dtype).mT).view(models, batch * count, -1)
        if single_map:
            # Not a matrix product: with a single vector its bits would depend on the number of models.
            map_logits = (mapped[:, :, 0].to(V.dtype) * vectors[0]).sum(dim=2, keepdim=True)
            products = torch.cat([map_logits, products.to(V.dtype)], dim=2)
    return products.view(models * batch, count, -1).to(V.dtype), [vector.shape[1] for vector in vectors]


def _attributes_first(rows: Tensor, V: Tensor) -> bool:
    """Whether (V W) f is cheaper than V (W f) in a training step; with A > d (DeepFashion) it is not.

    Compares the multiplications of one forward and one backward pass, per W in use.
    """
    (_, attributes, d), (_, count, dimension) = V.shape, rows.shape
    attributes_first = attributes * dimension * (2 * count + 3 * d)
    weights_first = count * d * (2 * dimension + 3 * attributes)
    return ATTRIBUTES_FIRST_FACTOR * attributes_first <= weights_first
