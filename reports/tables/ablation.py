"""The ablation table of a dataset: one row per variant, with the settings it changes, grouped by axis.

The rule a caller must know: a table has one source of features and one protocol, and its caption names both.
"""

from collections.abc import Container, Mapping
from dataclasses import replace

import pandas as pd

from reports.analysis.metrics import ACCURACIES, ReportedMetric
from reports.analysis.protocols import PROTOCOLS
from reports.analysis.results import FULL_MODEL, DatasetResults
from reports.analysis.statistics import (
    LEVEL,
    holm,
    paired_difference,
    rank_note,
    seed_differences,
    summarise,
    t_tests,
)
from reports.table import Column, Mark, Table, TableCell, TableRow, slug
from reports.tables import captions
from reports.tables.differences import (
    P_VALUE,
    Columns,
    difference_columns,
    difference_notes,
    difference_sentences,
    interval_columns,
)

MIB = 2**20
NAMES = (
    Column("axis", kind="text", grouped=True),
    Column("variant", kind="text"),
    Column("change", kind="text"),
)
ORACLE = Column("H oracle")
POINTING = (Column("pointing"), Column("chance"), Column("above chance", signed=True))
COST = (Column("images/s", digits=0), Column("MiB", digits=0), Column("cost", digits=2))
SEEDS = Column("seeds", kind="text")


def ablation_table(results: DatasetResults, protocol: str = "honest") -> Table:
    """Rows in the order of the records. Without a validation phase there is no honest number: the table then shows the
    last epoch, and its caption says so. Raises ValueError for an unknown protocol."""
    available = results.available_protocol(protocol)
    columns = {
        **_names(results),
        **_metrics(results, available),
        **interval_columns(results, available),
        **difference_columns(results, available),
        **_further_columns(results, available),
    }
    rows = [
        TableRow(variant, tuple(cells[index] for cells in columns.values()))
        for index, variant in enumerate(results.variants)
    ]
    return Table(
        name=slug("ablation", results.name),
        caption=_caption(results, protocol, tuple(columns)),
        columns=tuple(columns),
        rows=tuple(rows),
        notes=_notes(results, available, columns),
        constants={"dataset": results.name, "source": results.source, "protocol": available},
    )


def best_marks(
    values: Mapping[str, pd.Series], deterministic: Container[str] = (), *, higher_is_better: bool = True
) -> dict[str, tuple[Mark, ...]]:
    """The marks of each row in one column. values: row -> the metric by seed, NaN if missing.

    Only rows with as many seeds as the fullest row are compared, since means over other seeds are means over other
    splits. The best mean is BEST; TIED are the rows that are not significantly different from it (paired t test with
    Holm over the rows, 5 %), and those that no test can tell from it, since all differences are equal. With one seed
    there is no test and no row is TIED; nor is there one between another row and a `deterministic` one, which has no
    spread over seeds.
    """
    seeds = {row: int(series.notna().sum()) for row, series in values.items()}
    most = max(seeds.values(), default=0)
    complete = {row: series for row, series in values.items() if seeds[row] == most and most > 0}
    if len(complete) < 2:
        return dict.fromkeys(values, ())
    choose = max if higher_is_better else min
    best = choose(complete, key=lambda row: float(complete[row].mean()))
    tested = best not in deterministic
    others = [row for row in complete if row != best and tested and row not in deterministic]
    differences = t_tests([seed_differences(complete[row], complete[best]) for row in others])
    p_values = holm([difference.p for difference in differences])
    marks: dict[str, tuple[Mark, ...]] = dict.fromkeys(values, ()) | {best: (Mark.BEST,)}
    for row, difference, p in zip(others, differences, p_values, strict=True):
        if difference.without_spread or (p is not None and p >= LEVEL):
            marks[row] = (Mark.TIED,)
    return marks


def _names(results: DatasetResults) -> Columns:
    texts = [(_axis(results, v), v, captions.change(results.change(v))) for v in results.variants]
    return {column: [TableCell(text=text[index]) for text in texts] for index, column in enumerate(NAMES)}


def _axis(results: DatasetResults, variant: str) -> str:
    """Never empty: an empty cell below another row would read as the same axis."""
    return results.axis(variant) or ("full model" if variant == FULL_MODEL else "several")


def _metrics(results: DatasetResults, protocol: str) -> Columns:
    columns: Columns = {}
    deterministic = {variant for variant in results.variants if results.deterministic(variant)}
    for metric in results.metrics:
        values = {variant: results.values(variant, metric.name, protocol) for variant in results.variants}
        marks = best_marks(values, deterministic, higher_is_better=metric.higher_is_better)
        columns[Column(metric.name, digits=metric.digits)] = [
            replace(_metric_cell(results, variant, metric, protocol), marks=marks[variant])
            for variant in results.variants
        ]
    return columns


