"""Two runs side by side: differences paired by variant, dataset and seed, and what the two were told differently.

The rule a caller must know: pairs share the number of their seed. Only where base seed, class folds and features are
the same do they share splits and batches too; the second table says whether they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from reports.analysis.results import METRICS, DatasetResults
from reports.analysis.statistics import PairedDifference, holm, paired_difference, rank_note, summarise
from reports.table import Cell, Column, Row, Table, slug
from reports.tables import captions

NAMES = (Column("variant", kind="text"), Column("change", kind="text"))
MEANS = (Column("H", group="A"), Column("H", group="B"))
DIFFERENCES = tuple(Column(f"Δ{metric}", group="B - A", signed=True) for metric in METRICS)
TEST = (Column("p of ΔH", digits=3, bounded=True), Column("pairs", digits=0))
ABSENT = "(absent)"
# What makes the splits and batches of two cells with one seed the same.
PAIRED_BY = ("base_seed", "folds", "features", "validation")
# A cell's own names: what pairs it, and the hashes that follow from what is compared anyway.
NOT_COMPARED = ("identity", "dataset", "source", "seed")


def compare_runs(a: pd.DataFrame, b: pd.DataFrame, protocol: str = "honest") -> list[Table]:
    """A table of differences for each dataset that both have, and one of what differs between their cells.

    Raises ValueError for an unknown protocol, and where the two are not of one source.
    """
    first, second = ({results.name: results for results in DatasetResults.of(frame)} for frame in (a, b))
    both = [name for name in first if name in second]
    tables = [_dataset_table(first[name], second[name], protocol) for name in both]
    return [*tables, _settings_table(a, b)]


def _dataset_table(a: DatasetResults, b: DatasetResults, protocol: str) -> Table:
    if a.source != b.source:
        raise ValueError(f"{a.name} is {a.source} in one run and {b.source} in the other")
    used = (a.used(protocol), b.used(protocol))
    variants = [variant for variant in a.variants if variant in b.variants]
    paired = {variant: _paired(a, b, variant, used) for variant in variants}
    adjusted = holm([paired[variant]["H"].p for variant in variants])
    rows = [
        Row(variant, (*_means(a, b, variant, used), *_differences(paired[variant], p)))
        for variant, p in zip(variants, adjusted, strict=True)
    ]
    tested = [variant for variant in variants if paired[variant]["H"].p is not None]
    pairs = max((paired[variant]["H"].n for variant in tested), default=0)
    return Table(
        name=slug("compare", a.name),
        caption=(
            f"{captions.features(b)}; {captions.protocol(b, protocol)}. Over the seeds that both have: H with its "
            "sample standard deviation, and B minus A in percentage points, [ ] the 95 % interval of the paired t "
            "test; p after Holm over the rows."
        ),
        columns=(*NAMES, *MEANS, *DIFFERENCES, *TEST),
        rows=tuple(rows),
        notes=(*_notes(a, b, used), *filter(None, [rank_note(pairs, len(tested))])),
        constants={"dataset": a.name, "source": a.source, "protocol": used[1]},
    )


Used = tuple[str, str]


def _paired(a: DatasetResults, b: DatasetResults, variant: str, used: Used) -> dict[str, PairedDifference]:
    return {
        metric: paired_difference(b.values(variant, metric, used[1]), a.values(variant, metric, used[0]))
        for metric in METRICS
    }


def _means(a: DatasetResults, b: DatasetResults, variant: str, used: Used) -> Iterator[Cell]:
    yield Cell(text=variant)
    yield Cell(text=captions.change(b.change(variant)))
    h = pd.concat([a.values(variant, "H", used[0]), b.values(variant, "H", used[1])], axis=1).dropna()
    reasons = (captions.missing(a, variant, used[0]), captions.missing(b, variant, used[1]))
    for values, reason in zip((h.iloc[:, 0], h.iloc[:, 1]), reasons, strict=True):
        cell = captions.summary_cell(summarise(values))
        yield replace(cell, notes=(reason,)) if reason else cell


def _differences(paired: Mapping[str, PairedDifference], p: float | None) -> Iterator[Cell]:
    yield from (captions.difference_cell(paired[metric]) for metric in METRICS)
    yield Cell(p)
    yield Cell(paired["H"].n)


def _notes(a: DatasetResults, b: DatasetResults, used: Used) -> Iterator[str]:
    for name, here, there in (("A", a, b), ("B", b, a)):
        alone = [variant for variant in here.variants if variant not in there.variants]
        if alone:
            yield f"only in {name}: {', '.join(alone)}"
    if used[0] != used[1]:
        yield f"A is under the protocol {used[0]}, B under {used[1]}: the difference is also one of protocols"
    if a.about != b.about:
        yield f"A: {a.about}; B: {b.about}"


def _settings_table(a: pd.DataFrame, b: pd.DataFrame) -> Table:
    """What differs between cells of one variant, dataset and seed: a row for each thing and pair of values."""
    key = ["variant", "dataset", "seed"]
    pairs = a.merge(b, on=key, suffixes=("_a", "_b"))
    pairs = pairs[pairs["identity_a"].notna() & pairs["identity_b"].notna()]
    found: dict[tuple[str, str, str], list[str]] = {}
    for pair in pairs.to_dict("records"):
        told = ({**_flat(pair[f"identity_{x}"]), **_flat(pair[f"environment_{x}"], "environment.")} for x in "ab")
        for difference in _differing(*told):
            found.setdefault(difference, []).append(f"{pair['variant']} on {pair['dataset']}")
    rows = [
        Row(what, (*(Cell(text=text) for text in (what, here, there)), Cell(text=_where(cells, len(pairs)))))
        for (what, here, there), cells in found.items()
    ]
    unpaired = [what for what, _, _ in found if what in PAIRED_BY]
    notes = [f"{', '.join(unpaired)} differ: one seed is not one split in A and B"] if unpaired else []
    equal = "" if rows else " Nothing differs."
    return Table(
        name="compare-settings",
        caption=f"What the {len(pairs)} pairs of cells were told or run differently.{equal}",
        columns=tuple(Column(name, kind="text") for name in ("what", "A", "B", "where")),
        rows=tuple(rows),
        notes=tuple(notes),
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by points."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            # The names of settings are dotted and tell their own group.
            found |= _flat(value, prefix if key == "settings" else f"{prefix}{key}.")
        elif prefix or key not in NOT_COMPARED:
            found[prefix + key] = value
    return found


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    # What a cell was told first, then where it ran.
    for key in sorted(dict.fromkeys([*a, *b]), key=lambda key: key.startswith("environment.")):
        here, there = a.get(key, ABSENT), b.get(key, ABSENT)
        if here != there:
            yield key, str(here), str(there)


def _where(cells: list[str], pairs: int) -> str:
    if len(cells) == pairs:
        return "all"
    return f"{len(cells)} of {pairs}: {', '.join(dict.fromkeys(cells))}"
