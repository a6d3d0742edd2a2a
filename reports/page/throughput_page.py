"""The Markdown page of a throughput run: where and how it was measured, what to doubt, and the tables."""

from typing import Any

from reports.tables.throughput import tables
from reports.tables.throughput_profile import Found
from reports.writers import markdown

# A share of the processors that other processes took from which the page warns.
BUSY = 0.1
DEFINITIONS = (
    "images/s: of the median block of calls; spread: the interquartile range of the blocks over their median. p50 and "
    "p95: of single calls.",
    "GFLOP: operations of the matrix products of a call, counted. % of peak: their rate over that of the fastest "
    "square matrix product of the same precision, in turns with the row.",
    "relative cost: time over that of the full model, in turns with it. In brackets: the 95 % interval of "
    "the median over rounds.",
)
MEMORY = {
    "cpu": "the peak of a process that does nothing else, Python and torch included",
    "cuda": "the most that was allocated on the GPU",
}


def page(found: Found) -> str:
    """From the content of `throughput.json`."""
    return markdown.document(tables(found), "Throughput", notes(found))


def notes(found: Found) -> list[str]:
    """Where and how it was measured, and what to doubt."""
    where, how = found["environment"], found["conditions"]
    device = where["device"] if how["device"] == "cuda" else f"{where['processor']}, threads: {how['threads']}"
    code = f"dazle-benchmark {where['package']}, commit {where['commit'] or 'unknown'}"
    return [
        f"Measured on {device} ({how['capability']}).",
        f"torch {where['versions']['torch']}, Python {where['python']}, {where['system']}; {code}.",
        *DEFINITIONS,
        f"memory: {MEMORY[how['device']]}.",
        *_moments(how),
        *_busy(found),
    ]


def _moments(how: Found) -> list[str]:
    """Load, clocks and other users as they were between shapes."""
    known = {
        "load": [m["load"] for m in how["moments"] if m["load"] is not None],
        "processor clock in MHz": [m["clock_mhz"] for m in how["moments"] if m["clock_mhz"] is not None],
    }
    for key in ("clocks.sm", "clocks.max.sm", "other_processes"):
        known[f"GPU {key}"] = [m["gpu"][key] for m in how["moments"] if m["gpu"]]
    said = [f"{name} {', '.join(_plain(value) for value in values)}" for name, values in known.items() if values]
    return [f"Between shapes: {'; '.join(said)}."] if said else []


def _plain(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _busy(found: Found) -> list[str]:
    taken = [each["taken_by_others"] for each in (*found["measured"], *found["compared"])]
    most = max((share for share in taken if share is not None), default=0.0)
    if most <= BUSY:
        return []
    return [
        f"WARNING: other processes took up to {most:.0%} of the processors during a measurement. Ratios were taken in "
        "turns and hold better than times do; for times, measure again on a quiet machine."
    ]
