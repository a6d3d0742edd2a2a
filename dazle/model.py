"""The model in its fast form: one product with the regions, attribute features never built.

Because h_a = sum_r alpha_ar f_r enters only linearly, the logits of both attentions and the attribute scores all come
from ONE product of the regions with the stacked matrix [V W_alpha; V W_e; V W_beta] (3A x D). `dazle/reference.py` is
the same model as the paper writes it; tests hold the two together.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dazle.attention import ATTRIBUTE_WEIGHTS, REGION_SUMS
from dazle.config import ModelSettings
from dazle.stacked import product_with_stacked
from dazle.streams import stream

# V (W f) writes and reads one more array as long as the regions: where the two cost the same (CUB), it is 11 % slower.
WORTH_IT = 0.9


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
        evidence, alpha, peak = self._evidence(regions)
        if peaks and alpha is not None:
            # `max` names the same region as `argmax`, and finds it several times faster.
            peak = alpha.max(dim=1).indices.expand(-1, len(self.V))
        return Output(evidence @ self.class_attributes.T, peak if peaks else None)

    def maps(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """alpha_ar (B, A, R), where each attribute looks, and beta_a e_a (B, A), what it adds to s_c for each z_ca."""
        evidence, alpha, peak = self._evidence(regions)
        attributes, count = len(self.V), regions.shape[1]
        if alpha is not None:
            return alpha.transpose(1, 2).expand(-1, attributes, -1), evidence
        if peak is not None:
            return functional.one_hot(peak, count).to(evidence), evidence
        return evidence.new_full((len(regions), attributes, count), 1 / count), evidence

    def _evidence(self, regions: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """beta_a e_a (B, A), and what weighed regions: alpha (B, R, maps), the one region taken (B, A), or neither."""
        attention = self.settings.region_attention
        if attention == "uniform":
            # alpha = 1/R for every attribute: averaging the regions first is the same and R times cheaper.
            regions = regions.mean(dim=1, keepdim=True)
        products, sizes = self._products(regions)
        alpha = peak = None
        if attention in REGION_SUMS:
            alpha, evidence, *gate = REGION_SUMS[attention](products, sizes)
        else:
            values = torch.split(products, sizes, dim=2)
            if attention == "max":
                peak = values[0].max(dim=1).indices
                values = torch.stack([each.gather(1, peak[:, None]) for each in values], dim=2).unbind(2)
            evidence, *gate = (each[:, 0] for each in values)
        if gate:
            evidence = ATTRIBUTE_WEIGHTS[self.settings.attribute_attention](*gate) * evidence
        return evidence, alpha, peak

    def _products(self, regions: Tensor) -> tuple[Tensor, list[int]]:
        """v_a' W f_r for each W in use, side by side (B, R, sum of sizes), and the sizes: A, or 1 for a shared map."""
        V = functional.normalize(self.V, dim=1) if self.settings.renormalise_semantics else self.V
        weights = [getattr(self, name) for name in self.names]
        vectors = [V] * len(weights)
        if self.settings.region_attention == "shared":
            vectors[0] = V.mean(dim=0, keepdim=True)
        if self._attributes_first(regions, V):
            products = product_with_stacked(regions, vectors, weights)
        else:
            mapped = functional.linear(regions, torch.cat(weights).to(regions.dtype))
            mapped = mapped.view(*regions.shape[:2], len(weights), -1)
            shared = vectors[0] is not V
            # Without gradients, bf16 multiplies a view by a copy of V for every region.
            products = functional.linear(mapped[:, :, shared:].contiguous(), V.to(mapped.dtype)).flatten(2)
            if shared:
                one_map = functional.linear(mapped[:, :, 0], vectors[0].to(mapped.dtype))
                products = torch.cat([one_map, products], dim=2)
        return products.to(V.dtype), [len(each) for each in vectors]

    @staticmethod
    def _attributes_first(regions: Tensor, V: Tensor) -> bool:
        """Whether a training step with (V W) f is cheaper than with V (W f); with A > d (DeepFashion) it is not.

        Counted are the multiplications of a forward and a backward pass, for each W in use.
        """
        (attributes, d), rows, dimension = V.shape, regions.shape[0] * regions.shape[1], regions.shape[2]
        attributes_first = attributes * dimension * (2 * rows + 3 * d)
        weights_first = rows * d * (2 * dimension + 3 * attributes)
        return WORTH_IT * attributes_first <= weights_first
