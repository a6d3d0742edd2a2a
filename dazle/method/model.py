"""The model in its fast form: one product with the regions, attribute features never built.

Because h_a = sum_r alpha_ar f_r enters only linearly, the logits of both attentions and the attribute scores all come
from ONE product of the regions with the stacked matrix [V W_alpha; V W_e; V W_beta] (3A x D).
`dazle/method/reference.py` is the same model as the paper writes it; tests hold the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dazle.config import ModelSettings
from dazle.method.attention import ATTRIBUTE_WEIGHTS, REGION_SUMS
from dazle.method.stacked import product, stacked_rows
from dazle.streams import stream

# V (W f) writes and reads one more array as long as the regions: where the two cost the same (CUB), it is 11 % slower.
WORTH_IT = 0.9

# V (S, A, d) and W_* (S, d, D) by name, in the order V, W_alpha, W_e, W_beta, of S models side by side.
Parameters = Mapping[str, Tensor]


@dataclass(frozen=True)
class Output:
    """scores: (B, C), without any margin; peaks: (B, A) index of the region each attribute looks at most, or None."""

    scores: Tensor
    peaks: Tensor | None


class Model(nn.Module):
    """s_c = sum_a z_ca beta_a e_a for every class of one label space.

    Parameters are named as in the paper: `V` (A, d), `W_e`, `W_alpha`, `W_beta` (d, D); those that a choice does not
    use do not exist. `V` is a buffer when semantics are fixed.
    """

    class_attributes: Tensor
    V: Tensor

    def __init__(
        self, settings: ModelSettings, semantics: Tensor, class_attributes: Tensor, dimension: int, *seed: str | int
    ) -> None:
        """`semantics`: (A, d); `class_attributes`: z, (C, A); `dimension`: D; `seed`: names the stream of W_e."""
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
        # Zero: attention starts uniform and every beta at one half (sigmoid) or one (softmax).
        if settings.region_attention in REGION_SUMS:
            self.W_alpha = nn.Parameter(semantics.new_zeros(shape))
        if settings.attribute_attention in ATTRIBUTE_WEIGHTS:
            self.W_beta = nn.Parameter(semantics.new_zeros(shape))
        self.names = [name for name in ("W_alpha", "W_e", "W_beta") if hasattr(self, name)]

    def forward(self, regions: Tensor, peaks: bool = False) -> Output:
        """`regions`: (B, R, D); the large product runs in their dtype, everything after it in the parameters' dtype."""
        found = evidence(self.settings, self._alone(), regions[None])
        peak = found.peak
        if peaks and found.alpha is not None:
            # `max` names the same region as `argmax`, and finds it several times faster.
            peak = found.alpha.max(dim=1).indices.expand(-1, len(self.V))
        return Output(found.evidence @ self.class_attributes.T, peak if peaks else None)

    def maps(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """alpha_ar (B, A, R), where each attribute looks, and beta_a e_a (B, A), what it adds to s_c for each z_ca."""
        found = evidence(self.settings, self._alone(), regions[None])
        attributes, count = len(self.V), regions.shape[1]
        if found.alpha is not None:
            return found.alpha.transpose(1, 2).expand(-1, attributes, -1), found.evidence
        if found.peak is not None:
            return functional.one_hot(found.peak, count).to(found.evidence), found.evidence
        return found.evidence.new_full((len(regions), attributes, count), 1 / count), found.evidence

    def _alone(self) -> Parameters:
        return {name: getattr(self, name)[None] for name in ("V", *self.names)}


@dataclass(frozen=True)
class Evidence:
    """beta_a e_a (n, A), and what weighed regions: alpha (n, R, maps), the one region taken (n, A), or neither."""

    evidence: Tensor
    alpha: Tensor | None
    peak: Tensor | None


def evidence(settings: ModelSettings, parameters: Parameters, regions: Tensor) -> Evidence:
    """Of S models side by side, each with `regions` (S, B, R, D) of its own; n = S B rows, model by model."""
    attention = settings.region_attention
    if attention == "uniform":
        # alpha = 1/R for every attribute: averaging the regions first is the same and R times cheaper.
        regions = regions.mean(dim=2, keepdim=True)
    products, sizes = _products(settings, parameters, regions)
    alpha = peak = None
    if attention in REGION_SUMS:
        alpha, values, *gate = REGION_SUMS[attention](products, sizes)
    else:
        of_weights = torch.split(products, sizes, dim=2)
        if attention == "max":
            peak = of_weights[0].max(dim=1).indices
            of_weights = torch.stack([each.gather(1, peak[:, None]) for each in of_weights], dim=2).unbind(2)
        values, *gate = (each[:, 0] for each in of_weights)
    if gate:
        values = ATTRIBUTE_WEIGHTS[settings.attribute_attention](*gate) * values
    return Evidence(values, alpha, peak)


def _products(settings: ModelSettings, parameters: Parameters, regions: Tensor) -> tuple[Tensor, list[int]]:
    """v_a' W f_r for each W in use, side by side (S B, R, sum of sizes), and the sizes: A, or 1 for a shared map."""
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
        shared = vectors[0] is not V
        products = torch.bmm(mapped[:, :, shared:].flatten(1, 2), V.to(mapped.dtype).mT).view(models, batch * count, -1)
        if shared:
            # A product with a single vector takes other ways, and other bits, for one model and for several.
            one_map = (mapped[:, :, 0].to(V.dtype) * vectors[0]).sum(dim=2, keepdim=True)
            products = torch.cat([one_map, products.to(V.dtype)], dim=2)
    return products.view(models * batch, count, -1).to(V.dtype), [each.shape[1] for each in vectors]


def _attributes_first(rows: Tensor, V: Tensor) -> bool:
    """Whether a training step with (V W) f is cheaper than with V (W f); with A > d (DeepFashion) it is not.

    Counted are the multiplications of a forward and a backward pass, for each W in use.
    """
    (_, attributes, d), (_, count, dimension) = V.shape, rows.shape
    attributes_first = attributes * dimension * (2 * count + 3 * d)
    weights_first = count * d * (2 * dimension + 3 * attributes)
    return WORTH_IT * attributes_first <= weights_first
