"""What a study varies: the ranges declared in `dazle.config`, less what the variant or the user has settled."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from optuna import Trial

from dazle.config import Range, Settings
from dazle.errors import InputError

Space = Mapping[str, Range]


def search_space(settings: Settings, settled: Collection[str]) -> Space:
    """The settings to tune, from those of the row itself; `settled`: what it or the user changes, which stays.

    A setting that does nothing where another is 0 is left out there. A range is widened to hold the row's own value,
    since the first trial is that. The ranges returned are absolute. Raises InputError where nothing is left to tune.
    """
    flat = settings.flat()
    space = {
        key: _around(each, flat[key])
        for key, each in settings.ranges().items()
        if key not in settled and (each.needs is None or flat[each.needs])
    }
    if not space:
        raise InputError("nothing is left to tune: every setting with a range is changed by the variant or by --set")
    return space


def _around(each: Range, value: float) -> Range:
    factor = value if each.relative else 1
    return replace(each, low=min(each.low * factor, value), high=max(each.high * factor, value), relative=False)


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """A value for every setting of the space."""
    return {key: _suggested(trial, key, each) for key, each in space.items()}


def _suggested(trial: Trial, key: str, each: Range) -> float:
    if isinstance(each.low, int) and isinstance(each.high, int):
        return trial.suggest_int(key, each.low, each.high, log=each.log)
    return trial.suggest_float(key, each.low, each.high, log=each.log)
