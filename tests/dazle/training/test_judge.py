"""One training under several margin rules is each rule's own, and states are those of the wanted points."""

import time

import pytest
import torch

from dazle.config import Settings
from dazle.datasets.simulated import simulate
from dazle.features.splits import final_phase, validation_phase
from dazle.training.dazle import Dazle, ModelScorer, build
from dazle.training.judge import Judge, MarginRule
from dazle.training.scorer import Scores
from dazle.training.train import train

CPU = torch.device("cpu")
SEED = (1, "cub", 0)
RULES: list[MarginRule] = [1.0, 0.0, "validated"]


def test_rules_share_a_training_and_keep_their_own_curves() -> None:
    features = simulate("cub")
    settings = Settings.preset("cub", simulated=True).changed({"training.epochs": 3})
    phase = final_phase(features)
    validation = train(Dazle(), features, validation_phase(features, 1), settings, SEED, CPU, RULES).curves[2]
    shared = train(Dazle(), features, phase, settings, SEED, CPU, RULES, validation=[validation])
    for rule, curve in zip(RULES, shared.curves, strict=True):
        own = train(
            Dazle(), features, phase, settings.changed({"loss.test_margin": rule}), SEED, CPU, validation=[validation]
        )
        assert own.curves == [curve]
    assert shared.curves[0] != shared.curves[1]


def test_states_are_those_of_the_points_nearest_to_what_is_wanted() -> None:
    features = simulate("cub")
    settings = Settings.preset("cub", simulated=True).changed({"training.epochs": 4})
    phase = final_phase(features)
    judge = train(Dazle(), features, phase, settings, SEED, CPU, [1.0] * 3, states_at=[None, 0.49, 0.25])
    assert judge.state_points == [3, 1, 0]
    short = train(Dazle(), features, phase, settings.changed({"training.epochs": 2}), SEED, CPU, states_at=[None])
    assert all(torch.equal(value, short.states[0][name]) for name, value in judge.states[1].items())
    assert not torch.equal(judge.states[0]["W_e"], judge.states[1]["W_e"])


def test_the_judge_returns_nothing_and_counts_the_training_alone() -> None:
    features = simulate("cub")
    phase = final_phase(features)
    settings = Settings.preset("cub", simulated=True).changed({"training.epochs": 1})
    returned = []

    class Asking(Dazle):
        def fit(self, task, settings, judge: Judge) -> None:  # type: ignore[no-untyped-def]
            super().fit(task, settings, lambda *words, **named: returned.append(judge(*words, **named)))  # type: ignore[arg-type]

    judge = train(Asking(), features, phase, settings, SEED, CPU)
    assert returned == [None]
    assert judge.train_seconds > 0
    assert judge.images_trained == len(phase.train) // 80 * 80
    assert judge.parameters > 1000


def test_training_time_is_without_evaluation() -> None:
    features = simulate("cub")
    settings = Settings.preset("cub", simulated=True)

    class SlowScorer:
        normalise, parameters = True, 1

        def __call__(self, images: torch.Tensor, peaks: bool = False) -> Scores:
            time.sleep(0.1)
            return Scores(torch.zeros(len(images), len(final_phase(features).classes)))

    class Untrained(Dazle):
        def fit(self, task, settings, judge: Judge) -> None:  # type: ignore[no-untyped-def]
            for fraction in (0.5, 1.0):
                judge(SlowScorer(), {}, fraction)

    judge = train(Untrained(), features, final_phase(features), settings, SEED, CPU)
    assert judge.train_seconds < 0.2


class Candidates(Dazle):
    """Judges an untrained model at these candidates, the last one at `end`."""

    def __init__(self, *values: float, end: float = 1.0) -> None:
        self.values, self.end = values, end

    def fit(self, task, settings, judge: Judge) -> None:  # type: ignore[no-untyped-def]
        model = build(task, settings)
        for number, value in enumerate(self.values, 1):
            fraction = self.end * number / len(self.values)
            judge(ModelScorer(model, settings), model.state_dict(), fraction, candidate={"t": value})


def test_candidates_that_differ_between_phases_are_refused() -> None:
    features, settings = simulate("cub"), Settings.preset("cub", simulated=True)
    validation = train(Candidates(1, 2, 3), features, validation_phase(features, 1), settings, SEED, CPU).curves[0]
    phase = final_phase(features)
    same = train(Candidates(1, 2, 3), features, phase, settings, SEED, CPU, validation=[validation])
    assert [point["candidate"] for point in same.curves[0]] == [{"t": 1}, {"t": 2}, {"t": 3}]
    for values in [(3, 2, 1), (1, 2, 3, 4), (1, 3)]:
        with pytest.raises(ValueError, match="same candidates in the same order in every phase"):
            train(Candidates(*values), features, phase, settings, SEED, CPU, validation=[validation])


@pytest.mark.parametrize("method", [Candidates(), Candidates(1, 2, end=0.5)])
def test_a_method_has_to_call_its_judge_and_end_at_fraction_1(method: Candidates) -> None:
    features = simulate("cub")
    with pytest.raises(ValueError, match="method dazle has to call its judge, the last time at fraction 1"):
        train(method, features, final_phase(features), Settings.preset("cub", simulated=True), SEED, CPU)
