"""A training step and an inference of the full model on the shapes of the four datasets."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from ablations.variants import find
from benchmark.throughput.measurements import variant_settings
from benchmark.throughput.shapes import find_shapes
from benchmark.throughput.workloads import ModelWorkloads
from dazle.config import DATASETS

Benchmark = Callable[..., Any]

CASES = [*((name, "float32") for name in DATASETS), ("cub", "bf16")]


def bench(name: str, precision: str) -> ModelWorkloads:
    shape = find_shapes([name])[0]
    return ModelWorkloads(shape, variant_settings(shape, find("dazle"), precision), "cpu")


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_step(benchmark: Benchmark, name: str, precision: str) -> None:
    full = bench(name, precision)
    before = full.model.W_e.detach().clone()
    benchmark(full.step)
    assert torch.isfinite(full.model.W_e).all()
    assert not torch.equal(full.model.W_e, before)


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_inference(benchmark: Benchmark, name: str, precision: str) -> None:
    full = bench(name, precision)
    scores = benchmark(full.inference)
    assert scores.shape == (len(full.regions), len(full.seen))
    assert torch.isfinite(scores).all()
