"""The command `list`: the names of variants, methods, suites, datasets and backbones."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from ablations import outside
from ablations.methods import METHODS
from ablations.suites import SUITES
from ablations.variants import VARIANTS
from benchmark.cells.options import Include, Option
from dazle.config import DATASETS


def list_names(
    what: Annotated[
        Literal["variants", "methods", "suites", "datasets", "backbones"] | None,
        Option("variants, methods, suites, datasets or backbones.", positional=True, default_text="all"),
    ] = None,
    include: Include = (),
) -> None:
    """List variants, methods, suites, datasets and backbones, with a line about each."""
    outside.load_entry_points()
    outside.include(include)
    for name, lines in LISTS.items():
        if what in (None, name):
            print("\n".join([f"{name}:", *lines(), ""]))


def variants() -> list[str]:
    """One line for each variant, in the order of the axes."""
    rows = [
        (v.name, "baselines" if v.method != "dazle" else v.axis or "several", v.label, v.change)
        for v in VARIANTS.values()
        if v.change
    ]
    width = max(map(len, VARIANTS))
    lines = [f"  {'dazle':{width}} the full model"]
    return lines + [f"  {name:{width}} {axis:22} {label}: {change}" for name, axis, label, change in rows]


def methods() -> list[str]:
    """One line for each method."""
    return [f"  {entry.name:18} on {entry.reads:8} {entry.about}" for entry in METHODS.values()]


def suites() -> list[str]:
    """One line for each suite."""
    return [
        f"  {suite.name:12} {suite.about}: {len(suite.variants)} variants x {', '.join(suite.datasets)} x "
        f"{suite.seeds} seeds"
        for suite in SUITES.values()
    ]


def datasets() -> list[str]:
    """One line for each dataset: the simulated ones, then the prepared ones."""
    from benchmark.cells.datasets import data_folder, prepared_files
    from dazle.datasets.spec import names

    folder = data_folder(None)
    places = dict.fromkeys(DATASETS, "simulated, made on the fly")
    # `own` is the preset of a user's own data, not a dataset.
    places |= {name: f"python -m benchmark data prepare {name}" for name in names() if name not in (*DATASETS, "own")}
    for path in prepared_files(folder):
        prepared = f"{_source(path)}, prepared in {folder}"
        places[path.stem] = f"{prepared}; or {places[path.stem]}" if path.stem in places else prepared
    return [f"  {name:16} {place}" for name, place in places.items()]


def backbones() -> list[str]:
    """Three lines for each family of backbones."""
    from dazle.extraction.families import FAMILIES

    width = max(len(family.names) for family in FAMILIES)
    return [
        f"  {family.names:{width}} {family.about}; {family.state}\n"
        f"  {'':{width}} weights: {family.weights}\n  {'':{width}} tested: {family.tested}"
        for family in FAMILIES
    ]


def _source(path: Path) -> str:
    from dazle.errors import InputError
    from dazle.features.feature_file import stored_source

    try:
        return stored_source(path)
    except InputError:
        return "damaged (python -m benchmark data verify)"


LISTS: dict[str, Callable[[], list[str]]] = {
    "variants": variants,
    "methods": methods,
    "suites": suites,
    "datasets": datasets,
    "backbones": backbones,
}
