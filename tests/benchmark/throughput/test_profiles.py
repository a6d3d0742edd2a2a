"""What a profile says of work whose operations are known."""

from types import SimpleNamespace

import pytest
import torch

from benchmark.throughput.profiles import CALLS, Part, parts, profiled


def test_the_parts_of_known_work(capfd: pytest.CaptureFixture[str]) -> None:
    large, small = torch.rand(400, 500), torch.rand(500, 6)

    def work() -> None:
        large @ large.T
        large @ small
        large @ small

    found = profiled(work, "cpu")
    products = {part.sizes: part for part in found if part.operation == "mm"}
    assert found[0] is products[(400, 500), (500, 400)]
    assert products[(400, 500), (500, 400)].calls == 1
    assert products[(400, 500), (500, 6)].calls == 2
    assert [part.seconds for part in found] == sorted((part.seconds for part in found), reverse=True)
    assert capfd.readouterr() == ("", "")


def test_on_a_gpu_time_is_that_of_kernels_under_what_launched_them() -> None:
    """Averages as the profiler gives them there: operations, kernels of their own, and operations without kernels."""

    def event(key: str, device: str, processor: float, kernels: float) -> SimpleNamespace:
        return SimpleNamespace(
            key=key, input_shapes=[[2, 3], []], count=2 * CALLS, device_type=SimpleNamespace(name=device),
            self_cpu_time_total=processor, self_device_time_total=kernels,
        )  # fmt: skip

    events = [
        event("aten::mul", "CPU", 9e6, 1e6 * CALLS), event("aten::bmm", "CPU", 1e6, 3e6 * CALLS),
        event("aten::view", "CPU", 5e6, 0.0), event("sgemm_128", "CUDA", 0.0, 3e6 * CALLS),
    ]  # fmt: skip
    assert parts(events, "cuda") == [Part("bmm", ((2, 3),), 2.0, 3.0), Part("mul", ((2, 3),), 2.0, 1.0)]
