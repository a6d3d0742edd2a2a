"""The Markdown page of a throughput run: machine and conditions, warnings, and the tables."""

from collections.abc import Sequence
from typing import Any

from reports.tables.throughput import tables
from reports.tables.throughput_profile import Json
from reports.writers import markdown

# The page warns if other processes took more than this share of the processors.
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


def page(content: Json) -> str:
    """The page, from the content of `throughput.json`."""
    return markdown.document(tables(content), "Throughput", notes(content))


def notes(content: Json) -> list[str]:
    """Machine, versions, definitions, conditions and warnings."""
    environment, conditions = content["environment"], content["conditions"]
    device = (
        environment["device"]
        if conditions["device"] == "cuda"
        else f"{environment['processor']}, threads: {conditions['threads']}"
    )
    versions = f"torch {environment['versions']['torch']}, Python {environment['python']}, {environment['system']}"
    code = f"dazle-benchmark {environment['package']}, commit {environment['commit'] or 'unknown'}"
    return [
        f"Measured on {device} ({conditions['capability']}).",
        f"{versions}; {code}.",
        *DEFINITIONS,
        f"memory: {MEMORY[conditions['device']]}.",
        *_moments(conditions["moments"]),
        *_busy_warning(content),
    ]


def _moments(moments: Sequence[Json]) -> list[str]:
    """Load, clocks and other users of the machine between shapes."""
    values = {
        "load": [moment["load"] for moment in moments if moment["load"] is not None],
        "processor clock in MHz": [moment["clock_mhz"] for moment in moments if moment["clock_mhz"] is not None],
    }
    for key in ("clocks.sm", "clocks.max.sm", "other_processes"):
        values[f"GPU {key}"] = [moment["gpu"][key] for moment in moments if moment["gpu"]]
    parts = [f"{name} {', '.join(map(_number, numbers))}" for name, numbers in values.items() if numbers]
    return [f"Between shapes: {'; '.join(parts)}."] if parts else []


def _number(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _busy_warning(content: Json) -> list[str]:
    shares = [part["taken_by_others"] for part in (*content["measured"], *content["compared"])]
    most = max((share for share in shares if share is not None), default=0.0)
    if most <= BUSY:
        return []
    return [
        f"WARNING: other processes took up to {most:.0%} of the processors during a measurement. Ratios were taken in "
        "turns and hold better than times do; for times, measure again on a quiet machine."
    ]
