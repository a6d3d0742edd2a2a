"""From a suite to cells: variant x dataset x seed, each with the hash of everything that can change its result.

A cell is its settings: two rows of different suites with equal settings are one cell, and a record under a cell's id is
that cell's record, whichever run wrote it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ablations.methods import METHODS, load_method
from ablations.variants import Variant
from dazle.config import MADE_SEMANTICS, MethodSettings, unknown_setting
from dazle.errors import InputError

# Raise it when the meaning of a record changes without a change of any setting.
# 1 had the version of the package in its place.
IDENTITY_VERSION = 2


@dataclass(frozen=True)
class Dataset:
    """The properties of a dataset that a run needs before its regions are read."""

    name: str
    preset: str
    source: str  # "real" or "simulated"
    backbone: str
    fingerprint: str
    semantics: Mapping[str, str]  # name -> sha256
    published_counts: bool
    images: int
    regions: tuple[int, int]  # R, D
    attributes: int
    classes: tuple[int, int]  # seen, unseen
    file: Path | None = None  # None: simulated when it is loaded


@dataclass(frozen=True)
class Conditions:
    """The settings that all cells of a run share in their identity: the options marked `changes_result`."""

    overrides: Mapping[str, Any]
    base_seed: int
    folds: int
    validation: bool
    threads: int
    device: str  # kind: cpu or cuda

    def as_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def identity_hash(identity: Mapping[str, Any]) -> str:
    """The id of the cell with that identity: 20 hex digits."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Origin:
    """The origin of a tuned row's settings: trial number `trial` of a study with a budget of `trials`."""

    study: str
    trial: int
    trials: int


@dataclass(frozen=True)
class Cell:
    """variant x dataset x seed. `id` is the hash of `identity`, which holds neither the variant's name nor the origin
    of its settings."""

    variant: Variant
    dataset: Dataset
    seed: int
    settings: MethodSettings
    identity: Mapping[str, Any]
    origin: Origin | None = None
    deterministic: bool = False  # no random part: one cell, seed 0, stands for every seed

    @property
    def id(self) -> str:
        return identity_hash(self.identity)

    @property
    def place(self) -> tuple[str, str, int]:
        """Row, dataset and seed: the place of the cell in the table."""
        return self.variant.name, self.dataset.name, self.seed

    @property
    def title(self) -> str:
        return f"{self.variant.name} on {self.dataset.name}, seed {self.seed}"


def expand(variants: Sequence[Variant], datasets: Sequence[Dataset], seeds: int, conditions: Conditions) -> list[Cell]:
    """All cells, in the order of the table: dataset, then variant, then seed.

    A row that starts from attribute vectors which a dataset does not have is left out there.
    """
    _check_overrides(variants, conditions.overrides)
    _check_keys(variants, conditions.overrides)
    return [
        _cell(variant, dataset, seed, conditions)
        for dataset in datasets
        for variant in variants
        if not lacks_semantics(variant, dataset)
        for seed in range(1 if load_method(variant.method).deterministic else seeds)
    ]


def lacks_semantics(variant: Variant, dataset: Dataset) -> bool:
    """Whether the row itself names attribute vectors that the dataset does not have."""
    return variant.changes.get("model.semantics", "random") not in (*dataset.semantics, *MADE_SEMANTICS)


def rows_without_semantics(variants: Sequence[Variant], datasets: Sequence[Dataset]) -> list[str]:
    """A line for each row whose attribute vectors some of the datasets do not have."""
    lines = []
    for variant in variants:
        names = [data.name for data in datasets if lacks_semantics(variant, data)]
        if names:
            lines.append(
                f"{variant.name} is left out on {', '.join(names)}: no attribute vectors "
                f"{variant.changes['model.semantics']!r} there (data add-semantics brings them)"
            )
    return lines


def _cell(variant: Variant, dataset: Dataset, seed: int, conditions: Conditions) -> Cell:
    method = load_method(variant.method)
    preset = method.Settings.preset(dataset.preset, simulated=dataset.file is None)
    overrides = {key: value for key, value in conditions.overrides.items() if key in preset.flat()}
    settings = preset.changed(variant.changes).changed(overrides)
    flat = settings.identity()
    semantics = flat.get("model.semantics", "random")
    if semantics not in dataset.semantics and semantics not in MADE_SEMANTICS:
        names = ", ".join([*dataset.semantics, *MADE_SEMANTICS])
        raise InputError(
            f"model.semantics = {semantics!r} is not among the semantics of {dataset.name}: {names}; bring vectors "
            f"with `data add-semantics {dataset.name} --semantics {semantics}=FILE`, or set model.semantics=one-hot"
        )
    common = conditions.as_dict()
    # The overrides are in the settings already, and a setting that is overridden with its own value changes nothing.
    del common["overrides"]
    identity = {
        "identity": IDENTITY_VERSION,
        # Absent means dazle.
        **({} if method.name == "dazle" else {"method": method.name}),
        "revision": method.revision,
        **({} if (code := METHODS[variant.method].code) is None else {"code": code}),
        "dataset": dataset.name,
        "source": dataset.source,
        "features": dataset.fingerprint,
        "semantics": dataset.semantics.get(semantics),
        "settings": flat,
        "seed": seed,
        **common,
    }
    return Cell(variant, dataset, seed, settings, identity, deterministic=method.deterministic)


def rows_without_keys(variants: Sequence[Variant], overrides: Mapping[str, Any]) -> list[str]:
    """A line for each setting of `--set` that the methods of some rows do not have: these rows keep their own."""
    lines = []
    for key, value in overrides.items():
        rows = [variant.name for variant in variants if key not in _keys(variant)]
        if rows:
            lines.append(
                f"--set {key} = {value} does not apply to {', '.join(rows)}: their methods have no such setting"
            )
    return lines


def _keys(variant: Variant) -> list[str]:
    return list(load_method(variant.method).Settings().flat())


def _check_keys(variants: Sequence[Variant], overrides: Mapping[str, Any]) -> None:
    """InputError, with the nearest name, for a setting of `--set` that the method of no row has."""
    for key in overrides:
        if not any(key in _keys(variant) for variant in variants):
            raise unknown_setting(key, dict.fromkeys(name for variant in variants for name in _keys(variant)))


def _check_overrides(variants: Sequence[Variant], overrides: Mapping[str, Any]) -> None:
    """InputError if `--set` overwrites a setting that defines a variant, whose name would then be wrong."""
    for key in overrides:
        rows = ", ".join(variant.name for variant in variants if key in variant.changes)
        if rows:
            raise InputError(f"--set {key} overrides the change of {rows}; choose other rows with --variants")
