"""The same trainings under every protocol, and what choosing the epoch on test images gains."""

import pandas as pd

from reports.analysis.results import DatasetResults
from reports.analysis.statistics import paired_difference
from reports.table import Cell, Column, Row, Table, slug
from reports.tables import captions

ALL_ROWS = "mean of the rows"
COLUMNS = (
    Column("variant", kind="text"),
    Column("honest", group="H"),
    Column("last", group="H"),
    Column("oracle", group="H"),
    Column("oracle - honest", signed=True),
    Column("oracle - last", signed=True),
    Column("honest", group="epoch"),
    Column("oracle", group="epoch"),
)


def protocol_table(results: DatasetResults) -> Table:
    """H of every row by protocol with the paired gain of oracle selection, and the mean over rows at the end.

    The mean is taken seed by seed over the rows that have all seeds, so its interval is paired as theirs are.
    """
    rows = [Row(variant, _cells(results, variant)) for variant in results.variants]
    if len(whole := _whole(results)) > 1:
        rows.append(Row(ALL_ROWS, _mean_cells(results, whole)))
    interval = captions.INTERVAL if results.seeds > 1 else "absent with one seed"
    caption = (
        f"{captions.features(results)}; what the same trainings say under each protocol. {captions.seeds(results)}. "
        "H in percent: at the epoch that validation chose (honest), at the last, and at the one with the best test H "
        f"(oracle), which published numbers go by; its gains are the bonus of that habit, [ ] {interval}. "
        "Epoch: the mean of the chosen ones."
    )
    constants = {"dataset": results.name, "source": results.source}
    # A gain over an epoch that was chosen on test is no statement about images that nobody has seen.
    notes = ("oracle - honest, oracle - last: never below zero by construction",)
    return Table(slug("protocols", results.name), caption, COLUMNS, tuple(rows), notes, constants)


def oracle_gain(results: DatasetResults) -> Cell:
    """What oracle selection adds to the honest H, the mean of the rows with its interval; a dash where unknown."""
    whole = _whole(results)
    return _gain(_means(results, whole, "oracle"), _means(results, whole, "honest")) if whole else Cell()


def _cells(results: DatasetResults, variant: str) -> tuple[Cell, ...]:
    h = {name: results.values(variant, "H", name) for name in ("honest", "last", "oracle")}
    reason = captions.missing(results, variant, "last")
    name = Cell(text=variant, notes=(reason,) if reason else ())
    values = (captions.mean_cell(results, variant, "H", protocol) for protocol in h)
    gains = (_gain(h["oracle"], h["honest"]), _gain(h["oracle"], h["last"]))
    epochs = (Cell(results.values(variant, "epoch", protocol).mean()) for protocol in ("honest", "oracle"))
    return (name, *values, *gains, *epochs)


def _mean_cells(results: DatasetResults, whole: list[str]) -> tuple[Cell, ...]:
    h = {name: _means(results, whole, name) for name in ("honest", "last", "oracle")}
    gains = (_gain(h["oracle"], h["honest"]), _gain(h["oracle"], h["last"]))
    values = (Cell(series.mean()) for series in h.values())
    return (Cell(text=ALL_ROWS), *values, *gains, Cell(text=""), Cell(text=""))


def _whole(results: DatasetResults) -> list[str]:
    """The rows that have every seed."""
    return [v for v in results.variants if results.values(v, "H", "oracle").count() == results.seeds]


def _means(results: DatasetResults, variants: list[str], protocol: str) -> pd.Series:
    """The mean over variants, by seed."""
    return pd.concat([results.values(v, "H", protocol) for v in variants], axis=1).mean(axis=1, skipna=False)


def _gain(oracle: pd.Series, other: pd.Series) -> Cell:
    return captions.difference_cell(paired_difference(oracle, other))
