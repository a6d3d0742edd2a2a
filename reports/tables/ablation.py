"""The ablation table of a dataset: a row is the full model with the change it makes, grouped by what it varies.

The rule a caller must know: a table has one source of features and one protocol, and its caption names both.
"""

from dataclasses import replace

import pandas as pd

from reports.analysis.best import best_marks
from reports.analysis.protocols import PROTOCOLS
from reports.analysis.results import FULL_MODEL, METRICS, DatasetResults
from reports.analysis.statistics import (
    BOOTSTRAP_FROM,
    PairedDifference,
    bootstrap_interval,
    holm,
    paired_difference,
    rank_note,
    summarise,
)
from reports.table import Cell, Column, Row, Table, gap, slug
from reports.tables import captions

MIB = 2**20
NAMES = (
    Column("axis", kind="text", grouped=True),
    Column("variant", kind="text"),
    Column("change", kind="text"),
)
ACCURACIES = tuple(Column(metric) for metric in METRICS)
AGAINST = (Column("ΔH", signed=True), Column("p", digits=3, bounded=True))
BOOTSTRAP = Column("ΔH BCa", signed=True)
ORACLE = Column("H oracle")
POINTING = (Column("pointing"), Column("chance"), Column("above chance", signed=True))
COST = (Column("images/s", digits=0), Column("MiB", digits=0), Column("cost", digits=2))
SEEDS = Column("seeds", kind="text")


def ablation_table(results: DatasetResults, protocol: str = "honest") -> Table:
    """Rows in the order of the records. Without a validation phase the honest protocol has nothing to go by: the table
    shows the last epoch and says so. Raises ValueError for an unknown protocol."""
    used = results.used(protocol)
    columns = {
        column: cells
        for group in (_names(results), _accuracies(results, used), _against(results, used), _further(results, used))
        for column, cells in group.items()
    }
    rows = [
        Row(variant, tuple(cells[index] for cells in columns.values()))
        for index, variant in enumerate(results.variants)
    ]
    return Table(
        name=slug("ablation", results.name),
        caption=_caption(results, protocol, tuple(columns)),
        columns=tuple(columns),
        rows=tuple(rows),
        notes=_notes(results, used, tuple(columns)),
        constants={"dataset": results.name, "source": results.source, "protocol": used},
    )


Columns = dict[Column, list[Cell]]


def _names(results: DatasetResults) -> Columns:
    texts = [(_axis(results, v), v, captions.change(results.change(v))) for v in results.variants]
    return {column: [Cell(text=text[index]) for text in texts] for index, column in enumerate(NAMES)}


def _axis(results: DatasetResults, variant: str) -> str:
    """Never empty: below another row an empty cell would read as the same axis."""
    return results.axis(variant) or ("full model" if variant == FULL_MODEL else "several")


def _accuracies(results: DatasetResults, used: str) -> Columns:
    found: Columns = {}
    for column in ACCURACIES:
        values = {variant: results.values(variant, column.name, used) for variant in results.variants}
        marks = best_marks(values)
        cells = {variant: captions.mean_cell(results, variant, column.name, used) for variant in values}
        found[column] = [replace(cell, marks=marks[variant]) for variant, cell in cells.items()]
    return found


def _against(results: DatasetResults, used: str) -> Columns:
    """The differences to the full model with their tests, Holm over the rows."""
    if FULL_MODEL not in results.variants:
        return {}
    rows = [variant for variant in results.variants if variant != FULL_MODEL]
    paired = {variant: results.difference(variant, FULL_MODEL, "H", used) for variant in rows}
    adjusted = dict(zip(rows, holm([paired[row].p for row in rows]), strict=True))
    difference, p = AGAINST
    found = {
        difference: [_to_full(paired.get(variant)) for variant in results.variants],
        p: [Cell(text="") if variant == FULL_MODEL else Cell(adjusted[variant]) for variant in results.variants],
    }
    if results.seeds >= BOOTSTRAP_FROM:
        found[BOOTSTRAP] = [_bootstrap(results, variant, used) for variant in results.variants]
    return found if any(cell.value is not None for cell in found[p]) else {difference: found[difference]}


def _to_full(paired: PairedDifference | None) -> Cell:
    return Cell(text="") if paired is None else captions.difference_cell(paired)


def _bootstrap(results: DatasetResults, variant: str, used: str) -> Cell:
    if variant == FULL_MODEL:
        return Cell(text="")
    values, full = results.values(variant, "H", used), results.values(FULL_MODEL, "H", used)
    interval = bootstrap_interval(values, full)
    return Cell((values - full).mean(), low=interval[0], high=interval[1]) if interval else gap()


