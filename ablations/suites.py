"""Suites: the variants of a table in its order, with datasets and seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from ablations import variants
from ablations.variants import AXES, UNCALIBRATED, UNGATED, UNIFORM, VARIANTS
from dazle.config import DATASETS, Settings
from dazle.errors import unknown


@dataclass(frozen=True)
class Suite:
    """An ordered set of variants with datasets and seeds.

    To print the expected time, run `python -m benchmark run --suite NAME --dry-run`.
    """

    name: str
    about: str
    variants: tuple[str, ...]
    datasets: tuple[str, ...] = DATASETS
    seeds: int = 6


def _one_change_at_a_time() -> tuple[str, ...]:
    by_axis = [name for axis in AXES for name, variant in VARIANTS.items() if variant.axis == axis]
    return ("dazle", *by_axis)


def _baselines() -> tuple[str, ...]:
    return tuple(name for name, variant in VARIANTS.items() if variant.method != "dazle")


# The changes of each level of the suite `factorial`, the full model's first; later ones replace earlier ones.
FACTORS: tuple[tuple[Mapping[str, Any], ...], ...] = (
    ({}, UNIFORM),
    ({}, UNGATED),
    ({}, UNCALIBRATED),
    ({"loss.test_margin": 1.0}, {"loss.test_margin": 0.0}, {"loss.test_margin": "validated"}),
)


def _factorial() -> tuple[str, ...]:
    names = {
        Settings().changed(variant.changes): name for name, variant in VARIANTS.items() if variant.method == "dazle"
    }
    changes = [{key: value for level in levels for key, value in level.items()} for levels in product(*FACTORS)]
    return tuple(names[Settings().changed(change)] for change in changes)


SUITES = {
    suite.name: suite
    for suite in (
        Suite("ablations", "the full model, then one change at a time along every axis", _one_change_at_a_time()),
        Suite(
            "supplement",
            "the six rows of the paper's Table 1 (supplement), in its order",
            (
                "uniform-uncalibrated",
                "dense-uncalibrated",
                "dense-gated-uncalibrated",
                "uniform-calibrated",
                "dense-calibrated",
                "dazle",
            ),
        ),
        Suite(
            "baselines",
            "every other method, beside the full model and two margins chosen on validation",
            ("dazle", "validated-margin", "post-hoc-validated-margin", *_baselines()),
        ),
        Suite(
            "smoke",
            "three rows of `ablations` on one dataset: seconds on simulated features",
            ("dazle", "uniform", "dense-gated-uncalibrated"),
            datasets=("cub",),
        ),
        Suite(
            "factorial",
            "both attentions and self-calibration on and off, each with the margins 0, 1 and validated",
            _factorial(),
        ),
    )
}
_TABLES = ("ablations", "supplement", "baselines", "factorial")
SUITES["everything"] = Suite(
    "everything",
    f"every row of {', '.join(_TABLES)}",
    tuple(dict.fromkeys(name for suite in _TABLES for name in SUITES[suite].variants)),
)


def find(name: str) -> Suite:
    """The suite of that name. Raises InputError, with the nearest name, if there is none."""
    if name not in SUITES:
        raise unknown("suite", name, SUITES, "all: python -m benchmark list suites")
    return SUITES[name]


def register(suite: Suite) -> None:
    """Adds a suite. Raises ValueError if its name is taken, InputError for an unknown variant."""
    if suite.name in SUITES:
        raise ValueError(f"suite {suite.name!r} is registered already; choose another name")
    for name in suite.variants:
        variants.find(name)
    SUITES[suite.name] = suite
