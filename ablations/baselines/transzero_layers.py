"""The layers of TransZero: attention, the encoder with the geometry of regions, and the decoder.

Single-head attention `softmax(q k' / sqrt(m)) v W_o + b_o` with q = x W_q + b_q. There are more queries than keys, so
W_q and W_o are multiplied with the keys and the values, which is the same and cheaper:

    q k' = x (k W_q')' + k b_q,    (alpha v) W_o = alpha (v W_o)
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

# Of the encoder's attention weights: the released code leaves it at the default of its class.
ENCODER_ATTENTION_DROPOUT = 0.1
FREQUENCIES = 8
GEOMETRY = 4 * 2 * FREQUENCIES


def linear(layer: nn.Linear, rows: Tensor, dtype: torch.dtype) -> Tensor:
    """`layer` of rows (.., n): the product in `dtype`, the result in the parameters' dtype."""
    return (rows.to(dtype) @ layer.weight.to(dtype).T).to(layer.weight.dtype) + layer.bias


def product(left: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    """The matrix product in `dtype`, the result in the dtype of `left`."""
    return (left.to(dtype) @ right.to(dtype)).to(left.dtype)


def geometry(grid: tuple[int, int]) -> Tensor:
    """(R, R, 64) float64: sines and cosines of the relative places of regions, row by row of the grid.

    As in the released code: along each side a region reaches from i / n to (i + 1) / n and counts as 1 + 1/n long; the
    four numbers of a pair are the logarithms of its distances in that unit (at least 1e-3) and of the ratios of the
    sizes, which are 0 on a grid; times 100 / 1000^(k/8), k = 0 .. 7.
    """
    places = torch.cartesian_prod(*(torch.arange(side, dtype=torch.float64) for side in grid)).reshape(-1, 2)
    sides = torch.tensor(grid, dtype=torch.float64)
    distances = (places[:, None] - places).abs() / sides / (1 + 1 / sides)
    pairs = functional.pad(distances.clamp(min=1e-3).log(), (0, 2))
    frequencies = 100 / 1000 ** (torch.arange(FREQUENCIES, dtype=torch.float64) / FREQUENCIES)
    angles = (pairs[..., None] * frequencies).flatten(2)
    return torch.cat([angles.sin(), angles.cos()], dim=2)


class Dropout(nn.Dropout):
    """Torch's dropout; on a CPU from 16-bit random numbers, so that p is exact to 1e-5.

    Torch draws a 64-bit number for every element there: with it a training step on CUB takes 1.3 to 1.4 times as long.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0 or x.device.type != "cpu":
            return super().forward(x)
        numbers = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = numbers.view(torch.int16)[: x.numel()].view(x.shape) >= round(self.p * 2**16) - 2**15
        return x * (kept.to(x.dtype) / (1 - self.p))


class Attention(nn.Module):
    """Single-head attention with maps `query`, `key`, `value` and `out` (m, m).

    `key` has no bias, since it would add the same number to all logits of a query.
    """

    def __init__(self, m: int, dropout: float) -> None:
        """`dropout`: of the attention weights."""
        super().__init__()
        self.query, self.value, self.out = (nn.Linear(m, m) for _ in range(3))
        self.key = nn.Linear(m, m, bias=False)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Tensor, memory: Tensor, dtype: torch.dtype, penalty: Tensor | None = None, batch: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """(.., n, m) and the weights (.., n, k); x (.., n, m), memory (.., k, m), penalty (n, k) is subtracted.

        `batch`: if dropout is on, x (n, m) stands for that many images, each of which has a dropout of its own.
        """
        keys = product(memory, self.key.weight.T, dtype)
        mapped = product(keys, self.query.weight, dtype)
        logits = product(x, mapped.mT, dtype) + (keys @ self.query.bias)[..., None, :]
        logits = logits / math.sqrt(x.shape[-1])
        weights = (logits if penalty is None else logits - penalty).softmax(dim=-1)
        values = product(linear(self.value, memory, dtype), self.out.weight.T, dtype)
        drops = self.training and self.dropout.p > 0
        kept = self.dropout(weights.expand(batch, *weights.shape) if batch and drops else weights)
        return product(kept, values, dtype) + self.out.bias, weights


class FeedForward(nn.Module):
    """norm(x + W_2 relu(W_1 x)), with dropout of the hidden units and of the result."""

    def __init__(self, m: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(m, hidden), nn.Linear(hidden, m)
        self.norm, self.dropout = nn.LayerNorm(m), Dropout(dropout)

    def forward(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """`x`: (.., m)."""
        inner = self.dropout(linear(self.inner, x, dtype).relu())
        return self.norm(x + self.dropout(linear(self.outer, inner, dtype)))


class Encoder(nn.Module):
    """One layer: attention of the regions to each other, layer norm, layer norm around both, feed-forward."""

    geometry: Tensor

    def __init__(self, m: int, hidden: int, dropout: float, grid: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("geometry", geometry(grid).to(torch.get_default_dtype()), persistent=False)
        self.weigh_geometry = nn.Linear(GEOMETRY, 1)
        self.attention = Attention(m, min(dropout, ENCODER_ATTENTION_DROPOUT))
        for layer in (self.attention.query, self.attention.key, self.attention.value, self.attention.out):
            initialise(layer)
        self.norm, self.norm_around, self.dropout = nn.LayerNorm(m), nn.LayerNorm(m), Dropout(dropout)
        self.feed_forward = FeedForward(m, hidden, dropout)

    def forward(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """`x`: (B, R, m)."""
        penalty = self.weigh_geometry(self.geometry).squeeze(2).relu()
        attended, _ = self.attention(x, x, dtype, penalty)
        attended = self.norm(x + self.dropout(attended))
        return self.feed_forward(self.norm_around(x + self.dropout(attended)), dtype)


class Decoder(nn.Module):
    """One layer: attention of the attributes to each other (if wanted), attention to the regions, feed-forward."""

    def __init__(self, m: int, hidden: int, dropout: float, self_attention: bool) -> None:
        super().__init__()
        # Parameters without a use would count as parameters of the method.
        self.self_attention = _decoder_attention(m, dropout) if self_attention else None
        self.norm_self = nn.LayerNorm(m) if self_attention else None
        self.attention, self.norm = _decoder_attention(m, dropout), nn.LayerNorm(m)
        self.dropout = Dropout(dropout)
        self.feed_forward = FeedForward(m, hidden, dropout)

    def forward(self, attributes: Tensor, memory: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """(B, A, m) and attention to the regions (B, A, R); attributes (A, m), memory (B, R, m).

        Until dropout or the regions come in, the attributes are the same for all images and computed once.
        """
        if self.self_attention is not None and self.norm_self is not None:
            attended, _ = self.self_attention(attributes, attributes, dtype, batch=len(memory))
            attributes = self.norm_self(attributes + self.dropout(attended))
        attended, weights = self.attention(attributes, memory, dtype)
        return self.feed_forward(self.norm(attributes + self.dropout(attended)), dtype), weights


def _decoder_attention(m: int, dropout: float) -> Attention:
    """With the initial weights of `torch.nn.MultiheadAttention`, whose q, k and v are one (3m, m) matrix."""
    attention = Attention(m, dropout)
    for layer in (attention.query, attention.key, attention.value):
        initialise(layer, gain=math.sqrt(0.5))
    nn.init.zeros_(attention.out.bias)
    return attention


def initialise(layer: nn.Linear, gain: float = 1.0) -> None:
    """Xavier's uniform weights, and no bias."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
