"""The factorial experiment: what both attentions, self-calibration and the margin at test time do to H together.

24 rows: three switches, each on and off, times three margins at test time. An effect is one number for each seed, a sum
of the H of the rows with weights that depend on their levels alone:

- the effect of a switch is H with the switch on minus H with it off;
- an interaction of two factors is the effect of the first where the second is on, minus its effect where the second is
  off; that of three is the difference between two such differences, and so on. The levels of all other factors have
  equal weights.

The rule a caller must know: the level of a factor in a row is read from the settings that the row changes, never from
its name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, product
from math import prod

import pandas as pd

from reports.analysis.results import DatasetResults
from reports.analysis.statistics import PairedDifference, holm, t_tests

# The levels of each factor; the higher of a contrast comes later.
FACTORS = {
    "region attention": ("uniform", "dense"),
    "attribute attention": ("none", "sigmoid"),
    "self-calibration": ("off", "on"),
    "margin": ("0", "1", "validated"),
}
ROWS = 24
Levels = tuple[str, ...]  # in the order of FACTORS
FULL_LEVELS: Levels = ("dense", "sigmoid", "on", "1")

# The settings of the full model that the factors change, as a row's `change` prints them.
FULL_SETTINGS = {
    "model.region_attention": "dense",
    "model.attribute_attention": "sigmoid",
    "loss.ce_classes": "all",
    "loss.lambda": "0.1",
    "loss.train_margin": "1",
    "loss.test_margin": "1",
}
SELF_CALIBRATION: dict[tuple[str, ...], str] = {("all", "0.1", "1"): "on", ("seen", "0", "0"): "off"}


@dataclass(frozen=True)
class Contrast:
    """The level `high` of a factor minus its level `low`."""

    factor: str
    low: str
    high: str

    @property
    def name(self) -> str:
        """The factor; of the margin its two levels too, since it has three."""
        return self.factor if len(FACTORS[self.factor]) == 2 else f"{self.factor} {self.high} vs {self.low}"


CONTRASTS = tuple(Contrast(factor, low, high) for factor, levels in FACTORS.items() for low, high in pairwise(levels))


@dataclass(frozen=True)
class Effect:
    """An interaction, or the effect of one switch at the full model; `p` is adjusted for all effects of the dataset.

    `incomplete`: the rows it needs that lack the H of a seed; it then has no value.
    """

    contrasts: tuple[Contrast, ...]
    difference: PairedDifference
    p: float | None = None
    incomplete: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return " × ".join(contrast.name for contrast in self.contrasts)


def row_levels(change: str) -> Levels | None:
    """The levels of a row, from its `change`; None if it changes another setting, or has another value of one."""
    changes = dict(text.split(" = ", 1) for text in change.split("; ") if " = " in text)
    if changes.keys() - FULL_SETTINGS.keys():
        return None
    region, attribute, *calibration, margin = (FULL_SETTINGS | changes).values()
    levels = (region, attribute, SELF_CALIBRATION.get(tuple(calibration), ""), margin)
    in_design = all(level in allowed for level, allowed in zip(levels, FACTORS.values(), strict=True))
    return levels if in_design else None


def factorial_rows(results: DatasetResults) -> dict[Levels, str] | None:
    """The row of each combination of levels; None unless all 24 are there."""
    rows = {row_levels(results.change(variant)): variant for variant in results.variants}
    by_levels = {levels: variant for levels, variant in rows.items() if levels is not None}
    return by_levels if len(by_levels) == ROWS else None


def factorial_effects(results: DatasetResults, protocol: str) -> list[Effect]:
    """All interactions, those of most factors first, then the effect of each switch at the full model.

    Paired t intervals over seeds; p values with Holm over all effects. Empty unless all 24 rows are there.
    """
    rows = factorial_rows(results)
    if rows is None:
        return []
    values = {levels: results.values(variant, "H", protocol) for levels, variant in rows.items()}
    h = pd.DataFrame({rows[levels]: series for levels, series in values.items()})
    effects = [
        _effect(contrasts, {rows[levels]: weight for levels, weight in effect_weights(contrasts, at).items()}, h)
        for contrasts, at in planned_effects()
    ]
    p_values = holm([effect.difference.p for effect in effects])
    return [replace(effect, p=p) for effect, p in zip(effects, p_values, strict=True)]


def planned_effects() -> Iterator[tuple[tuple[Contrast, ...], Levels | None]]:
    """The contrasts of each effect, and the levels of the other factors; None: all their levels, equally weighted."""
    for size in range(len(FACTORS), 1, -1):
        for contrasts in combinations(CONTRASTS, size):
            if len({contrast.factor for contrast in contrasts}) == size:
                yield contrasts, None
    for contrast in CONTRASTS:
        yield (contrast,), FULL_LEVELS


def effect_weights(contrasts: Sequence[Contrast], at: Levels | None = None) -> dict[Levels, float]:
    """The weight of each row in an effect, without the rows of weight 0; `at`: the levels of the other factors."""
    level_weights: list[Mapping[str, float]] = []
    for index, (factor, levels) in enumerate(FACTORS.items()):
        own = [contrast for contrast in contrasts if contrast.factor == factor]
        if own:
            level_weights.append({own[0].low: -1.0, own[0].high: 1.0})
        else:
            others = levels if at is None else (at[index],)
            level_weights.append({level: 1 / len(others) for level in others})
    weights = {}
    for combination in product(*(item.items() for item in level_weights)):
        weights[tuple(level for level, _ in combination)] = prod(weight for _, weight in combination)
    return weights


def _effect(contrasts: tuple[Contrast, ...], weights: Mapping[str, float], h: pd.DataFrame) -> Effect:
    """h: a column of H for each row, indexed by seed; weights: by row."""
    needed = h[list(weights)]
    incomplete = tuple(str(row) for row in needed.columns[needed.isna().any()])
    if incomplete:
        return Effect(contrasts, PairedDifference(None, None, None, 0, None), incomplete=incomplete)
    (difference,) = t_tests([(needed * pd.Series(weights)).sum(axis=1).to_numpy(dtype=float)])
    return Effect(contrasts, difference)
