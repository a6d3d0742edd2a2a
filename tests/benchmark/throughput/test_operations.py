"""Counts of operations against numbers worked out by hand, and profiles of workloads whose operations are known."""

from types import SimpleNamespace

import pytest
import torch

from ablations.variants import find
from benchmark.throughput.measurements import variant_settings, with_step
from benchmark.throughput.operations import (
    PROFILED_CALLS,
    OperationTime,
    count_operations,
    operation_times,
    profile_operations,
)
from benchmark.throughput.shapes import find_shapes
from benchmark.throughput.workloads import ModelWorkloads


def flops(name: str, variant: str = "dazle") -> tuple[int, int]:
    """Operations of inference and of a step."""
    shape = find_shapes([name])[0]
    workloads = ModelWorkloads(shape, variant_settings(shape, find(variant), "float32"), "cpu")
    return count_operations(workloads.inference).flops, count_operations(workloads.step).flops


def test_operations_on_CUB_are_those_worked_out_by_hand() -> None:
    """V first. Forward: V W, 3 x 2 x 312 x 300 x 2048; the regions by it, 2 x 2450 x 2048 x 936; e Z', 2 x 50 x 312 x
    200. Back: the stack's gradient costs what the second did, V and W each what the first did, e what the third did;
    neither the regions nor Z have one."""
    stack, regions, classes = 1_150_156_800, 9_392_947_200, 6_240_000
    assert flops("cub") == (stack + regions + classes, 3 * stack + 2 * regions + 2 * classes)
    # Without attribute attention there are two maps in place of three.
    ungated = (2 * stack // 3 + 2 * regions // 3 + classes, 2 * stack + 4 * regions // 3 + 2 * classes)
    assert flops("cub", "dense-calibrated") == ungated
    # Uniform attention has two maps and sees 50 averages, so W goes first: 2 x 50 x 2048 x 600, then V.
    assert flops("cub", "uniform")[0] == 122_880_000 + 2 * 2 * 50 * 300 * 312 + classes


def test_operations_on_DeepFashion_are_those_worked_out_by_hand() -> None:
    """W first: the regions by W, 2 x 1764 x 2048 x 900, with its gradient; that by V, 3 x 2 x 1764 x 300 x 1000, with a
    gradient of both factors; e Z', 2 x 36 x 1000 x 46, with one of e."""
    regions, onward, classes = 6_502_809_600, 3_175_200_000, 3_312_000
    assert flops("deepfashion") == (regions + onward + classes, 2 * regions + 3 * onward + 2 * classes)


def test_the_bare_products_are_those_of_the_shape() -> None:
    shape = find_shapes(["sun"])[0]
    workloads = ModelWorkloads(shape, variant_settings(shape, find("dazle"), "float32"), "cpu")
    assert count_operations(workloads.products).flops == shape.product_flops == 2 * 2 * 2450 * 2048 * 306


def test_the_times_of_known_operations(capfd: pytest.CaptureFixture[str]) -> None:
    large, small = torch.rand(800, 500), torch.rand(500, 6)

    def workload() -> None:
        large @ large.T
        large @ small
        large @ small

    times = profile_operations(workload, "cpu")
    products = {time.sizes: time for time in times if time.operation == "mm"}
    assert times[0] is products[(800, 500), (500, 800)]
    assert products[(800, 500), (500, 800)].calls == 1
    assert products[(800, 500), (500, 6)].calls == 2
    assert [time.seconds for time in times] == sorted((time.seconds for time in times), reverse=True)
    assert capfd.readouterr() == ("", "")


def test_on_a_gpu_time_is_that_of_kernels_under_what_launched_them() -> None:
    """Averages as the profiler gives them there: operations, kernels of their own, and operations without kernels."""

    def event(key: str, device: str, processor: float, kernels: float) -> SimpleNamespace:
        return SimpleNamespace(
            key=key, input_shapes=[[2, 3], []], count=2 * PROFILED_CALLS, device_type=SimpleNamespace(name=device),
            self_cpu_time_total=processor, self_device_time_total=kernels,
        )  # fmt: skip

    events = [
        event("aten::mul", "CPU", 9e6, 1e6 * PROFILED_CALLS), event("aten::bmm", "CPU", 1e6, 3e6 * PROFILED_CALLS),
        event("aten::view", "CPU", 5e6, 0.0), event("sgemm_128", "CUDA", 0.0, 3e6 * PROFILED_CALLS),
    ]  # fmt: skip
    assert operation_times(events, "cuda") == [
        OperationTime("bmm", ((2, 3),), 2.0, 3.0), OperationTime("mul", ((2, 3),), 2.0, 1.0),
    ]  # fmt: skip


def test_methods_on_regions_that_have_a_step_are_measured_and_no_others() -> None:
    names = ("dazle", "eszsl", "msdn", "cn-zsl")
    assert [variant.name for variant in with_step([find(name) for name in names])] == ["dazle", "msdn"]


def test_the_step_of_another_method_is_measured_with_its_own_settings() -> None:
    (shape,) = find_shapes(["simulated-cub"])
    variant = find("attribute-head-max")
    settings = variant_settings(shape, variant, "float32")
    workloads = ModelWorkloads(shape, settings, "cpu", variant.method)
    workloads.step()
    assert workloads.inference().shape == (shape.batch, shape.classes)
    assert settings.flat()["model.pooling"] == "max"
