"""What a throughput run holds, and how each of it is measured: raw times in turns with what they are compared with.

Every measurement alternates with a square matrix product of the same precision, which says what the device can do at
that moment, and with the full model's, so that both ratios are taken round by round.
"""

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import torch

from ablations.variants import Variant, find
from benchmark.throughput.comparisons import COMPARISONS
from benchmark.throughput.neighbours import Neighbours
from benchmark.throughput.profiles import Part, profiled
from benchmark.throughput.shapes import Shape
from benchmark.throughput.timing import Clock, Timed, Work, take_turns
from benchmark.throughput.workloads import PeakProduct, Workbench, operations, peak_memory, peak_product, warm_up_calls
from dazle.config import Settings
from dazle.training.fit import DTYPES

FULL_MODEL = "dazle"
WORKS = ("step", "inference")
# tf32 is float32 in memory; only products on a GPU's tensor cores are rounded.
PRECISIONS = {"float32": "float32", "tf32": "float32", "bf16": "bf16"}


@dataclass(frozen=True)
class Row:
    """A variant on one shape, and the other names whose operations are the same; operations of its two works."""

    variant: Variant
    same: tuple[str, ...]
    flops: dict[str, int]


@dataclass(frozen=True)
class Measured:
    """Times of one piece of `work`; `turns` has its own, those of the peak product, and of the full model's work.

    For the full model `turns` has no `full`. `memory`: bytes at the peak, None where it was not asked for;
    `taken_by_others`: share of the processors' time, as `neighbours` has it.
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
    turns: dict[str, Timed]
    taken_by_others: float | None


@dataclass(frozen=True)
class Compared:
    """Times of two ways, `first` and `second`, or why there are none; `gain`: as `Comparison` has it."""

    name: str
    about: str
    shape: str
    precision: str
    gain: int
    turns: dict[str, Timed]
    failure: str | None
    taken_by_others: float | None


@dataclass(frozen=True)
class Profiled:
    """The parts of one step of the full model, those that take longest first."""

    shape: str
    precision: str
    parts: list[Part]


def distinct_rows(shape: Shape, variants: Sequence[Variant]) -> list[Row]:
    """Variants whose training step does the same operations on the same shapes are one row, under the first's name."""
    found: dict[object, Row] = {}
    for variant in variants:
        bench = Workbench(shape, settings_of(shape, variant, "float32"), "cpu")
        done = {work: operations(getattr(bench, work)) for work in WORKS}
        key = tuple(done[work].trace for work in WORKS)
        if key in found:
            found[key] = Row(found[key].variant, (*found[key].same, variant.name), found[key].flops)
        else:
            found[key] = Row(variant, (), {work: done[work].flops for work in WORKS})
    return list(found.values())


def settings_of(shape: Shape, variant: Variant, precision: str) -> Settings:
    """The settings of a variant on a shape, as a run would have them, in a precision of `PRECISIONS`."""
    return shape.settings.changed(variant.changes).changed({"training.precision": PRECISIONS[precision]})


class Bench:
    """Measures on one device with one clock, `seconds` for each piece of work; a context, for it keeps a process."""

    def __init__(self, device: str, clock: Clock, seconds: float) -> None:
        self.device, self.clock, self.seconds = device, clock, seconds

    def __enter__(self) -> Self:
        # A process of its own for each on a CPU, whose peak is that of the whole process; a server that has imported
        # what they need makes them quickly.
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        context.set_forkserver_preload(["benchmark.throughput.workloads"])
        tasks = 1 if self.device == "cpu" else None
        self.processes = ProcessPoolExecutor(1, context, max_tasks_per_child=tasks)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.processes.shutdown(cancel_futures=True)

    def peak(self, precision: str) -> PeakProduct:
        """The matrix product that the device does fastest in that precision."""
        return peak_product(self.device, DTYPES[PRECISIONS[precision]], self.clock)

    def measure(self, shape: Shape, row: Row, precision: str, work: str, peak: PeakProduct) -> Measured:
        """One variant's step or inference, beside the full model's and the peak product."""
        settings = settings_of(shape, row.variant, precision)
        threads = torch.get_num_threads()
        memory = self.processes.submit(peak_memory, shape, settings, self.device, threads, work).result()
        works = {"peak": peak.work, "own": getattr(Workbench(shape, settings, self.device), work)}
        if row.variant.name != FULL_MODEL:
            works["full"] = getattr(self._full(shape, precision), work)
        turns, taken = self._turns(works)
        return Measured(
            shape.name, precision, work, row.variant.name, row.same, shape.batch,
            row.flops[work], peak.flops, memory, turns, taken,
        )  # fmt: skip

    def products(self, shape: Shape, precision: str, peak: PeakProduct) -> Measured:
        """The two products that no step of the full model avoids, beside the whole step."""
        full = self._full(shape, precision)
        turns, taken = self._turns({"peak": peak.work, "own": full.products, "full": full.step})
        return Measured(
            shape.name, precision, "products", FULL_MODEL, (), shape.batch,
            shape.product_flops, peak.flops, None, turns, taken,
        )  # fmt: skip

    def profile(self, shape: Shape, precision: str) -> Profiled:
        """The full model's step, launched operation by operation on a GPU too."""
        return Profiled(shape.name, precision, profiled(self._full(shape, precision).ungraphed_step, self.device))

    def compare(self, shape: Shape, name: str, precision: str) -> Compared:
        """Two ways of the full model's step; a way that cannot be had here is a line, not the end of the run."""
        comparison, failure = COMPARISONS[name], None
        turns: dict[str, Timed] = {}
        taken = None
        try:
            first, second = comparison.make(shape, settings_of(shape, find(FULL_MODEL), precision), self.device)
            turns, taken = self._turns({"first": first, "second": second})
        except Exception as error:
            failure = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        return Compared(name, comparison.about, shape.name, precision, comparison.gain, turns, failure, taken)

    def _full(self, shape: Shape, precision: str) -> Workbench:
        return Workbench(shape, settings_of(shape, find(FULL_MODEL), precision), self.device)

    def _turns(self, works: Mapping[str, Work]) -> tuple[dict[str, Timed], float | None]:
        for work in [*works.values()] * warm_up_calls(self.device):
            work()
        watch = Neighbours()
        return take_turns(works, self.clock, self.seconds), watch.taken()
