"""The measurements of a throughput run: one workload of a variant, two forms of the step, the profile of the step.

The rule: a workload takes turns with a square matrix product of the same precision, whose rate is the device's peak at
that moment, and with the full model's workload, so that both ratios can be taken round by round.
"""

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import torch

from ablations.methods import METHODS, load_method
from ablations.variants import Variant, find
from benchmark.throughput.comparisons import COMPARISONS
from benchmark.throughput.operations import OperationTime, count_operations, profile_operations
from benchmark.throughput.shapes import SIMULATED, Shape
from benchmark.throughput.system_state import OtherProcesses
from benchmark.throughput.timing import Clock, Timing, Workload, time_in_turns
from benchmark.throughput.workloads import ModelWorkloads, PeakProduct, peak_memory, peak_product, warm_up_calls
from dazle.config import MethodSettings
from dazle.training.task import DTYPES

FULL_MODEL = "dazle"
WORKLOADS = ("step", "inference")
# tf32 is float32 in memory; only products on a GPU's tensor cores are rounded.
PRECISIONS = {"float32": "float32", "tf32": "float32", "bf16": "bf16"}


@dataclass(frozen=True)
class DistinctVariant:
    """A variant on one shape, the names of variants that do the same operations, and the operations by workload."""

    variant: Variant
    same: tuple[str, ...]
    flops: dict[str, int]


# The fields of the three classes below are keys of throughput.json.


@dataclass(frozen=True)
class Measurement:
    """Times of one workload: `turns` has its `own`, those of the `peak` product, and those of the `full` model.

    For the full model `turns` has no `full`. `memory`: bytes at the peak, None if it was not measured;
    `taken_by_others`: share of the processors' time that other processes took.
    """

    shape: str
    precision: str
    work: str
    variant: str
    same: tuple[str, ...]
    batch: int
    flops: int
    peak_flops: int
    memory: int | None
    turns: dict[str, Timing]
    taken_by_others: float | None


@dataclass(frozen=True)
class ComparisonMeasurement:
    """Times of the `first` and the `second` form, or the reason of their absence; `gain`: as in `Comparison`."""

    name: str
    about: str
    shape: str
    precision: str
    gain: int
    turns: dict[str, Timing]
    failure: str | None
    taken_by_others: float | None


@dataclass(frozen=True)
class StepProfile:
    """The operations of one training step of the full model, the longest first."""

    shape: str
    precision: str
    parts: list[OperationTime]


def distinct_variants(shape: Shape, variants: Sequence[Variant]) -> list[DistinctVariant]:
    """Variants whose training step does the same operations on the same shapes are one, under the name of the first."""
    distinct: dict[object, DistinctVariant] = {}
    for variant in variants:
        workloads = ModelWorkloads(shape, variant_settings(shape, variant, "float32"), "cpu", variant.method)
        workloads.inference()  # the first one makes the scorer
        operations = {name: count_operations(getattr(workloads, name)) for name in WORKLOADS}
        traces = tuple(operations[name].trace for name in WORKLOADS)
        if traces in distinct:
            first = distinct[traces]
            distinct[traces] = DistinctVariant(first.variant, (*first.same, variant.name), first.flops)
        else:
            flops = {name: operations[name].flops for name in WORKLOADS}
            distinct[traces] = DistinctVariant(variant, (), flops)
    return list(distinct.values())


def with_step(variants: Sequence[Variant]) -> list[Variant]:
    """The variants on regions whose method is trained step by step: the others have no step to measure."""
    return [
        variant
        for variant in variants
        if METHODS[variant.method].reads == "regions" and hasattr(load_method(variant.method), "step")
    ]


def variant_settings(shape: Shape, variant: Variant, precision: str) -> MethodSettings:
    """The settings of a variant on a shape, equal to those of a run, in a precision of `PRECISIONS`."""
    settings: MethodSettings = shape.settings
    if variant.method != FULL_MODEL:
        preset = load_method(variant.method).Settings.preset
        settings = preset(shape.name.removeprefix(SIMULATED), simulated=shape.name.startswith(SIMULATED))
    return settings.changed(variant.changes).changed({"training.precision": PRECISIONS[precision]})


