"""A candidate: the honest results of a run in the format of accepted results, and its rows that are incomplete.

The rule a caller must know: a row with a failed or missing cell, or with a cell without an honest number, is listed
in `incomplete` only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.cells.folder import OutputFolder
from benchmark.gate.accepted import (
    DECIMALS,
    TOLERANCE,
    TOLERATED,
    AcceptedDataset,
    AcceptedResults,
    AcceptedRow,
    Basis,
    Environment,
    Key,
    Metric,
)

if TYPE_CHECKING:
    import pandas as pd

    from reports.analysis.claims import ClaimVerdict

METRICS = ("H", "S", "U", "T1")


@dataclass(frozen=True)
class Candidate:
    """`incomplete`: row -> the reason; `commits`: of the cells that ended; `claims`: behind `results.claims`."""

    results: AcceptedResults
    incomplete: Mapping[Key, str]
    commits: frozenset[str | None]
    claims: Sequence["ClaimVerdict"]
    left_out: Sequence[str] = ()  # the rows of deterministic methods


def read_candidate(folder: OutputFolder) -> Candidate:
    """The candidate of an output folder."""
    import pandas as pd

    from reports.analysis.claims import claim_verdicts
    from reports.analysis.protocols import select
    from reports.analysis.results import DatasetResults

    manifest, frame = folder.manifest, folder.frame()
    points = select(frame, "honest")[list(METRICS)]
    cells = pd.concat([frame.drop(columns=["validation", "test"]), points], axis=1)
    # Their one repetition has no spread, so there is nothing to test.
    deterministic = frame["deterministic"]
    left_out = list(dict.fromkeys(frame.loc[deterministic, "variant"]))
    cells = cells[~deterministic]
    rows: dict[Key, pd.DataFrame] = dict(iter(cells.groupby(["dataset", "variant"], sort=False)))  # type: ignore[arg-type]
    incomplete = {key: reason for key, row in rows.items() if (reason := _incomplete_reason(row))}
    bases = {key: _basis(row["identity"].iloc[0]) for key, row in rows.items() if key not in incomplete}
    # The rows of a dataset are written as changes to its first one.
    shared = {dataset: bases[dataset, variant] for dataset, variant in reversed(bases)}
    claims = claim_verdicts(list(DatasetResults.per_dataset(frame)), "honest")
    environments = cells["environment"].dropna().tolist()
    results = AcceptedResults(
        suite=manifest.suite,
        source=manifest.source,
        package=manifest.package,
        conditions=manifest.conditions,
        environments=_distinct(environments),
        metrics={name: Metric(tolerance=TOLERANCE if name == "H" else None) for name in METRICS},
        datasets=[
            AcceptedDataset(name=data.name, backbone=data.backbone, about=data.about, basis=shared[data.name])
            for data in manifest.datasets
            if data.name in shared
        ],
        rows=[_row(rows[key], basis, shared[key[0]]) for key, basis in bases.items()],
        claims={verdict.key: verdict.word for verdict in claims if verdict.word != "not run"},
    )
    commits = frozenset(environment["commit"] for environment in environments)
    return Candidate(results, incomplete, commits, claims, left_out)


def _incomplete_reason(cells: "pd.DataFrame") -> str | None:
    """The reason the row is incomplete (from its first incomplete cell), or None."""
    if sorted(cells["seed"]) != list(range(len(cells))):
        return f"its repetitions are not 0 to {len(cells) - 1}"
    without = cells[(cells["status"] != "done") | cells["T1"].isna()]
    if without.empty:
        return None
    cell = without.iloc[0]
    reason = "done without an honest number (no validation phase)" if cell["status"] == "done" else cell["status"]
    error = f": {cell['error']}" if isinstance(cell["error"], str) else ""
    return f"{len(without)} of {len(cells)} cells, the first is seed {cell['seed']}, {reason}{error}"


def _row(cells: "pd.DataFrame", basis: Basis, shared: Basis) -> AcceptedRow:
    """Values are rounded here, so that a run equals the file that was written from it."""
    ordered = cells.sort_values("seed")
    values = {name: ordered[name].round(DECIMALS).tolist() for name in METRICS if ordered[name].notna().all()}
    changes = {name: basis.get(name) for name in {**shared, **basis} if basis.get(name) != shared.get(name)}
    return AcceptedRow(
        dataset=cells["dataset"].iloc[0],
        variant=cells["variant"].iloc[0],
        changes=changes,
        values=values,
        # If no seen class is tested, there is no H.
        tolerance={} if "H" in values else {"T1": TOLERANCE},
    )


def _basis(identity: Mapping[str, Any]) -> Basis:
    """The identity as flat keys, without the tolerated ones: settings under their dotted names, others as they are."""
    flat: Basis = {}
    for name, value in identity.items():
        if name == "settings":
            flat |= value
        elif isinstance(value, Mapping):
            flat |= {f"{name}.{key}": part for key, part in value.items()}
        elif name not in TOLERATED:
            flat[name] = value
    return flat


def _distinct(environments: Sequence[Mapping[str, Any]]) -> list[Environment]:
    """The environments without repetitions, in the order of their first cell."""
    all_cells = [Environment(**{name: values[name] for name in Environment.model_fields}) for values in environments]
    return [environment for index, environment in enumerate(all_cells) if environment not in all_cells[:index]]
