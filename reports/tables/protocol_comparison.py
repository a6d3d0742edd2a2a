"""The table that compares H of the same trainings under each protocol, and the gain from choosing the epoch on test.

The rule a caller must know: the gain is never negative by construction, so it has a mean and a range over seeds, and no
interval and no test.
"""

import pandas as pd

from reports.analysis.protocols import CANDIDATE, PROTOCOLS
from reports.analysis.results import DatasetResults
from reports.analysis.statistics import seed_differences
from reports.table import Column, Table, TableCell, TableRow, slug
from reports.tables import captions

MEAN_ROW = "mean of the rows"
COLUMNS = (
    Column("variant", kind="text"),
    *(Column(protocol, group="H") for protocol in PROTOCOLS),
    Column("oracle - honest", signed=True),
    Column("oracle - last", signed=True),
    Column("honest", group="epoch"),
    Column("oracle", group="epoch"),
)


def protocol_table(results: DatasetResults) -> Table:
    """H of every row by protocol with the gain of oracle selection; in the last row the means over the rows.

    Only rows that have all seeds count in the means, which are taken seed by seed.
    """
    rows = [TableRow(variant, _cells(results, variant)) for variant in results.variants]
    if len(variants := _complete_variants(results)) > 1:
        rows.append(TableRow(MEAN_ROW, _mean_cells(results, variants)))
    in_parentheses = "the smallest and the largest over the seeds" if results.seeds > 1 else "absent with one seed"
    caption = (
        f"{captions.features(results)}; what the same trainings say under each protocol. {captions.seeds(results)}. "
        "H in percent: at the epoch that validation chose (honest), at the last, and at the one with the best test H "
        f"(oracle), which published numbers go by; its gains are the bonus of that habit, ( ) {in_parentheses}. "
        "Epoch: the mean of the chosen ones, of a closed form the chosen regulariser."
    )
    constants = {"dataset": results.name, "source": results.source}
    notes = ["oracle - honest, oracle - last: never below zero by construction, so without interval and test"]
    if any(map(results.has_candidates, results.variants)):
        notes.append("a closed form has no last epoch")
    return Table(slug("protocols", results.name), caption, COLUMNS, tuple(rows), tuple(notes), constants)


def oracle_gain(results: DatasetResults) -> TableCell:
    """The mean over rows and seeds of oracle H minus honest H, with its range over seeds; a dash if unknown."""
    variants = _complete_variants(results)
    means = (_mean_over_variants(results, variants, protocol) for protocol in ("oracle", "honest"))
    return _gain(*means) if variants else TableCell()


def _cells(results: DatasetResults, variant: str) -> tuple[TableCell, ...]:
    h = {protocol: results.values(variant, "H", protocol) for protocol in PROTOCOLS}
    reason = captions.missing_reason(results, variant, "oracle")
    name = TableCell(text=variant, notes=(reason,) if reason else ())
    means = (_mean(results, variant, protocol) for protocol in PROTOCOLS)
    epochs = (_epoch(results, variant, protocol) for protocol in ("honest", "oracle"))
    return (name, *means, _gain(h["oracle"], h["honest"]), _gain(h["oracle"], h["last"]), *epochs)


def _mean(results: DatasetResults, variant: str, protocol: str) -> TableCell:
    """A dash for the last epoch of a closed form, which a note of the table explains."""
    if protocol == "last" and results.has_candidates(variant):
        return TableCell()
    return captions.mean_cell(results, variant, "H", protocol)


def _epoch(results: DatasetResults, variant: str, protocol: str) -> TableCell:
    """The mean epoch; of a closed form its regulariser."""
    candidates = results.values(variant, CANDIDATE, protocol).dropna().unique()
    if len(candidates):
        return TableCell(text=", ".join(map(str, candidates)))
    return TableCell(results.values(variant, "epoch", protocol).mean())


def _mean_cells(results: DatasetResults, variants: list[str]) -> tuple[TableCell, ...]:
    h = {protocol: _mean_over_variants(results, variants, protocol) for protocol in PROTOCOLS}
    means = (TableCell(values.mean()) for values in h.values())
    gains = (_gain(h["oracle"], h["honest"]), _gain(h["oracle"], h["last"]))
    return (TableCell(text=MEAN_ROW), *means, *gains, TableCell(text=""), TableCell(text=""))


def _complete_variants(results: DatasetResults) -> list[str]:
    """The variants that have H for every seed."""
    return [v for v in results.variants if results.values(v, "H", "oracle").count() == results.seeds]


def _mean_over_variants(results: DatasetResults, variants: list[str], protocol: str) -> pd.Series:
    """The mean H over variants, by seed."""
    return pd.concat([results.values(v, "H", protocol) for v in variants], axis=1).mean(axis=1, skipna=False)


def _gain(oracle: pd.Series, other: pd.Series) -> TableCell:
    gains = seed_differences(oracle, other)
    if len(gains) < 2:
        return TableCell(gains[0]) if len(gains) else TableCell()
    return TableCell(gains.mean(), smallest=gains.min(), largest=gains.max())
