"""The tables and CSV rows of a throughput run, from the content of its `throughput.json`.

The rule a caller must know: a ratio is computed round by round, from times that were measured in turns, and printed
with the 95 % interval of its median; a number with a wide spread has a footnote.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.analysis.timings import WIDE, Interval, Spread, paired_ratio, spread
from reports.table import Column, Table, TableCell, TableRow, gap, slug
from reports.tables.throughput_profile import Json, profiles

WORKS = {"step": "a training step", "inference": "inference"}
FEW = 20

COLUMNS = (
    Column("variant", kind="text"),
    Column("images/s", digits=0),
    Column("p50 ms"),
    Column("p95 ms"),
    Column("spread %"),
    Column("GFLOP", digits=2),
    Column("% of peak", digits=0),
    Column("relative cost", digits=2),
    Column("memory MB", digits=0),
)
BOUNDS = (
    Column("shape", kind="text"),
    Column("precision", kind="text"),
    Column("products at peak ms"),
    Column("products alone ms"),
    Column("step ms"),
    Column("products alone: % of peak", digits=0),
    Column("step: % of products at peak", digits=0),
    Column("% of the step in products", digits=0),
)
COMPARED = (
    Column("what", kind="text"),
    Column("shape", kind="text"),
    Column("precision", kind="text"),
    Column("times as fast", digits=2),
    Column("first ms"),
    Column("second ms"),
)


def results(content: Json) -> pd.DataFrame:
    """One row for each variant and work, times in ms; variants with the same operations share one measurement."""
    lines = [
        {"variant": name, "measured_as": measurement["variant"]} | _numbers(measurement)
        for measurement in content["measured"]
        for name in (measurement["variant"], *measurement["same"])
    ]
    front = ["shape", "precision", "work", "variant"]
    frame = pd.DataFrame(lines)
    return frame[[*front, *(column for column in frame if column not in front)]]


def comparisons(content: Json) -> pd.DataFrame:
    """One row for each comparison of two forms of the step; if one failed, `failure` is the reason, without times."""
    return pd.DataFrame([_comparison_line(comparison) for comparison in content["compared"]])


def _comparison_line(comparison: Json) -> dict[str, Any]:
    line = {key: comparison[key] for key in ("shape", "precision", "name", "about", "failure", "taken_by_others")}
    if comparison["failure"]:
        return line
    first, second = (comparison["turns"][name]["times"] for name in ("first", "second"))
    ratio = paired_ratio(first, second, comparison["gain"])
    return line | {
        "times_as_fast": ratio.median,
        "times_as_fast_low": ratio.low,
        "times_as_fast_high": ratio.high,
        "first_ms": 1000 * spread(first).median,
        "second_ms": 1000 * spread(second).median,
    }


def _numbers(measurement: Json) -> dict[str, Any]:
    blocks, calls = _spreads(measurement)
    share, cost = share_of_peak(measurement), relative_cost(measurement)
    return {
        "shape": measurement["shape"],
        "precision": measurement["precision"],
        "work": measurement["work"],
        "batch": measurement["batch"],
        "images_per_second": measurement["batch"] / blocks.median,
        "p50_ms": 1000 * calls.median,
        "p95_ms": 1000 * calls.p95,
        "iqr_percent": 100 * blocks.relative,
        "wide": blocks.wide,
        "rounds": blocks.n,
        "calls_a_block": measurement["turns"]["own"]["calls"],
        "flops": measurement["flops"],
        "share_of_peak": share.median,
        "share_of_peak_low": share.low,
        "share_of_peak_high": share.high,
        "relative_cost": cost.median,
        "relative_cost_low": cost.low,
        "relative_cost_high": cost.high,
        "peak_memory": measurement["memory"],
        "taken_by_others": measurement["taken_by_others"],
    }


def _spreads(measurement: Json) -> tuple[Spread, Spread]:
    """The times a call of whole blocks, and of single calls."""
    own = measurement["turns"]["own"]
    return spread(own["times"]), spread(own["latencies"])


def share_of_peak(measurement: Json, timed: str = "own") -> Interval:
    """Rate of its matrix products, computed in the time of the turn `timed`, over the rate of the peak product."""
    turns = measurement["turns"]
    return paired_ratio(turns["peak"]["times"], turns[timed]["times"], measurement["flops"] / measurement["peak_flops"])


def relative_cost(measurement: Json) -> Interval:
    """Its time over the time of the full model's same work in the same round; 1 for the full model."""
    turns = measurement["turns"]
    return paired_ratio(turns["own"]["times"], turns["full"]["times"]) if "full" in turns else Interval(1.0, None, None)


