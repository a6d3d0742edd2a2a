"""The table of where a training step spends its time, from the profile in a run's `throughput.json`."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.table import Cell, Column, Row, Table

Found = Mapping[str, Any]

PROFILED = (
    Column("shape", kind="text"),
    Column("precision", kind="text"),
    Column("operation", kind="text"),
    Column("sizes", kind="text"),
    Column("calls", digits=0),
    Column("ms", digits=2),
    Column("% of all", digits=0),
)
LONGEST = 6


def profiles(found: Found) -> list[Table]:
    """The table, or none where nothing was profiled; `found`: the content of `throughput.json`."""
    caption = (
        f"Where one training step of the full model spends its time: the {LONGEST} operations that take longest, by "
        "torch's profiler, each without what it calls."
    )
    below = ["sizes: of the tensors that an operation reads."]
    if found["conditions"]["device"] == "cuda":
        below.append("The time is that of kernels: what the step takes beyond all of them goes to launching.")
    rows = tuple(row for each in found["profiled"] for row in _profile(each))
    return [Table("throughput-profile", caption, PROFILED, rows, tuple(below))] if rows else []


def _profile(each: Found) -> list[Row]:
    parts, total = each["parts"], sum(part["seconds"] for part in each["parts"])
    lines = [(part["operation"], _sizes(part["sizes"]), [part]) for part in parts[:LONGEST]]
    lines += [(f"{len(parts[LONGEST:])} others", "", parts[LONGEST:]), ("all", "", parts)]
    rows: list[Row] = []
    for name, sizes, of_line in lines:
        calls, seconds = (sum(part[key] for part in of_line) for key in ("calls", "seconds"))
        front = tuple(Cell(text=text) for text in (each["shape"], each["precision"], name, sizes))
        numbers = (Cell(calls), Cell(1000 * seconds), Cell(100 * seconds / total))
        rows.append(Row(f"{each['shape']}-{each['precision']}-{len(rows)}", (*front, *numbers)))
    return rows


def _sizes(sizes: Sequence[Sequence[int]]) -> str:
    """`450 x 64, 64 x 144`; how many models are trained side by side, which is one here, is not said."""
    return ", ".join(" x ".join(str(size) for size in each[each[0] == 1 and len(each) > 2 :]) for each in sizes)
