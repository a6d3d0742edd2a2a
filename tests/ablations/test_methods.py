"""The contract of a method, run on every registered one: a new method is tested by existing."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from ablations.methods import METHODS, MethodEntry, load_method
from dazle.config import MethodSettings
from dazle.datasets.simulated import simulate
from dazle.errors import InputError
from dazle.features.feature_set import FeatureSet, Regions
from dazle.features.splits import Phase, final_phase, validation_phase
from dazle.training.judge import Curve, Evaluations, State
from dazle.training.scorer import Scorer
from dazle.training.task import task_of
from dazle.training.train import train

CPU = torch.device("cpu")
SEED = (1, "cub", 0)
EVERY = pytest.mark.parametrize("name", METHODS)


def short(name: str) -> MethodSettings:
    """The method's settings for simulated CUB, with a schedule of two epochs if it has one."""
    settings = load_method(name).Settings.preset("cub", simulated=True)
    return settings.changed({"training.epochs": 2}) if "training.epochs" in settings.flat() else settings


@cache
def simulated() -> FeatureSet:
    """Simulated CUB with every third train image, to be quick."""
    features = simulate("cub")
    return replace(features, trainval=features.trainval[::3])


@cache
def fitted(name: str) -> Evaluations:
    return train(load_method(name), simulated(), final_phase(simulated()), short(name), SEED, CPU, states_at=[None])


def states_and_curves(name: str, features: FeatureSet, phase: Phase) -> tuple[list[State], list[Curve]]:
    """The state at every point, and the curves, of a training whose judge also evaluates."""
    method, settings, states = load_method(name), short(name), []
    evaluations = Evaluations(features, phase, [settings.test_margin], CPU, settings.precision, reads=method.reads)

    def judge(scorer: Scorer, state: Mapping[str, torch.Tensor], *point: Any, **named: Any) -> None:
        states.append({key: value.detach().clone() for key, value in state.items()})
        evaluations.judge(scorer, state, *point, **named)

    method.fit(task_of(features, phase, SEED, CPU, settings.precision, method.reads), settings, judge)
    return states, evaluations.curves


def with_noise(features: FeatureSet, phase: Phase) -> FeatureSet:
    """Every image that the phase does not train on replaced by noise, and the evaluation labels permuted."""
    draw, count = np.random.default_rng(1), len(features.labels)
    others = np.setdiff1d(np.arange(count), phase.train)
    values, norms = features.regions.read(np.arange(count)).copy(), features.regions.read_norms(np.arange(count)).copy()
    values[others] = draw.random(values[others].shape)
    norms[others] = draw.random(norms[others].shape)
    labels = features.labels.copy()
    evaluated = np.concatenate([phase.eval_seen, phase.eval_unseen])
    labels[evaluated] = draw.permutation(labels[evaluated])
    return replace(features, regions=Regions(values, norms), labels=labels)


@EVERY
@pytest.mark.parametrize("fold", [0, 1])
def test_evaluation_images_and_labels_do_not_reach_any_state(name: str, fold: int) -> None:
    features = simulated()
    phase = validation_phase(features, fold) if fold else final_phase(features)
    (states, curves), (noisy_states, noisy_curves) = (
        states_and_curves(name, data, phase) for data in (features, with_noise(features, phase))
    )
    assert len(states) == len(curves[0])
    for state, noisy in zip(states, noisy_states, strict=True):
        assert state.keys() == noisy.keys()
        assert all(torch.equal(value, noisy[key]) for key, value in state.items())
    assert curves != noisy_curves


@EVERY
def test_the_same_seed_gives_the_same_curve_and_another_one_only_if_deterministic(name: str) -> None:
    features, method = simulated(), load_method(name)
    phase, settings = final_phase(features), short(name)
    again, other = (train(method, features, phase, settings, seed, CPU).curves for seed in (SEED, (1, "cub", 1)))
    assert fitted(name).curves == again
    assert (again == other) == method.deterministic


@EVERY
def test_a_saved_state_scores_as_the_method_did(name: str) -> None:
    features, method = simulated(), load_method(name)
    phase, settings = final_phase(features), short(name)
    evaluations = fitted(name)
    task = task_of(features, phase, SEED, CPU, settings.precision, method.reads)
    again = Evaluations(features, phase, evaluations.rules, CPU, settings.precision, reads=method.reads)
    again.judge(method.scorer(evaluations.states[0], task, settings), evaluations.states[0], 1.0)
    keys = ("S", "U", "H", "T1", "AUSUC", "pointing")
    assert [again.curves[0][0][key] for key in keys] == [evaluations.curves[0][-1][key] for key in keys]


@EVERY
def test_a_curve_ends_with_the_schedule_and_its_settings_have_a_test_margin(name: str) -> None:
    evaluations = fitted(name)
    fractions = [point["fraction"] for point in evaluations.curves[0]]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert evaluations.parameters > 0 and evaluations.images_trained > 0
    assert "loss.test_margin" in short(name).flat()
    assert load_method(name).revision >= 1


def test_an_unknown_method_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown method 'DAZLE'; the nearest is 'dazle'"):
        load_method("DAZLE")


class Unnamed:
    """No method: it has no settings, and another name than it is registered under."""

    name = "other"


def test_a_class_that_is_no_method_is_refused_by_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = MethodEntry("mine", f"{__name__}:Unnamed", "none", "pooled")
    monkeypatch.setitem(METHODS, "mine", entry)
    with pytest.raises(InputError, match=r"method mine .* lacks reads, deterministic, revision, Settings, fit, scorer"):
        load_method("mine")
    entry = MethodEntry("mine", "ablations.baselines.eszsl:Eszsl", "none", "pooled")
    monkeypatch.setitem(METHODS, "mine", entry)
    with pytest.raises(InputError, match="is registered with name = mine, the class has eszsl; make them equal"):
        load_method("mine")
