"""Graphs of steps: what surrounds a graph, with one that is only pretended; and a real one where there is a GPU."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dazle.config import Settings
from dazle.method.model import Model
from dazle.training.cuda_graph import WARM_UP, GraphedFunction
from dazle.training.step import Step


class Doubler:
    """Work without state that counts how often it runs."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, value: Tensor) -> tuple[Tensor, ...]:
        self.runs += 1
        return 2 * value, value.sum()


def fake_capture(work: Callable[[], tuple[Tensor, ...]]) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
    """Like a graph: reads and writes the places of the recording."""
    places = work()

    def replay() -> None:
        for place, value in zip(places, work(), strict=True):
            place.copy_(value)

    return replay, places


def test_replays_take_their_own_arguments_and_results_stay() -> None:
    function = GraphedFunction(Doubler(), fake_capture)
    values = [torch.full((2,), float(number)) for number in range(WARM_UP + 3)]
    results = [function(value) for value in values]
    assert function.replay is not None
    for value, (doubled, total) in zip(values, results, strict=True):
        assert torch.equal(doubled, 2 * value) and total == value.sum()


def test_the_first_calls_and_other_shapes_run_as_they_are() -> None:
    work, captures = Doubler(), []
    function = GraphedFunction(work, lambda work: captures.append(work) or fake_capture(work))
    for _ in range(WARM_UP):
        function(torch.ones(2))
    assert not captures and work.runs == WARM_UP
    function(torch.ones(2))
    assert len(captures) == 1
    assert torch.equal(function(torch.ones(3))[0], torch.full((3,), 2.0))
    assert torch.equal(function(torch.ones(2))[0], torch.full((2,), 2.0))
    assert len(captures) == 1


def test_what_cannot_be_captured_runs_as_it_is_and_says_so_once() -> None:
    def refuse(work: Callable[[], tuple[Tensor, ...]]) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
        raise RuntimeError("operation not permitted\nwhile capturing")

    function = GraphedFunction(Doubler(), refuse)
    with pytest.warns(UserWarning, match="kernel by kernel.*not permitted") as warned:
        results = [function(torch.ones(2)) for _ in range(WARM_UP + 3)]
    assert len(warned) == 1
    assert all(torch.equal(doubled, torch.full((2,), 2.0)) for doubled, _ in results)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_steps_in_a_graph_are_the_steps() -> None:
    losses = {}
    for captured in (True, False):
        draw = torch.Generator().manual_seed(0)
        model = Model(Settings().model, torch.randn(6, 4, generator=draw), torch.rand(5, 6, generator=draw), 8, 1)
        step = Step([model.cuda()], torch.arange(5).cuda() < 3, Settings())
        work = step if captured else lambda *batch, step=step: step.eager(*batch)
        losses[captured] = [
            (
                work(torch.rand(1, 7, 9, 8, generator=draw).cuda(), torch.randint(3, (1, 7), generator=draw).cuda()),
                model,
            )
            for _ in range(WARM_UP + 5)
        ]
    for (graph_loss, graph_model), (eager_loss, eager_model) in zip(losses[True], losses[False], strict=True):
        assert graph_loss.total == eager_loss[0]
        assert all(torch.equal(a, b) for a, b in zip(graph_model.parameters(), eager_model.parameters(), strict=True))
