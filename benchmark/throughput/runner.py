"""`throughput`: from options to tables of speed, memory and share of the device's peak.

The rule: raw times go into `throughput.json`, and every statistic of the tables is computed from that file.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from ablations.variants import Variant, select
from benchmark import machine
from benchmark.machine import choose_device
from benchmark.progress import duration, progress
from benchmark.throughput.comparisons import COMPARISONS
from benchmark.throughput.measurements import (
    WORKLOADS,
    ComparisonMeasurement,
    DistinctVariant,
    Measurement,
    Measurer,
    StepProfile,
    distinct_variants,
    with_step,
)
from benchmark.throughput.options import Options
from benchmark.throughput.shapes import Shape, find_shapes
from benchmark.throughput.system_state import system_state
from benchmark.throughput.timing import device_clock
from dazle.errors import InputError
from dazle.files import write_atomic

FORMAT = 2

Result = Measurement | ComparisonMeasurement | StepProfile


@dataclass(frozen=True)
class Results:
    """The content of `throughput.json`: all measurements, where they were made, and the state of the machine."""

    format: int
    environment: dict[str, Any]
    conditions: dict[str, Any]
    shapes: dict[str, dict[str, int]]
    measured: list[Measurement]
    compared: list[ComparisonMeasurement]
    profiled: list[StepProfile]


def run(options: Options) -> str:
    """Measures, writes throughput.json, .csv and .md and comparisons.csv into `options.out`, and returns the Markdown.

    Raises InputError, before anything is measured, if an option is not valid or `options.out` holds results already.
    """
    from reports.page.throughput_page import page
    from reports.tables.throughput import comparisons, results

    device = choose_device(options.device)
    shapes, variants = _check(options, device)
    with _torch_threads(options.threads):
        content = asdict(_measure(options, shapes, variants, device))
    text = page(content)
    write_atomic(options.out / "throughput.json", json.dumps(content, allow_nan=False))
    write_atomic(options.out / "throughput.csv", results(content).to_csv(index=False))
    if content["compared"]:
        write_atomic(options.out / "comparisons.csv", comparisons(content).to_csv(index=False))
    write_atomic(options.out / "throughput.md", text)
    return text


def _check(options: Options, device: str) -> tuple[list[Shape], list[Variant]]:
    """The shapes and variants that the options name. Raises InputError for the first option that is not valid."""
    if "tf32" in options.precisions and device == "cpu":
        raise InputError("--precision tf32: is for GPUs; use float32 or bf16 on a CPU")
    shapes, rows = find_shapes(options.shapes), select(options.variants)
    variants = with_step(rows)
    without_step = [row.name for row in rows if row not in variants]
    if options.variants and without_step:
        raise InputError(
            f"--variants {', '.join(without_step)}: no training step on regions to measure; choose other variants"
        )
    if (options.out / "throughput.json").exists() and not options.overwrite:
        raise InputError(f"--out {options.out}: holds measurements already; choose another or add --overwrite")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {options.out} cannot be written ({error.strerror}); choose another folder") from None
    if not os.access(options.out, os.W_OK):
        raise InputError(f"--out {options.out} cannot be written; choose another folder")
    return shapes, variants


def _measure(options: Options, shapes: Sequence[Shape], variants: Sequence[Variant], device: str) -> Results:
    states = []
    results: list[Result] = []
    with (
        progress("throughput") as update,
        Measurer(device, device_clock(device), options.seconds) as measurer,
    ):
        distinct = {}
        for number, shape in enumerate(shapes, start=1):
            distinct[shape.name] = distinct_variants(shape, variants)
            update("counting operations of", number, len(shapes))
        total = _announce(options, distinct, device)
        for shape, precision in product(shapes, options.precisions):
            states.append(system_state(device))
            comparisons = _applicable_comparisons(options, precision, device)
            for result in _measure_shape(measurer, shape, precision, distinct[shape.name], comparisons):
                results.append(result)
                update("measuring", len(results), total)
    states.append(system_state(device))
    return Results(
        FORMAT, machine.describe(device), _conditions(options, device, states),
        {shape.name: shape.sizes() for shape in shapes},
        [result for result in results if isinstance(result, Measurement)],
        [result for result in results if isinstance(result, ComparisonMeasurement)],
        [result for result in results if isinstance(result, StepProfile)],
    )  # fmt: skip


def _conditions(options: Options, device: str, states: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`states`: of the machine, before the first shape and after each."""
    import torch

    on_cpu = device == "cpu"
    return {
        "device": device,
        "capability": torch.backends.cpu.get_cpu_capability() if on_cpu else torch.cuda.get_device_capability(),
        "threads": torch.get_num_threads(),
        "seconds": options.seconds,
        "compile_mode": "default",
        "moments": states,
    }


def _announce(options: Options, distinct: Mapping[str, Sequence[DistinctVariant]], device: str) -> int:
    """Prints the number of measurements and the least time they take, and returns the number."""
    # Beside the variants of a shape, the full model's products and its profile are measured.
    per_precision = sum(len(WORKLOADS) * len(variants) + 2 for variants in distinct.values())
    applicable = [_applicable_comparisons(options, precision, device) for precision in options.precisions]
    total = per_precision * len(options.precisions) + sum(map(len, applicable)) * len(distinct)
    for name in options.comparisons:
        if not any(name in names for names in applicable):
            print(f"{name} is not compared: not on {device} in {', '.join(options.precisions)}", file=sys.stderr)
    # Nearly every measurement times three workloads.
    least = duration(3 * options.seconds * total)
    print(f"{total} measurements, {least} at least (--seconds {options.seconds:g} for each work)", file=sys.stderr)
    return total


def _measure_shape(
    measurer: Measurer, shape: Shape, precision: str, variants: Sequence[DistinctVariant], comparisons: Sequence[str]
) -> Iterator[Result]:
    with _matmul_precision(precision):
        peak = measurer.peak(precision)
        for variant, workload in product(variants, WORKLOADS):
            yield measurer.measure(shape, variant, precision, workload, peak)
        yield measurer.products(shape, precision, peak)
        yield measurer.profile(shape, precision)
        for name in comparisons:
            yield measurer.compare(shape, name, precision)


def _applicable_comparisons(options: Options, precision: str, device: str) -> list[str]:
    comparisons = {name: COMPARISONS[name] for name in options.comparisons}
    return [
        name
        for name, comparison in comparisons.items()
        if precision in comparison.precisions and device in comparison.devices
    ]


@contextmanager
def _torch_threads(threads: int | None) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _matmul_precision(precision: str) -> Iterator[None]:
    """On a GPU, products of float32 are computed in float32, or in TF32 if that is the precision measured."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