def tables(content: Json) -> list[Table]:
    """The bounds of the step, its profile, the comparisons, then variants for each shape, precision and work."""
    groups: dict[tuple[str, str, str], list[Json]] = {}
    for measurement in content["measured"]:
        key = (measurement["shape"], measurement["precision"], measurement["work"])
        groups.setdefault(key, []).append(measurement)
    bounds = [measurement for key, group in groups.items() for measurement in group if key[2] == "products"]
    variants = [_variants(content, *key, group) for key, group in groups.items() if key[2] in WORKS]
    compared = [_compared(content["compared"])] if content["compared"] else []
    return [_bounds(bounds), *profiles(content), *compared, *variants]


def _variants(content: Json, shape: str, precision: str, work: str, measurements: Sequence[Json]) -> Table:
    size = content["shapes"][shape]
    caption = (
        f"{shape}, {WORKS[work]} in {precision}: batches of {size['batch']} images with {size['regions']} regions of "
        f"{size['channels']} channels, {size['attributes']} attributes, {size['classes']} classes. Made-up inputs."
    )
    fewest = min(len(measurement["turns"]["own"]["latencies"]) for measurement in measurements)
    below = [f"p95 is the longest of a row's calls where there are fewer than {FEW}."] if fewest < FEW else []
    rows = tuple(TableRow(measurement["variant"], _cells(measurement)) for measurement in measurements)
    return Table(slug("throughput", shape, precision, work), caption, COLUMNS, rows, tuple(below))


def _cells(measurement: Json) -> tuple[TableCell, ...]:
    blocks, calls = _spreads(measurement)
    same = measurement["same"]
    return (
        TableCell(
            text=measurement["variant"],
            notes=(f"the same operations, so measured once: {', '.join(same)}",) if same else (),
        ),
        TableCell(measurement["batch"] / blocks.median),
        TableCell(1000 * calls.median),
        TableCell(1000 * calls.p95),
        TableCell(100 * blocks.relative, notes=_wide_note(blocks)),
        TableCell(measurement["flops"] / 1e9),
        _interval_cell(share_of_peak(measurement), 100),
        _interval_cell(relative_cost(measurement)),
        gap() if measurement["memory"] is None else TableCell(measurement["memory"] / 1e6),
    )


def _wide_note(times: Spread) -> tuple[str, ...]:
    advice = "measure again on a quieter device, or with more --seconds"
    return (f"WIDE: the interquartile range is over {WIDE:.0%} of the median; {advice}",) if times.wide else ()


def _interval_cell(interval: Interval, factor: float = 1.0) -> TableCell:
    low, high = (None if bound is None else factor * bound for bound in (interval.low, interval.high))
    return TableCell(factor * interval.median, low=low, high=high)


def _milliseconds_cell(times: Spread) -> TableCell:
    return TableCell(1000 * times.median, notes=_wide_note(times))


def _bounds(measurements: Sequence[Json]) -> Table:
    caption = (
        "What bounds the full model's training step: its two unavoidable matrix products (the regions times the "
        "stacked weights, and the gradient of these), and everything else."
    )
    below = (
        "The products are stacked in the order that is cheaper for a whole step. At peak: at the rate of the fastest "
        "square product, in turns with them.",
        "What the products alone lack of 100 % is lost to their shape; what they lack of the step goes to everything "
        "else. The column % of peak of the tables below counts all matrix products of a step.",
    )
    return Table("throughput-bounds", caption, BOUNDS, tuple(map(_bound_row, measurements)), below)


def _bound_row(measurement: Json) -> TableRow:
    turns, flops = measurement["turns"], measurement["flops"]
    alone, step, peak = (spread(turns[name]["times"]) for name in ("own", "full", "peak"))
    shape, precision = measurement["shape"], measurement["precision"]
    cells = (
        TableCell(text=shape),
        TableCell(text=precision),
        TableCell(1000 * peak.median * flops / measurement["peak_flops"], notes=_wide_note(peak)),
        _milliseconds_cell(alone),
        _milliseconds_cell(step),
        _interval_cell(share_of_peak(measurement), 100),
        _interval_cell(share_of_peak(measurement, timed="full"), 100),
        _interval_cell(relative_cost(measurement), 100),
    )
    return TableRow(f"{shape}-{precision}", cells)


def _compared(compared: Sequence[Json]) -> Table:
    caption = (
        "Two ways of the full model's training step, in turns: of A over B, the images a second of A (second ms) over "
        "those of B (first ms); where several seeds are in one step, ms are those of the whole step."
    )
    return Table("throughput-comparisons", caption, COMPARED, tuple(map(_comparison_row, compared)))


def _comparison_row(comparison: Json) -> TableRow:
    front = tuple(TableCell(text=comparison[key]) for key in ("about", "shape", "precision"))
    key = f"{comparison['name']}-{comparison['shape']}-{comparison['precision']}"
    if comparison["failure"]:
        return TableRow(key, (*front, gap(comparison["failure"]), gap(), gap()))
    first, second = (comparison["turns"][name]["times"] for name in ("first", "second"))
    ratio = _interval_cell(paired_ratio(first, second, comparison["gain"]))
    return TableRow(key, (*front, ratio, *(_milliseconds_cell(spread(times)) for times in (first, second))))
