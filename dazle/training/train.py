"""One training of a method on one phase, evaluated by a judge on the way."""

from typing import TYPE_CHECKING, Any

from dazle.config import MethodSettings
from dazle.training.judge import Evaluations
from dazle.training.method import Method
from dazle.training.task import task_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from dazle.features.feature_set import FeatureSet
    from dazle.features.splits import Phase
    from dazle.training.judge import MarginRule


def train(
    method: Method,
    features: "FeatureSet",
    phase: "Phase",
    settings: MethodSettings,
    seed: tuple[str | int, ...],
    device: "torch.device",
    rules: "Sequence[MarginRule] | None" = None,
    **options: Any,
) -> Evaluations:
    """The evaluations of the training, with a curve for each of `rules`, by default for the settings' own margin.

    `seed` names the random streams of the repetition; `options`: those of `Evaluations`. Raises what the method raises.
    """
    task = task_of(features, phase, seed, device, settings.precision, method.reads)
    rules = rules or [settings.test_margin]
    evaluations = Evaluations(features, phase, rules, device, settings.precision, reads=method.reads, **options)
    method.fit(task, settings, evaluations.judge)
    evaluations.images_trained = task.images_trained
    fractions = [point["fraction"] for point in evaluations.curves[0]]
    if not fractions or fractions[-1] != 1:
        raise ValueError(
            f"method {method.name} has to call its judge, the last time at fraction 1; it did at {fractions}"
        )
    return evaluations
