"""Reference form of the model and its loss: the paper's formulas as einsum, to test and time the fast form against.

Symbols are the paper's: b image, r region, f channel of D, a attribute, v dimension of d, c class. One line is one
formula. The fast form (`dazle/method/model.py`) shares only the settings and the names of parameters.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, einsum

from dazle.config import LossSettings, ModelSettings


def scores(parameters: Mapping[str, Tensor], Z: Tensor, F: Tensor, settings: ModelSettings) -> Tensor:
    """s (B, C) without margin, from F (B, R, D), Z (C, A) and the parameters V (A, d), W_* (d, D) in use."""
    V = parameters["V"]
    if settings.renormalise_semantics:
        V = V / V.norm(dim=1, keepdim=True)
    alpha = region_attention(parameters, V, F, settings.region_attention)
    h = einsum("bar,brf->baf", alpha, F)
    e = einsum("av,vf,baf->ba", V, parameters["W_e"], h)
    return einsum("ca,ba,ba->bc", Z, attribute_attention(parameters, V, h, settings.attribute_attention), e)


def region_attention(parameters: Mapping[str, Tensor], V: Tensor, F: Tensor, choice: str) -> Tensor:
    """alpha (B, A, R): the weight of region r for attribute a; sums to 1 over r."""
    (B, R, _), A = F.shape, len(V)
    if choice == "uniform":
        return F.new_full((B, A, R), 1 / R)
    if choice == "max":
        e = einsum("av,vf,brf->bar", V, parameters["W_e"], F)
        return torch.nn.functional.one_hot(e.argmax(dim=2), R).to(F)
    if choice == "shared":
        one_map = torch.softmax(einsum("v,vf,brf->br", V.mean(dim=0), parameters["W_alpha"], F), dim=1)
        return one_map[:, None, :].expand(B, A, R)
    logits = einsum("av,vf,brf->bar", V, parameters["W_alpha"], F)
    return torch.softmax(logits, dim=2) if choice == "dense" else sparsemax(logits)


def sparsemax(logits: Tensor) -> Tensor:
    """Weights max(0, z_r - tau) that sum to 1; tau = max over k of (sum of the k largest z - 1) / k."""
    best = logits.sort(dim=2, descending=True).values
    taus = [(best[..., :k].sum(dim=2, keepdim=True) - 1) / k for k in range(1, logits.shape[2] + 1)]
    return (logits - torch.cat(taus, dim=2).max(dim=2, keepdim=True).values).clamp(min=0)


def attribute_attention(parameters: Mapping[str, Tensor], V: Tensor, h: Tensor, choice: str) -> Tensor:
    """beta (B, A): the weight of attribute a in image b."""
    if choice == "none":
        return h.new_ones(h.shape[:2])
    logits = einsum("av,vf,baf->ba", V, parameters["W_beta"], h)
    return torch.sigmoid(logits) if choice == "sigmoid" else len(V) * torch.softmax(logits, dim=1)


def loss(s: Tensor, y: Tensor, seen: Tensor, settings: LossSettings) -> Tensor:
    """L_class + lambda L_cal; s (B, C) without margin, y (B,), seen (C,) bool."""
    margined = s + settings.train_margin * (1 - 2 * seen.to(s))
    classes = torch.ones_like(seen) if settings.ce_classes == "all" else seen
    rows = torch.arange(len(y))
    if settings.class_loss == "cross-entropy":
        total = s[:, classes].exp().sum(dim=1)
        class_loss = -torch.log(s[rows, y].exp() / total).mean()
    else:
        class_loss = torch.relu(1 - margined[rows, y][:, None] + margined[:, classes]).mean()
    if settings.lambda_ == 0:
        return class_loss
    unseen = torch.softmax(margined, dim=1)[:, ~seen].sum(dim=1)
    calibration = -unseen.mean().log() if settings.self_calibration == "log-mean" else -unseen.log().mean()
    return class_loss + settings.lambda_ * calibration
