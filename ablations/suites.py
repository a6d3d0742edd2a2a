"""Suites: the variants of a table in its order, with datasets and seeds."""

from dataclasses import dataclass

from ablations import variants
from ablations.variants import AXES, VARIANTS
from dazle.config import DATASETS
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
    )
}


def find(name: str) -> Suite:
    """The suite of that name. Raises InputError, with the nearest name, if there is none."""
    if name not in SUITES:
        raise unknown("suite", name, SUITES, "all: python -m benchmark list suites")
    return SUITES[name]


def register(suite: Suite) -> None:
    """Adds a suite. Raises ValueError if its name is taken, InputError for an unknown variant."""
    if suite.name in SUITES:
        raise ValueError(f"suite {suite.name!r} is registered already")
    for name in suite.variants:
        variants.find(name)
    SUITES[suite.name] = suite
