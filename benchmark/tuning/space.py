"""The search space of a study: the ranges declared in `dazle.config` without the settings that are fixed."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from optuna import Trial

from dazle.config import MethodSettings, Range
from dazle.errors import InputError

Space = Mapping[str, Range]


def search_space(settings: MethodSettings, fixed: Collection[str]) -> Space:
    """The settings to tune, with absolute ranges; `fixed`: those that the row or the user changes.

    A setting that has no effect while another is 0 is left out if that is 0. A range is widened to hold the row's own
    value, which the first trial takes. Raises InputError if no setting is left to tune.
    """
    flat = settings.flat()
    space = {
        key: _absolute(limits, flat[key])
        for key, limits in settings.ranges().items()
        if key not in fixed and (limits.needs is None or flat[limits.needs])
    }
    if not space:
        raise InputError(
            "nothing is left to tune: each setting with a range is changed by the variant or by --set, or there is none"
        )
    return space


def _absolute(limits: Range, value: float) -> Range:
    """The range around the row's own value, which it holds."""
    factor = value if limits.relative else 1
    low, high = min(limits.low * factor, value), max(limits.high * factor, value)
    # A logarithmic range cannot hold a value of 0.
    return replace(limits, low=low, high=high, log=limits.log and low > 0, relative=False)


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """A value for every setting of the space."""
    return {key: _suggest(trial, key, limits) for key, limits in space.items()}


def _suggest(trial: Trial, key: str, limits: Range) -> float:
    if isinstance(limits.low, int) and isinstance(limits.high, int):
        return trial.suggest_int(key, limits.low, limits.high, log=limits.log)
    return trial.suggest_float(key, limits.low, limits.high, log=limits.log)