def _further(results: DatasetResults, used: str) -> Columns:
    """What else is known, each where any row has it: the oracle's H, pointing, and the cost."""
    variants = results.variants
    found: Columns = {ORACLE: [Cell(summarise(results.values(v, "H", "oracle")).mean) for v in variants]}
    pointing, chance, above = POINTING
    found[pointing] = [captions.summary_cell(summarise(results.values(v, "pointing", used))) for v in variants]
    found[chance] = [Cell(summarise(results.values(v, "pointing_chance", used)).mean) for v in variants]
    found[above] = [captions.difference_cell(_above_chance(results, v, used)) for v in variants]
    speed, memory, cost = COST
    found[speed] = [Cell(_speed(results, v).median()) for v in variants]
    found[memory] = [Cell((_measured(results, v, "peak_memory") / MIB).median()) for v in variants]
    if FULL_MODEL in variants:
        found[cost] = [Cell(_cost(results, v).median()) for v in variants]
    done = {variant: int(results.values(variant, "T1", used).count()) for variant in variants}
    # Of a split without seen test images there is no H, and that is said in the caption.
    kept = {column: cells for column, cells in found.items() if any(cell.value is not None for cell in cells)}
    return kept | {SEEDS: [_seeds(done[v], len(results.values(v, "T1", used)), results, v, used) for v in variants]}


def _above_chance(results: DatasetResults, variant: str, used: str) -> PairedDifference:
    values = (results.values(variant, column, used) for column in ("pointing", "pointing_chance"))
    return paired_difference(*values)


def _seeds(done: int, planned: int, results: DatasetResults, variant: str, used: str) -> Cell:
    reason = captions.missing(results, variant, used)
    return Cell(text=str(done) if done == planned else f"{done}/{planned}", notes=(reason,) if reason else ())


def _speed(results: DatasetResults, variant: str) -> pd.Series:
    return _measured(results, variant, "images_per_second")


def _cost(results: DatasetResults, variant: str) -> pd.Series:
    """Time an image over the full model's, of the seeds that both trained with as many others in one step."""
    ratio = _speed(results, FULL_MODEL) / _speed(results, variant)
    together = [_measured(results, each, "side_by_side") for each in (FULL_MODEL, variant)]
    alike = together[0].reindex(ratio.index).eq(together[1].reindex(ratio.index))
    return ratio.where(alike | together[0].empty)


def _measured(results: DatasetResults, variant: str, column: str) -> pd.Series:
    return results.measured(variant, column) if column in results.frame else pd.Series(dtype=float)


def _caption(results: DatasetResults, protocol: str, columns: tuple[Column, ...]) -> str:
    sentences = [
        f"{captions.features(results)}; {captions.protocol(results, protocol)}",
        results.about,
        captions.seeds(results),
        "S, U, H, T1 in percent",
    ]
    if AGAINST[0] in columns:
        interval = captions.INTERVAL if results.seeds > 1 else "where given, an interval over classes"
        sentences.append(f"ΔH: H minus that of {FULL_MODEL}, the full model, [ ] {interval}")
    if AGAINST[1] in columns:
        sentences.append("p: that test's, after Holm over the rows")
    points = results.points(results.used(protocol))
    if points["T1"].notna().any() and points["S"].isna().all():
        sentences.append("No image of a seen class is tested, so there is no S and no H")
    return ". ".join(sentences) + "."


def _notes(results: DatasetResults, used: str, columns: tuple[Column, ...]) -> tuple[str, ...]:
    notes = []
    if ORACLE in columns:
        notes.append(f"H oracle is an upper bound, the mean under the {PROTOCOLS['oracle'].title}")
    if BOOTSTRAP in columns:
        notes.append("ΔH BCa: the same difference with the 95 % BCa bootstrap interval over seeds")
    if POINTING[0] in columns:
        notes.append(
            "pointing: percent of the attributes present in an image whose arg-max region is where the attribute is; "
            "chance: the same for a region drawn uniformly; above chance: the difference, [ ] the 95 % interval of the "
            "paired t test over the seeds; uniform attention points nowhere"
        )
    if COST[0] in columns:
        notes.append(
            "images/s and MiB (peak memory of the process): medians over seeds, of training beside whatever else the "
            "machine did, so rows that train alike differ too, by tens of percent where it does much (the command "
            "throughput measures in turns, one seed a step); cost: time "
            f"per image over that of {FULL_MODEL}, seed by seed where both trained with as many others in one step; "
            "seeds in one step share its time and memory"
        )
    if FULL_MODEL not in results.variants:
        notes.append(f"The full model, {FULL_MODEL}, is not in this table: no differences to it")
    seeds = int(results.values(FULL_MODEL, "H", used).count()) if AGAINST[1] in columns else 0
    return (*notes, *filter(None, [rank_note(seeds, len(results.variants) - 1)]))
