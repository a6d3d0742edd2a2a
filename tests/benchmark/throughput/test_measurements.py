"""What is timed in each measurement, and the variants that are measured once because they do the same operations."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ablations.variants import VARIANTS, find
from benchmark.throughput import measurements
from benchmark.throughput.comparisons import Comparison
from benchmark.throughput.measurements import Measurer, distinct_variants, variant_settings, with_step
from benchmark.throughput.shapes import find_shapes
from benchmark.throughput.timing import Clock, Timing, Workload
from benchmark.throughput.workloads import PeakProduct

TINY = find_shapes(["simulated-sun"])[0]
PEAK = PeakProduct(512, 1234, lambda: None)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """The workloads that were to be timed; none is."""
    calls: list[Mapping[str, Any]] = []

    def time_in_turns(workloads: Mapping[str, Workload], clock: Clock, seconds: float) -> dict[str, Timing]:
        calls.append(workloads)
        return {name: Timing(1, [1.0], [1.0]) for name in workloads}

    monkeypatch.setattr(measurements, "time_in_turns", time_in_turns)
    return calls


@pytest.fixture
def measurer() -> Measurer:
    """Measures memory in a thread of this process."""
    measurer = Measurer("cpu", lambda workload, calls: 1.0, 0.1)
    measurer.processes = ThreadPoolExecutor(1)  # type: ignore[assignment]
    return measurer


def is_method(workload: Any, name: str, variant: str) -> bool:
    settings = variant_settings(TINY, find(variant), "bf16")
    return workload.__name__ == name and workload.__self__.settings == settings


@pytest.mark.parametrize("name", ["step", "inference"])
def test_a_variant_takes_turns_with_the_full_model_and_the_peak(
    name: str, measurer: Measurer, timed: list[Mapping[str, Any]]
) -> None:
    full, uniform = distinct_variants(TINY, [find("dazle"), find("uniform")])
    measurement = measurer.measure(TINY, uniform, "bf16", name, PEAK)
    assert list(measurement.turns) == ["peak", "own", "full"]
    assert timed[0]["peak"] is PEAK.workload
    assert is_method(timed[0]["own"], name, "uniform")
    assert is_method(timed[0]["full"], name, "dazle")
    assert (measurement.work, measurement.variant) == (name, "uniform")
    assert (measurement.flops, measurement.peak_flops) == (uniform.flops[name], 1234)
    assert "full" not in measurer.measure(TINY, full, "bf16", name, PEAK).turns
    assert is_method(timed[1]["own"], name, "dazle")


def test_the_two_products_take_turns_with_the_whole_step(measurer: Measurer, timed: list[Mapping[str, Any]]) -> None:
    measurement = measurer.products(TINY, "bf16", PEAK)
    assert timed[0]["peak"] is PEAK.workload
    assert is_method(timed[0]["own"], "products", "dazle")
    assert is_method(timed[0]["full"], "step", "dazle")
    assert (measurement.flops, measurement.peak_flops) == (TINY.product_flops, 1234)


def test_the_two_forms_of_a_comparison_take_turns(
    measurer: Measurer, timed: list[Mapping[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def first() -> None: ...
    def second() -> None: ...

    settings = variant_settings(TINY, find("dazle"), "bf16")
    pairs = {(TINY, settings, "cpu"): (first, second)}
    comparison = Comparison("second over first", lambda *arguments: pairs[arguments], gain=3)
    monkeypatch.setitem(measurements.COMPARISONS, "new", comparison)
    measurement = measurer.compare(TINY, "new", "bf16")
    assert timed == [{"first": first, "second": second}]
    assert (measurement.about, measurement.gain, measurement.failure) == ("second over first", 3, None)


def test_variants_with_the_same_operations_are_one_row() -> None:
    names = ("dazle", "no-test-margin", "lambda-0.01", "lambda-0", "uniform", "one-hot")
    distinct = distinct_variants(TINY, [find(name) for name in names])
    assert {row.variant.name: row.same for row in distinct} == {
        "dazle": ("no-test-margin", "lambda-0.01"), "lambda-0": (), "uniform": (), "one-hot": (),
    }  # fmt: skip


def test_every_variant_has_a_row() -> None:
    variants = with_step(list(VARIANTS.values()))
    distinct = distinct_variants(TINY, variants)
    names = sorted(variant.name for variant in variants)
    assert sorted(name for row in distinct for name in (row.variant.name, *row.same)) == names
    assert all(row.flops["step"] > row.flops["inference"] > 0 for row in distinct)
