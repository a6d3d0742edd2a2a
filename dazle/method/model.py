"""The DAZLE model in its fast form: class scores from one matrix product with the regions.

All logits and attribute scores are linear in the regions f_r or in the attribute features h_a = sum_r alpha_ar f_r. So
they come from ONE product of the regions with the stacked matrix [V W_alpha; V W_e; V W_beta] (3A x D); h_a is never
computed. Tests compare the model with the paper's formulas (`dazle/method/reference.py`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dazle.config import ModelSettings
from dazle.method.attention import ATTRIBUTE_WEIGHTS, REGION_WEIGHTS
from dazle.streams import stream

# V (W f) writes and reads one more array per region: on CUB, with equal operation counts, it is 11 % slower.
ATTRIBUTES_FIRST_FACTOR = 0.9


@dataclass(frozen=True)
class Output:
    """Scores and what they are made of.

    scores: (B, C), without any margin; evidence: beta_a e_a (B, A); alpha: (B, R, maps), the weights of the regions, or
    None; peak: (B, A), the one region that `max` takes, or None.
    """

    scores: Tensor
    evidence: Tensor
    alpha: Tensor | None
    peak: Tensor | None

    def peaks(self) -> Tensor | None:
        """(B, A) index of the region each attribute looks at most; None for uniform attention."""
        if self.alpha is None:
            return self.peak
        # `max` returns the same region as `argmax`, several times faster.
        return self.alpha.max(dim=1).indices.expand(-1, self.evidence.shape[1])


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
        if settings.region_attention in REGION_WEIGHTS:
            self.W_alpha = nn.Parameter(semantics.new_zeros(shape))
        if settings.attribute_attention in ATTRIBUTE_WEIGHTS:
            self.W_beta = nn.Parameter(semantics.new_zeros(shape))
        self.names = [name for name in ("W_alpha", "W_e", "W_beta") if hasattr(self, name)]

    def forward(self, regions: Tensor) -> Output:
        """`regions`: (B, R, D). The large product runs in their dtype, the rest in the parameters' dtype."""
        attention = self.settings.region_attention
        if attention == "uniform":
            # alpha = 1/R for every attribute: averaging the regions first is the same and R times cheaper.
            regions = regions.mean(dim=1, keepdim=True)
        products = self._products(regions)
        alpha = peak = None
        if attention == "max":
            peak = products[0].max(dim=1).indices
            sums = [product.gather(1, peak[:, None])[:, 0] for product in products]
        elif attention == "uniform":
            sums = [product[:, 0] for product in products]
        else:
            alpha = REGION_WEIGHTS[attention](products[0])
            sums = [(alpha * product).sum(dim=1) for product in products[1:]]
        evidence, *logits = sums
        if logits:
            evidence = ATTRIBUTE_WEIGHTS[self.settings.attribute_attention](*logits) * evidence
        return Output(evidence @ self.class_attributes.T, evidence, alpha, peak)

    def maps(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """alpha_ar (B, A, R), where each attribute looks, and beta_a e_a (B, A), what it adds to s_c for each z_ca."""
        output = self(regions)
        (batch, count), attributes = regions.shape[:2], len(self.V)
        if output.alpha is not None:
            return output.alpha.transpose(1, 2).expand(-1, attributes, -1), output.evidence
        if output.peak is not None:
            return functional.one_hot(output.peak, count).to(output.evidence), output.evidence
        return output.evidence.new_full((batch, attributes, count), 1 / count), output.evidence

    def _products(self, regions: Tensor) -> tuple[Tensor, ...]:
        """v_a' W f_r (B, R, A) for each W in use; for a shared map the first is (B, R, 1)."""
        V, dtype = self.V, regions.dtype
        if self.settings.renormalise_semantics:
            V = functional.normalize(V, dim=1)
        weights = [getattr(self, name) for name in self.names]
        vectors = [V] * len(weights)
        if self.settings.region_attention == "shared":
            vectors[0] = V.mean(dim=0, keepdim=True)
        batch, count, _ = regions.shape
        rows = regions.flatten(0, 1)
        if self._attributes_first(rows):
            pairs = zip(vectors, weights, strict=True)
            products = rows @ torch.cat([v.to(dtype) @ W.to(dtype) for v, W in pairs]).T
        else:
            mapped = torch.split(rows @ torch.cat(weights).to(dtype).T, [len(W) for W in weights], dim=1)
            products = torch.cat([W_f @ v.to(dtype).T for W_f, v in zip(mapped, vectors, strict=True)], dim=1)
        sizes = [len(v) for v in vectors]
        return torch.split(products.view(batch, count, -1).to(V.dtype), sizes, dim=2)

    def _attributes_first(self, rows: Tensor) -> bool:
        """Whether a training step with (V W) f is cheaper than with V (W f); with A > d (DeepFashion) it is not.

        Counted are the multiplications of a forward and a backward pass, for each W in use.
        """
        (attributes, d), (count, dimension) = self.V.shape, rows.shape
        attributes_first = attributes * dimension * (2 * count + 3 * d)
        weights_first = count * d * (2 * dimension + 3 * attributes)
        return ATTRIBUTES_FIRST_FACTOR * attributes_first <= weights_first
