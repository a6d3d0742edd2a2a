"""Tables of a throughput run, from the content of its `throughput.json`.

The rule a caller must know: every ratio is taken round by round from times that took turns, and stands with the 95 %
interval of its median; a spread that is wide is said at the number it makes doubtful.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.analysis.timings import WIDE, Interval, paired_ratio, spread
from reports.table import Cell, Column, Row, Table, gap, slug
from reports.tables.throughput_profile import Found, profiles

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


def results(found: Found) -> pd.DataFrame:
    """One row for each variant and work, names that were measured together with the same numbers; times in ms."""
    lines = [
        {"variant": name, "measured_as": each["variant"]} | _numbers(each)
        for each in found["measured"]
        for name in (each["variant"], *each["same"])
    ]
    front = ["shape", "precision", "work", "variant"]
    frame = pd.DataFrame(lines)
    return frame[[*front, *(column for column in frame if column not in front)]]


def comparisons(found: Found) -> pd.DataFrame:
    """One row for each two ways of the step; where one could not be had, `failure` says why and there are no times."""
    return pd.DataFrame([_comparison(each) for each in found["compared"]])


def _comparison(each: Found) -> dict[str, Any]:
    line = {key: each[key] for key in ("shape", "precision", "name", "about", "failure", "taken_by_others")}
    if each["failure"]:
        return line
    first, second = (each["turns"][name]["times"] for name in ("first", "second"))
    ratio = paired_ratio(first, second, each["gain"])
    return line | {
        "times_as_fast": ratio.median,
        "times_as_fast_low": ratio.low,
        "times_as_fast_high": ratio.high,
        "first_ms": 1000 * spread(first).median,
        "second_ms": 1000 * spread(second).median,
    }


def _numbers(each: Found) -> dict[str, Any]:
    own, single = spread(each["turns"]["own"]["times"]), spread(each["turns"]["own"]["latencies"])
    share, cost = share_of_peak(each), relative_cost(each)
    return {
        "shape": each["shape"],
        "precision": each["precision"],
        "work": each["work"],
        "batch": each["batch"],
        "images_per_second": each["batch"] / own.median,
        "p50_ms": 1000 * single.median,
        "p95_ms": 1000 * single.p95,
        "iqr_percent": 100 * own.relative,
        "wide": own.wide,
        "rounds": own.n,
        "calls_a_block": each["turns"]["own"]["calls"],
        "flops": each["flops"],
        "share_of_peak": share.median,
        "share_of_peak_low": share.low,
        "share_of_peak_high": share.high,
        "relative_cost": cost.median,
        "relative_cost_low": cost.low,
        "relative_cost_high": cost.high,
        "peak_memory": each["memory"],
        "taken_by_others": each["taken_by_others"],
    }


def share_of_peak(each: Found, of: str = "own") -> Interval:
    """Rate of its matrix products, done in the time of `of`, over the rate of the peak product next to it."""
    turns = each["turns"]
    return paired_ratio(turns["peak"]["times"], turns[of]["times"], each["flops"] / each["peak_flops"])


def relative_cost(each: Found) -> Interval:
    """Its time over that of the full model's same work, next to it; 1 for the full model itself."""
    if "full" not in each["turns"]:
        return Interval(1.0, None, None)
    return paired_ratio(each["turns"]["own"]["times"], each["turns"]["full"]["times"])


def tables(found: Found) -> list[Table]:
    """What bounds the step, the comparisons, then a table of variants for each shape, precision and work."""
    groups: dict[tuple[str, str, str], list[Found]] = {}
    for each in found["measured"]:
        groups.setdefault((each["shape"], each["precision"], each["work"]), []).append(each)
    bounds = [each for key, of in groups.items() for each in of if key[2] == "products"]
    of_variants = [_variants(found, *key, of) for key, of in groups.items() if key[2] in WORKS]
    compared = [_compared(found["compared"])] if found["compared"] else []
    return [_bounds(bounds), *profiles(found), *compared, *of_variants]


