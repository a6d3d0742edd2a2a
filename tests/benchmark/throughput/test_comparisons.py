"""Both forms of every comparison train the same model on the same images, and differ in what the comparison names."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from ablations.variants import find
from benchmark.throughput.comparisons import COMPARISONS, ReferenceStep
from benchmark.throughput.measurements import Measurer, variant_settings
from benchmark.throughput.operations import count_operations
from benchmark.throughput.shapes import find_shapes
from benchmark.throughput.timing import Workload, wall_clock
from benchmark.throughput.workloads import ModelWorkloads
from dazle.training.step import Step

TINY = find_shapes(["simulated-sun"])[0]
SETTINGS = variant_settings(TINY, find("dazle"), "float32")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The functions that were given to `torch.compile`, which returns them as they are: compiling takes a minute."""
    functions: list[Any] = []

    def keep(function: Callable[..., Any]) -> Callable[..., Any]:
        functions.append(function)
        return function

    monkeypatch.setattr(torch, "compile", keep)
    return functions


def forms(name: str) -> tuple[Workload, Workload]:
    return COMPARISONS[name].make(TINY, SETTINGS, "cpu")


def workloads(form: Any) -> ModelWorkloads:
    return form.workloads if isinstance(form, ReferenceStep) else form.__self__


def parameters(form: Workload) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in workloads(form).model.named_parameters()}


@pytest.mark.parametrize("name", COMPARISONS)
def test_both_forms_take_the_same_step_from_the_same_start(name: str, compiled: list[Any]) -> None:
    """The first step of RMSprop moves every weight by ten learning rates, whatever the gradient but for its sign; so
    two forms differ only where the gradient is zero up to rounding."""
    first, second = forms(name)
    assert torch.equal(workloads(first).labels, workloads(second).labels)
    torch.testing.assert_close(workloads(first).regions, workloads(second).regions.float(), rtol=2**-8, atol=0)
    start = parameters(first)
    assert all(torch.equal(value, start[key]) for key, value in parameters(second).items())
    first()
    one = parameters(first)
    assert all(torch.equal(value, start[key]) for key, value in parameters(second).items())
    second()
    other = parameters(second)
    rate = SETTINGS.training.learning_rate
    for key, value in start.items():
        assert ((one[key] - value).abs() > 5 * rate).float().mean() > 0.9, key
        differs = (one[key] - other[key]).abs() > 0.1 * rate
        assert differs.float().mean() < (0.1 if name == "bf16" else 0.02), key


@pytest.mark.parametrize("name", [name for name in COMPARISONS if name != "reference"])
def test_the_gain_is_the_ratio_of_the_work_of_two_calls(name: str, compiled: list[Any]) -> None:
    """But for the reference, whose form of the same step takes more operations."""
    first, second = forms(name)
    first()
    second()
    assert count_operations(second).flops == COMPARISONS[name].gain * count_operations(first).flops > 0


def test_the_paper_s_form_is_the_first() -> None:
    first, second = forms("reference")
    assert isinstance(first, ReferenceStep)
    assert not isinstance(second, ReferenceStep)


def test_the_second_form_is_in_bf16() -> None:
    assert [workloads(form).regions.dtype for form in forms("bf16")] == [torch.float32, torch.bfloat16]


def test_the_model_and_the_loss_of_the_second_form_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def compile_(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            calls.append(function)
            return function(*arguments)

        return run

    monkeypatch.setattr(torch, "compile", compile_)
    first, second = forms("compile")
    first()
    assert calls == []
    second()
    assert [isinstance(function, torch.nn.Module) for function in calls] == [True, False]


def test_the_first_form_never_becomes_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph is what `Step.run` is on a GPU; single launches go past it."""
    runs: list[str] = []
    call = Step.__call__

    def recorded(self: Step, *batch: torch.Tensor) -> Any:
        runs.append("run")
        return call(self, *batch)

    monkeypatch.setattr(Step, "__call__", recorded)
    first, second = forms("graph")
    first()
    assert runs == []
    second()
    assert runs == ["run"]


def test_a_form_that_fails_on_this_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a C++ compiler: torch finds it out when it compiles."""
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setattr(config, "force_disable_caches", True)
    with Measurer("cpu", wall_clock, 0.01) as measurer:
        comparison = measurer.compare(TINY, "compile", "float32")
    assert comparison.turns == {}
    assert comparison.failure is not None
    assert "No working C++ compiler found" in comparison.failure
