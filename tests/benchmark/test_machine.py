"""The environment in a record. On a CPU nothing of CUDA is called: it would be initialised in every worker."""

import pytest
import torch

from benchmark import machine
from benchmark.run.plan import RunOptions, plan
from benchmark.run.train import TrainOptions, failed_record, train_cells


class CudaWasUsedError(Exception):
    pass


@pytest.fixture
def cuda_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the CUDA functions that a test called. Each of them raises, as if the machine had a GPU to be named."""
    calls: list[str] = []

    def forbid(name: str) -> None:
        def function(*arguments: object, **options: object) -> None:
            calls.append(name)
            raise CudaWasUsedError(name)

        monkeypatch.setattr(torch.cuda, name, function)

    for name in ("is_available", "device_count", "get_device_name", "get_device_properties", "init", "_lazy_init"):
        forbid(name)
    machine.describe.cache_clear()
    return calls


def test_a_cell_on_the_cpu_uses_no_function_of_cuda(cuda_calls: list[str]) -> None:
    options = RunOptions(
        "smoke", variants=["uniform"], datasets=["cub"], seeds=1, source="simulated", device="cpu",
        overrides={"training.epochs": 1},
    )  # fmt: skip
    [cell] = plan(options).cells
    [trained] = train_cells([cell], TrainOptions(None, 2**30, save_model=True))
    record = trained.record
    assert trained.model is not None
    assert record.status == "done", record.error
    assert record.environment["device"] is None
    assert failed_record(cell, "a reason", 1.0).environment["device"] is None
    assert cuda_calls == []
    assert not torch.cuda.is_initialized()


def test_the_environment_names_the_gpu_of_a_run_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    machine.describe.cache_clear()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100")
    assert machine.describe("cuda")["device"] == "NVIDIA H100"
    assert machine.describe("cpu")["device"] is None
    machine.describe.cache_clear()