class Measurer:
    """Measures on one device with one clock, `seconds` for each workload. A context manager: it owns a process."""

    def __init__(self, device: str, clock: Clock, seconds: float) -> None:
        self.device, self.clock, self.seconds = device, clock, seconds

    def __enter__(self) -> Self:
        # On a CPU each measurement of memory has its own process, because a peak is that of the whole process. A
        # server that has imported what they need starts them quickly.
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        context.set_forkserver_preload(["benchmark.throughput.workloads"])
        tasks = 1 if self.device == "cpu" else None
        self.processes = ProcessPoolExecutor(1, context, max_tasks_per_child=tasks)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.processes.shutdown(cancel_futures=True)

    def peak(self, precision: str) -> PeakProduct:
        """The fastest matrix product of the device in that precision."""
        return peak_product(self.device, DTYPES[PRECISIONS[precision]], self.clock)

    def measure(
        self, shape: Shape, distinct: DistinctVariant, precision: str, name: str, peak: PeakProduct
    ) -> Measurement:
        """A variant's workload (`name` is one of `WORKLOADS`), in turns with the full model's and the peak product."""
        settings = variant_settings(shape, distinct.variant, precision)
        threads = torch.get_num_threads()
        method = distinct.variant.method
        memory = self.processes.submit(peak_memory, shape, settings, self.device, threads, name, method).result()
        own = ModelWorkloads(shape, settings, self.device, method)
        workloads = {"peak": peak.workload, "own": getattr(own, name)}
        if distinct.variant.name != FULL_MODEL:
            workloads["full"] = getattr(self._full_model(shape, precision), name)
        turns, others = self._time(workloads)
        return Measurement(
            shape.name, precision, name, distinct.variant.name, distinct.same, shape.batch,
            distinct.flops[name], peak.flops, memory, turns, others,
        )  # fmt: skip

    def products(self, shape: Shape, precision: str, peak: PeakProduct) -> Measurement:
        """The two products that no step of the full model avoids, in turns with the whole step."""
        full = self._full_model(shape, precision)
        turns, others = self._time({"peak": peak.workload, "own": full.products, "full": full.step})
        return Measurement(
            shape.name, precision, "products", FULL_MODEL, (), shape.batch,
            shape.product_flops, peak.flops, None, turns, others,
        )  # fmt: skip

    def profile(self, shape: Shape, precision: str) -> StepProfile:
        """The full model's step, launched operation by operation on a GPU too."""
        step = self._full_model(shape, precision).ungraphed_step
        return StepProfile(shape.name, precision, profile_operations(step, self.device))

    def compare(self, shape: Shape, name: str, precision: str) -> ComparisonMeasurement:
        """Two forms of the full model's step. If one fails on this machine, `failure` is its error."""
        comparison, failure = COMPARISONS[name], None
        turns: dict[str, Timing] = {}
        others = None
        try:
            settings: Any = variant_settings(shape, find(FULL_MODEL), precision)
            first, second = comparison.make(shape, settings, self.device)
            turns, others = self._time({"first": first, "second": second})
        except Exception as error:
            failure = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        return ComparisonMeasurement(
            name, comparison.about, shape.name, precision, comparison.gain, turns, failure, others
        )

    def _full_model(self, shape: Shape, precision: str) -> ModelWorkloads:
        return ModelWorkloads(shape, variant_settings(shape, find(FULL_MODEL), precision), self.device)

    def _time(self, workloads: Mapping[str, Workload]) -> tuple[dict[str, Timing], float | None]:
        """The measured times, and the share of CPU used by other processes."""
        for workload in [*workloads.values()] * warm_up_calls(self.device):
            workload()
        others = OtherProcesses()
        return time_in_turns(workloads, self.clock, self.seconds), others.share()
