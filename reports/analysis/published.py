"""Published numbers of the paper and of other methods, with source and verification, read from published.toml.

The rule a caller must know: show them only beside results on real features with the published counts.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("published.toml")
PRESETS = ("cub", "sun", "awa2", "deepfashion")
# The fields of a source that all its rows share.
SOURCE_FIELDS = ("kind", "source", "protocol", "verified")


@dataclass(frozen=True)
class Published:
    """One published row, percent; None if the source has no such number."""

    variant: str
    preset: str
    kind: str
    source: str
    protocol: str
    verified: bool
    S: float | None = None
    U: float | None = None
    H: float | None = None
    T1: float | None = None

    @property
    def text(self) -> str:
        """`59.6/56.7/58.1` (S/U/H), `T1 66.0 (unverified)`, or both."""
        harmonic = f"{self.S:.1f}/{self.U:.1f}/{self.H:.1f}" if self.H is not None else None
        zero_shot = f"T1 {self.T1:.1f}" if self.T1 is not None else None
        return ", ".join(filter(None, (harmonic, zero_shot))) + ("" if self.verified else " (unverified)")


def published(variant: str, preset: str) -> Published | None:
    """The row of the paper's ablation table (S, U, H). None if the paper has no such row."""
    rows = [row for row in _rows() if (row.variant, row.preset, row.kind) == (variant, preset, "table")]
    return rows[0] if rows else None


def also_published(variant: str, preset: str) -> tuple[Published, ...]:
    """Other published numbers of this row: T1 of the full model, the best epochs of the released notebooks."""
    return tuple(row for row in _rows() if (row.variant, row.preset) == (variant, preset) and row.kind != "table")


@dataclass(frozen=True)
class PublishedMethod:
    """Another method's published numbers: preset -> metric -> percent."""

    name: str
    features: str
    source: str
    protocol: str
    verified: bool
    numbers: Mapping[str, Mapping[str, float]]


@cache
def published_methods() -> tuple[PublishedMethod, ...]:
    """Other methods on the same splits, in the order of the file."""
    return tuple(
        PublishedMethod(
            **{name: method[name] for name in ("name", "features", "source", "protocol", "verified")},
            numbers={preset: method[preset] for preset in PRESETS if preset in method},
        )
        for method in tomllib.loads(FILE.read_text(encoding="utf-8"))["method"]
    )


@cache
def _rows() -> tuple[Published, ...]:
    sources = tomllib.loads(FILE.read_text(encoding="utf-8"))["source"]
    return tuple(
        Published(variant, preset, **{name: source[name] for name in SOURCE_FIELDS}, **row)
        for source in sources
        for preset in PRESETS
        for variant, row in source.get(preset, {}).items()
    )
