"""The tables that compare two runs: differences paired by variant, dataset and seed, and the settings that differ.

The rule a caller must know: the cells of a pair have the same seed. They share splits and batches only if base seed,
class folds and features are equal too; the table of settings shows whether they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from reports.analysis.metrics import ACCURACIES, ReportedMetric
from reports.analysis.results import DatasetResults
from reports.analysis.statistics import PairedDifference, holm, paired_difference, rank_note, summarise
from reports.table import Column, Table, TableCell, TableRow, slug
from reports.tables import captions

NAMES = (Column("variant", kind="text"), Column("change", kind="text"))
MEANS = (Column("H", group="A"), Column("H", group="B"))
TEST = (Column("p of ΔH", digits=3, bounded=True), Column("pairs", digits=0))
ABSENT = "(absent)"
# If these are equal, two cells with one seed have the same splits and batches.
PAIRED_BY = ("base_seed", "folds", "features", "validation")
# Keys that pair the cells, and a hash of settings that are compared anyway.
NOT_COMPARED = ("identity", "dataset", "source", "seed")


def compare_runs(a: pd.DataFrame, b: pd.DataFrame, protocol: str = "honest") -> list[Table]:
    """A table of differences for each dataset that both runs have, and a table of settings that differ.

    Raises ValueError for an unknown protocol, and if the two runs differ in source.
    """
    first, second = ({results.name: results for results in DatasetResults.per_dataset(frame)} for frame in (a, b))
    tables = [_dataset_table(first[name], second[name], protocol) for name in first if name in second]
    return [*tables, _settings_table(a, b)]


def _dataset_table(a: DatasetResults, b: DatasetResults, protocol: str) -> Table:
    if a.source != b.source:
        raise ValueError(f"{a.name} is {a.source} in one run and {b.source} in the other")
    protocols = (a.available_protocol(protocol), b.available_protocol(protocol))
    variants = [variant for variant in a.variants if variant in b.variants]
    metrics = [metric for metric in b.metrics if metric.name in {other.name for other in a.metrics}]
    differences = {variant: _differences(a, b, variant, metrics, protocols) for variant in variants}
    p_values = holm([differences[variant]["H"].p for variant in variants])
    rows = [
        TableRow(variant, (*_mean_cells(a, b, variant, protocols), *_difference_cells(differences[variant], p)))
        for variant, p in zip(variants, p_values, strict=True)
    ]
    tested = [differences[variant]["H"] for variant in variants if differences[variant]["H"].p is not None]
    points = "percentage points" if len(metrics) == len(ACCURACIES) else "percentage points (S, U, H, T1)"
    pairs = max((difference.n for difference in tested), default=0)
    return Table(
        name=slug("compare", a.name),
        caption=(
            f"{captions.features(b)}; {captions.protocol_title(b, protocol)}. Over the seeds that both have: H with "
            f"its sample standard deviation, and B minus A in {points}, [ ] the 95 % interval of the paired t "
            "test; p after Holm over the rows."
        ),
        columns=(*NAMES, *MEANS, *map(_difference_column, metrics), *TEST),
        rows=tuple(rows),
        notes=(*_notes(a, b, protocols), *filter(None, [rank_note(pairs, len(tested))])),
        constants={"dataset": a.name, "source": a.source, "protocol": protocols[1]},
    )


Protocols = tuple[str, str]  # of run A and of run B


def _difference_column(metric: ReportedMetric) -> Column:
    return Column(f"Δ{metric.name}", group="B - A", digits=metric.digits, signed=True)


def _differences(
    a: DatasetResults, b: DatasetResults, variant: str, metrics: Sequence[ReportedMetric], protocols: Protocols
) -> dict[str, PairedDifference]:
    return {
        name: paired_difference(b.values(variant, name, protocols[1]), a.values(variant, name, protocols[0]))
        for name in (metric.name for metric in metrics)
    }


def _mean_cells(a: DatasetResults, b: DatasetResults, variant: str, protocols: Protocols) -> Iterator[TableCell]:
    yield TableCell(text=variant)
    yield TableCell(text=captions.change(b.change(variant)))
    h = pd.concat([a.values(variant, "H", protocols[0]), b.values(variant, "H", protocols[1])], axis=1).dropna()
    reasons = (captions.missing_reason(a, variant, protocols[0]), captions.missing_reason(b, variant, protocols[1]))
    for values, reason in zip((h.iloc[:, 0], h.iloc[:, 1]), reasons, strict=True):
        cell = captions.summary_cell(summarise(values))
        yield replace(cell, notes=(reason,)) if reason else cell


def _difference_cells(differences: Mapping[str, PairedDifference], p: float | None) -> Iterator[TableCell]:
    yield from map(captions.difference_cell, differences.values())
    yield TableCell(p)
    yield TableCell(differences["H"].n)


def _notes(a: DatasetResults, b: DatasetResults, protocols: Protocols) -> Iterator[str]:
    for name, run, other in (("A", a, b), ("B", b, a)):
        variants = [variant for variant in run.variants if variant not in other.variants]
        if variants:
            yield f"only in {name}: {', '.join(variants)}"
    if protocols[0] != protocols[1]:
        yield f"A is under the protocol {protocols[0]}, B under {protocols[1]}: the difference is also one of protocols"
    if a.about != b.about:
        yield f"A: {a.about}; B: {b.about}"


def _settings_table(a: pd.DataFrame, b: pd.DataFrame) -> Table:
    """The settings and environments that differ within a pair of cells: one row for each key and pair of values."""
    pairs = a.merge(b, on=["variant", "dataset", "seed"], suffixes=("_a", "_b"))
    pairs = pairs[pairs["identity_a"].notna() & pairs["identity_b"].notna()]
    cells_by_difference: dict[tuple[str, str, str], list[str]] = {}
    for pair in pairs.to_dict("records"):
        conditions = (
            {**_flat(pair[f"identity_{run}"]), **_flat(pair[f"environment_{run}"], "environment.")} for run in "ab"
        )
        for difference in _differing(*conditions):
            cells_by_difference.setdefault(difference, []).append(f"{pair['variant']} on {pair['dataset']}")
    rows = [
        TableRow(
            key, (*(TableCell(text=text) for text in (key, first, second)), TableCell(text=_where(cells, len(pairs))))
        )
        for (key, first, second), cells in cells_by_difference.items()
    ]
    unpaired = [key for key, _, _ in cells_by_difference if key in PAIRED_BY]
    notes = [f"{', '.join(unpaired)} differ: one seed is not one split in A and B"] if unpaired else []
    equal = "" if rows else " Nothing differs."
    return Table(
        name="compare-settings",
        caption=f"Settings and conditions that differ between the {len(pairs)} pairs of cells.{equal}",
        columns=tuple(Column(name, kind="text") for name in ("what", "A", "B", "where")),
        rows=tuple(rows),
        notes=tuple(notes),
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by points."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            # The names of settings are dotted: they hold their own section.
            flat |= _flat(value, prefix if key == "settings" else f"{prefix}{key}.")
        elif prefix or key not in NOT_COMPARED:
            flat[prefix + key] = value
    return flat


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    # Settings first, then the environment.
    for key in sorted(dict.fromkeys([*a, *b]), key=lambda key: key.startswith("environment.")):
        first, second = a.get(key, ABSENT), b.get(key, ABSENT)
        if first != second:
            yield key, str(first), str(second)


def _where(cells: list[str], pairs: int) -> str:
    if len(cells) == pairs:
        return "all"
    return f"{len(cells)} of {pairs}: {', '.join(dict.fromkeys(cells))}"
