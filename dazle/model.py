"""The model in its fast form: one product with the regions, attribute features never built.

Because h_a = sum_r alpha_ar f_r enters only linearly, the logits of both attentions and the attribute scores all come
from ONE product of the regions with the stacked matrix [V W_alpha; V W_e; V W_beta] (3A x D). `dazle/reference.py` is
the same model as the paper writes it; tests hold the two together.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dazle.attention import ATTRIBUTE_WEIGHTS, REGION_WEIGHTS
from dazle.config import ModelSettings
from dazle.streams import stream


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
        if settings.region_attention in REGION_WEIGHTS:
            self.W_alpha = nn.Parameter(semantics.new_zeros(shape))
        if settings.attribute_attention in ATTRIBUTE_WEIGHTS:
            self.W_beta = nn.Parameter(semantics.new_zeros(shape))

    def forward(self, regions: Tensor, peaks: bool = False) -> Output:
        """`regions`: (B, R, D); the large product runs in their dtype, everything after it in the parameters' dtype."""
        uniform = self.settings.region_attention == "uniform"
        if uniform:
            # alpha = 1/R for every attribute: averaging the regions first is the same and R times cheaper.
            regions = regions.mean(dim=1, keepdim=True)
        products = self._products(regions)
        scores_at = products["W_e"]
        if uniform:
            e, gate, peak = scores_at[:, 0], self._single(products, "W_beta"), None
        elif self.settings.region_attention == "max":
            e, best = scores_at.max(dim=1)
            gate = products["W_beta"].gather(1, best[:, None])[:, 0] if "W_beta" in products else None
            peak = best
        else:
            alpha = REGION_WEIGHTS[self.settings.region_attention](products["W_alpha"])
            e = (alpha * scores_at).sum(dim=1)
            gate = (alpha * products["W_beta"]).sum(dim=1) if "W_beta" in products else None
            peak = alpha.argmax(dim=1).expand(e.shape) if peaks else None
        if gate is not None:
            e = ATTRIBUTE_WEIGHTS[self.settings.attribute_attention](gate) * e
        return Output(e @ self.class_attributes.T, peak if peaks else None)

    @staticmethod
    def _single(products: dict[str, Tensor], name: str) -> Tensor | None:
        return products[name][:, 0] if name in products else None

    def _products(self, regions: Tensor) -> dict[str, Tensor]:
        """v_a' W f_r for each W in use: name -> (B, R, A), or (B, R, 1) for the one map of `shared`."""
        V = functional.normalize(self.V, dim=1) if self.settings.renormalise_semantics else self.V
        blocks = {name: V for name in ("W_alpha", "W_e", "W_beta") if hasattr(self, name)}
        if self.settings.region_attention == "shared":
            blocks["W_alpha"] = V.mean(dim=0, keepdim=True)
        weights = [getattr(self, name) for name in blocks]
        if self._attributes_first(regions, V):
            stacked = torch.cat([block @ W for block, W in zip(blocks.values(), weights, strict=True)])
            product = functional.linear(regions, stacked.to(regions.dtype)).to(V.dtype)
            parts = torch.split(product, [block.shape[0] for block in blocks.values()], dim=2)
            return dict(zip(blocks, parts, strict=True))
        product = functional.linear(regions, torch.cat(weights).to(regions.dtype))
        parts = torch.split(product, V.shape[1], dim=2)
        return {
            name: functional.linear(part, block.to(part.dtype)).to(V.dtype)
            for (name, block), part in zip(blocks.items(), parts, strict=True)
        }

    @staticmethod
    def _attributes_first(regions: Tensor, V: Tensor) -> bool:
        """Whether (V W) f costs fewer multiplications than V (W f); with A > d (DeepFashion) it does not."""
        (attributes, d), rows, dimension = V.shape, regions.shape[0] * regions.shape[1], regions.shape[2]
        return attributes * dimension * (d + rows) <= rows * d * (dimension + attributes)
