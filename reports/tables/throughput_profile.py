"""The table of the operations that take the time of a training step, from the profiles of a `throughput.json`."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.table import Column, Table, TableCell, TableRow

Json = Mapping[str, Any]  # a `throughput.json`, or an object in it

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


def profiles(content: Json) -> list[Table]:
    """The table, in a list; empty if nothing was profiled."""
    caption = (
        f"Where one training step of the full model spends its time: the {LONGEST} operations that take longest, by "
        "torch's profiler, each without what it calls."
    )
    below = ["sizes: of the tensors that an operation reads."]
    if content["conditions"]["device"] == "cuda":
        below.append("The time is that of kernels: what the step takes beyond all of them goes to launching.")
    rows = tuple(row for profile in content["profiled"] for row in _profile_rows(profile))
    return [Table("throughput-profile", caption, PROFILED, rows, tuple(below))] if rows else []


def _profile_rows(profile: Json) -> list[TableRow]:
    parts, total = profile["parts"], sum(part["seconds"] for part in profile["parts"])
    lines = [(part["operation"], _sizes(part["sizes"]), [part]) for part in parts[:LONGEST]]
    lines += [(f"{len(parts[LONGEST:])} others", "", parts[LONGEST:]), ("all", "", parts)]
    rows: list[TableRow] = []
    for name, sizes, line_parts in lines:
        calls, seconds = (sum(part[key] for part in line_parts) for key in ("calls", "seconds"))
        front = tuple(TableCell(text=text) for text in (profile["shape"], profile["precision"], name, sizes))
        numbers = (TableCell(calls), TableCell(1000 * seconds), TableCell(100 * seconds / total))
        rows.append(TableRow(f"{profile['shape']}-{profile['precision']}-{len(rows)}", (*front, *numbers)))
    return rows


def _sizes(sizes: Sequence[Sequence[int]]) -> str:
    """`450 x 64, 64 x 144`, without the leading 1 of a tensor of more than two dimensions: the number of models."""
    shapes = (shape[1:] if len(shape) > 2 and shape[0] == 1 else shape for shape in sizes)
    return ", ".join(" x ".join(map(str, shape)) for shape in shapes)
