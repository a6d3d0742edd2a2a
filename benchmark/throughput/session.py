"""`python -m benchmark throughput`: what variants cost on this device, and how close that is to what it can do.

The rule: raw times go into `throughput.json`, and every statistic of the tables derives from that file's content.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

from ablations.variants import VARIANTS, Variant, find
from benchmark import machine as environment
from benchmark.machine import choose_device
from benchmark.progress import duration, progress
from benchmark.throughput import neighbours
from benchmark.throughput.comparisons import COMPARISONS
from benchmark.throughput.measurements import WORKS, Bench, Compared, Measured, Profiled, Row, distinct_rows
from benchmark.throughput.options import Options
from benchmark.throughput.shapes import Shape, shapes
from benchmark.throughput.timing import clock_of
from dazle.errors import InputError
from dazle.files import write_atomic

FORMAT = 2

One = Measured | Compared | Profiled


@dataclass(frozen=True)
class Results:
    """All that was measured, where, and what else the device did meanwhile; `throughput.json` holds exactly this."""

    format: int
    environment: dict[str, Any]
    conditions: dict[str, Any]
    shapes: dict[str, dict[str, int]]
    measured: list[Measured]
    compared: list[Compared]
    profiled: list[Profiled]


def run(options: Options) -> str:
    """Measures, writes throughput.json, .csv and .md and comparisons.csv into `options.out`, and returns the Markdown.

    Raises InputError, before anything is measured, for an option that is not valid and for results in the way.
    """
    from reports.page.throughput_page import page
    from reports.tables.throughput import comparisons, results

    device = choose_device(options.device)
    chosen, variants = _checked(options, device)
    with _threads(options.threads):
        found = asdict(_measure(options, chosen, variants, device))
    text = page(found)
    write_atomic(options.out / "throughput.json", json.dumps(found, allow_nan=False))
    write_atomic(options.out / "throughput.csv", results(found).to_csv(index=False))
    if found["compared"]:
        write_atomic(options.out / "comparisons.csv", comparisons(found).to_csv(index=False))
    write_atomic(options.out / "throughput.md", text)
    return text


def _checked(options: Options, device: str) -> tuple[list[Shape], list[Variant]]:
    if "tf32" in options.precisions and device == "cpu":
        raise InputError("--precision tf32: is for GPUs; use float32 or bf16 on a CPU")
    chosen, variants = shapes(options.shapes), _variants(options.variants)
    if (options.out / "throughput.json").exists() and not options.overwrite:
        raise InputError(f"--out {options.out}: holds measurements already; choose another or add --overwrite")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {options.out} cannot be written ({error.strerror}); choose another folder") from None
    if not os.access(options.out, os.W_OK):
        raise InputError(f"--out {options.out} cannot be written; choose another folder")
    return chosen, variants


def _variants(patterns: Sequence[str]) -> list[Variant]:
    """In the order of the registry."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in VARIANTS):
            find(pattern)
    chosen = [name for name in VARIANTS if any(fnmatchcase(name, pattern) for pattern in patterns or ["*"])]
    return [VARIANTS[name] for name in chosen]


def _measure(options: Options, chosen: Sequence[Shape], variants: Sequence[Variant], device: str) -> Results:
    import torch

    moments = []
    found: list[One] = []
    with progress("throughput") as told, Bench(device, clock_of(device), options.seconds) as bench:
        rows = {}
        for number, shape in enumerate(chosen, start=1):
            rows[shape.name] = distinct_rows(shape, variants)
            told("counting operations of", number, len(chosen))
        total = _announced(options, rows, device)
        for shape, precision in product(chosen, options.precisions):
            moments.append(neighbours.moment(device))
            for result in _of_shape(bench, shape, precision, rows[shape.name], _applicable(options, precision, device)):
                found.append(result)
                told("measuring", len(found), total)
    moments.append(neighbours.moment(device))
    conditions = {
        "device": device,
        "capability": torch.backends.cpu.get_cpu_capability()
        if device == "cpu"
        else torch.cuda.get_device_capability(),
        "threads": torch.get_num_threads(),
        "seconds": options.seconds,
        "compile_mode": "default",
        "moments": moments,
    }
    return Results(
        FORMAT, environment.describe(), conditions, {shape.name: shape.sizes() for shape in chosen},
        [each for each in found if isinstance(each, Measured)], [each for each in found if isinstance(each, Compared)],
        [each for each in found if isinstance(each, Profiled)],
    )  # fmt: skip


def _announced(options: Options, rows: Mapping[str, Sequence[Row]], device: str) -> int:
    """How many measurements there will be, said with the least that they take."""
    # The full model's products and profile stand beside its rows.
    of_precision = sum(len(WORKS) * len(of_shape) + 2 for of_shape in rows.values())
    compared = sum(len(_applicable(options, precision, device)) for precision in options.precisions)
    total = of_precision * len(options.precisions) + compared * len(rows)
    known = {name for precision in options.precisions for name in _applicable(options, precision, device)}
    for name in options.comparisons:
        if name not in known:
            print(f"{name} is not compared: not on {device} in {', '.join(options.precisions)}", file=sys.stderr)
    # Three pieces of work take turns in nearly all of them.
    least = duration(3 * options.seconds * total)
    print(f"{total} measurements, {least} at least (--seconds {options.seconds:g} for each work)", file=sys.stderr)
    return total


def _of_shape(
    bench: Bench, shape: Shape, precision: str, rows: Sequence[Row], comparisons: Sequence[str]
) -> Iterator[One]:
    with _products_in(precision):
        peak = bench.peak(precision)
        for row, work in product(rows, WORKS):
            yield bench.measure(shape, row, precision, work, peak)
        yield bench.products(shape, precision, peak)
        yield bench.profile(shape, precision)
        for name in comparisons:
            yield bench.compare(shape, name, precision)


def _applicable(options: Options, precision: str, device: str) -> list[str]:
    known = {name: COMPARISONS[name] for name in options.comparisons}
    return [name for name, each in known.items() if precision in each.precisions and device in each.devices]


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _products_in(precision: str) -> Iterator[None]:
    """On a GPU, products of float32 are of float32 unless TF32 is what is measured."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