def _variants(found: Found, shape: str, precision: str, work: str, measured: Sequence[Found]) -> Table:
    size = found["shapes"][shape]
    caption = (
        f"{shape}, {WORKS[work]} in {precision}: batches of {size['batch']} images with {size['regions']} regions of "
        f"{size['channels']} channels, {size['attributes']} attributes, {size['classes']} classes. Made-up inputs."
    )
    few = min(len(each["turns"]["own"]["latencies"]) for each in measured) < FEW
    below = [f"p95 is the longest of a row's calls where there are fewer than {FEW}."] if few else []
    rows = tuple(Row(each["variant"], _cells(each)) for each in measured)
    return Table(slug("throughput", shape, precision, work), caption, COLUMNS, rows, tuple(below))


def _cells(each: Found) -> tuple[Cell, ...]:
    own, single = spread(each["turns"]["own"]["times"]), spread(each["turns"]["own"]["latencies"])
    same = (f"the same operations, so measured once: {', '.join(each['same'])}",) if each["same"] else ()
    return (
        Cell(text=each["variant"], notes=same),
        Cell(each["batch"] / own.median),
        Cell(1000 * single.median),
        Cell(1000 * single.p95),
        Cell(100 * own.relative, notes=_doubt(own.wide)),
        Cell(each["flops"] / 1e9),
        _cell(share_of_peak(each), 100),
        _cell(relative_cost(each)),
        gap() if each["memory"] is None else Cell(each["memory"] / 1e6),
    )


def _doubt(wide: bool) -> tuple[str, ...]:
    advice = "measure again on a quieter device, or with more --seconds"
    return (f"WIDE: the interquartile range is over {WIDE:.0%} of the median; {advice}",) if wide else ()


def _cell(interval: Interval, factor: float = 1.0) -> Cell:
    low, high = (None if bound is None else factor * bound for bound in (interval.low, interval.high))
    return Cell(factor * interval.median, low=low, high=high)


def _bounds(measured: Sequence[Found]) -> Table:
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
    return Table("throughput-bounds", caption, BOUNDS, tuple(_bound(each) for each in measured), below)


def _bound(each: Found) -> Row:
    turns, flops = each["turns"], each["flops"]
    alone, step, peak = (spread(turns[name]["times"]) for name in ("own", "full", "peak"))
    cells = (
        Cell(text=each["shape"]),
        Cell(text=each["precision"]),
        Cell(1000 * peak.median * flops / each["peak_flops"], notes=_doubt(peak.wide)),
        Cell(1000 * alone.median, notes=_doubt(alone.wide)),
        Cell(1000 * step.median, notes=_doubt(step.wide)),
        _cell(share_of_peak(each), 100),
        _cell(share_of_peak(each, of="full"), 100),
        _cell(relative_cost(each), 100),
    )
    return Row(f"{each['shape']}-{each['precision']}", cells)


def _compared(compared: Sequence[Found]) -> Table:
    caption = (
        "Two ways of the full model's training step, in turns: of A over B, the images a second of A (second ms) over "
        "those of B (first ms); where several seeds are in one step, ms are those of the whole step."
    )
    return Table("throughput-comparisons", caption, COMPARED, tuple(_pair(each) for each in compared))


def _pair(each: Found) -> Row:
    front = (Cell(text=each["about"]), Cell(text=each["shape"]), Cell(text=each["precision"]))
    key = f"{each['name']}-{each['shape']}-{each['precision']}"
    if each["failure"]:
        return Row(key, (*front, gap(each["failure"]), gap(), gap()))
    first, second = (each["turns"][name]["times"] for name in ("first", "second"))
    of_first, of_second = spread(first), spread(second)
    numbers = (
        _cell(paired_ratio(first, second, each["gain"])),
        Cell(1000 * of_first.median, notes=_doubt(of_first.wide)),
        Cell(1000 * of_second.median, notes=_doubt(of_second.wide)),
    )
    return Row(key, (*front, *numbers))