def _metric_cell(results: DatasetResults, variant: str, metric: ReportedMetric, protocol: str) -> TableCell:
    """The mean; of a further metric with a footnote if some cells of the row are done but have no value of it."""
    cell = captions.mean_cell(results, variant, metric.name, protocol)
    count, done = (int(results.values(variant, name, protocol).count()) for name in (metric.name, "T1"))
    if metric in ACCURACIES or count in (0, done):
        return cell
    return replace(cell, notes=(f"{metric.name} of {count} of the {done} seeds: the others have no value of it",))


def _further_columns(results: DatasetResults, protocol: str) -> Columns:
    """The oracle's H, pointing and cost, each column only if a row has a value; and the number of seeds."""
    variants = results.variants
    columns: Columns = {ORACLE: [TableCell(results.summary(v, "H", "oracle").mean) for v in variants]}
    pointing, chance, above = POINTING
    columns[pointing] = [captions.summary_cell(summarise(results.values(v, "pointing", protocol))) for v in variants]
    columns[chance] = [TableCell(summarise(results.values(v, "pointing_chance", protocol)).mean) for v in variants]
    columns[above] = [
        captions.difference_cell(
            paired_difference(*(results.values(v, name, protocol) for name in ("pointing", "pointing_chance")))
        )
        for v in variants
    ]
    speed, memory, cost = COST
    columns[speed] = [TableCell(results.measurements(v, "images_per_second").median()) for v in variants]
    columns[memory] = [TableCell((results.measurements(v, "peak_memory") / MIB).median()) for v in variants]
    if FULL_MODEL in variants:
        columns[cost] = [TableCell(results.costs(v, FULL_MODEL).median()) for v in variants]
    # A split without seen test images has no H; the caption says so.
    columns = {column: cells for column, cells in columns.items() if any(cell.value is not None for cell in cells)}
    return columns | {SEEDS: [_seeds(results, v, protocol) for v in variants]}


def _seeds(results: DatasetResults, variant: str, protocol: str) -> TableCell:
    """The number of seeds with a value; done/planned if some seeds have no value; a deterministic method has one."""
    values = results.values(variant, "T1", protocol)
    done, planned = int(values.count()), len(values)
    if results.deterministic(variant) and done:
        return TableCell(text="1", notes=("deterministic: trained once, and paired with every seed of the others",))
    reason = captions.missing_reason(results, variant, protocol)
    return TableCell(text=str(done) if done == planned else f"{done}/{planned}", notes=(reason,) if reason else ())


def _caption(results: DatasetResults, protocol: str, columns: tuple[Column, ...]) -> str:
    sentences = [
        f"{captions.features(results)}; {captions.protocol_title(results, protocol)}",
        results.about,
        captions.seeds(results),
        "S, U, H, T1 in percent",
        *captions.further_metrics(results),
    ]
    sentences += difference_sentences(results, columns)
    points = results.points(results.available_protocol(protocol))
    if points["T1"].notna().any() and points["S"].isna().all():
        sentences.append("No image of a seen class is tested, so there is no S and no H")
    return ". ".join(sentences) + "."


def _notes(results: DatasetResults, protocol: str, columns: Columns) -> tuple[str, ...]:
    notes = []
    if ORACLE in columns:
        notes.append(f"H oracle is an upper bound, the mean under the {PROTOCOLS['oracle'].title}")
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
            f"throughput measures in turns); cost: time per image over that of {FULL_MODEL}, seed by seed; rows that "
            "differ in the margin at test time alone share a training, its time and its memory"
        )
    edges = {variant: results.edges(variant, protocol) for variant in results.variants}
    if any(edges.values()):
        rows = "; ".join(f"{variant} ({', '.join(names)})" for variant, names in edges.items() if names)
        notes.append(
            f"The chosen regulariser is the smallest or largest candidate, a better one may lie beyond: {rows}"
        )
    if FULL_MODEL not in results.variants:
        notes.append(f"The full model, {FULL_MODEL}, is not in this table: no differences to it")
    notes += difference_notes(results, tuple(columns))
    seeds = int(results.values(FULL_MODEL, "H", protocol).count()) if P_VALUE in columns else 0
    tests = sum(cell.value is not None for cell in columns.get(P_VALUE, ()))
    return (*notes, *filter(None, [rank_note(seeds, tests)]))
