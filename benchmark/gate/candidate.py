"""A run in the shape of accepted results: what it reached under the honest protocol, and which rows lack cells.

A row is whole or it is lacking: one cell that failed or is missing, or is done without an honest number, and the row
has no values here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.cells.folder import OutputFolder
from benchmark.gate.accepted import DECIMALS, NOTED, TOLERANCE, Accepted, Basis, Dataset, Environment, Key, Metric, Row

if TYPE_CHECKING:
    import pandas as pd

    from reports.analysis.claims import Verdict as ClaimVerdict

METRICS = ("H", "S", "U", "T1")


@dataclass(frozen=True)
class Measured:
    """`lacking` says of each row without all of its cells what it lacks; `commits` made the cells that ended;
    `claims` are the verdicts behind `results.claims`."""

    results: Accepted
    lacking: Mapping[Key, str]
    commits: frozenset[str | None]
    claims: Sequence["ClaimVerdict"]


def measure(folder: OutputFolder) -> Measured:
    """The results of the run in that folder."""
    import pandas as pd

    from reports.analysis.claims import ledger
    from reports.analysis.protocols import select
    from reports.analysis.results import DatasetResults

    manifest, frame = folder.manifest, folder.frame()
    chosen = select(frame, "honest")[list(METRICS)]
    cells = pd.concat([frame.drop(columns=["validation", "test"]), chosen], axis=1)
    parts: dict[Key, pd.DataFrame] = dict(iter(cells.groupby(["dataset", "variant"], sort=False)))  # type: ignore[arg-type]
    lacking = {key: why for key, part in parts.items() if (why := _lack(part))}
    whole = {key: part for key, part in parts.items() if key not in lacking}
    bases = {key: _basis(part["identity"].iloc[0]) for key, part in whole.items()}
    shared = {dataset: bases[dataset, variant] for dataset, variant in reversed(bases)}  # of the first row
    claims = ledger(list(DatasetResults.of(frame)), "honest")
    ended = cells[cells["environment"].notna()]["environment"]
    results = Accepted(
        suite=manifest.suite,
        source=manifest.source,
        package=manifest.package,
        conditions=manifest.conditions,
        environments=_environments(ended),
        metrics={name: Metric(tolerance=TOLERANCE if name == "H" else None) for name in METRICS},
        datasets=[
            Dataset(name=data.name, backbone=data.backbone, about=data.about, basis=shared[data.name])
            for data in manifest.datasets
            if data.name in shared
        ],
        rows=[_row(part, bases[key], shared[key[0]]) for key, part in whole.items()],
        claims={verdict.key: verdict.word for verdict in claims if verdict.word != "not run"},
    )
    return Measured(results, lacking, frozenset(each["commit"] for each in ended), claims)


def _lack(part: "pd.DataFrame") -> str | None:
    """What a row lacks, told by the first such cell; None where it is whole: repetitions 0 to n - 1 with numbers."""
    if sorted(part["seed"]) != list(range(len(part))):
        return f"its repetitions are not 0 to {len(part) - 1}"
    without = part[(part["status"] != "done") | part["T1"].isna()]
    if without.empty:
        return None
    cell = without.iloc[0]
    why = "done without an honest number (no validation phase)" if cell["status"] == "done" else cell["status"]
    error = f": {cell['error']}" if isinstance(cell["error"], str) else ""
    return f"{len(without)} of {len(part)} cells, the first is seed {cell['seed']}, {why}{error}"


def _row(part: "pd.DataFrame", basis: Basis, shared: Basis) -> Row:
    """Values are rounded here, so that a run and a file that was made of it are equal."""
    ordered = part.sort_values("seed")
    values = {name: ordered[name].round(DECIMALS).tolist() for name in METRICS if ordered[name].notna().all()}
    changes = {name: basis.get(name) for name in {**shared, **basis} if basis.get(name) != shared.get(name)}
    return Row(
        dataset=part["dataset"].iloc[0],
        variant=part["variant"].iloc[0],
        changes=changes,
        values=values,
        # Where no seen class is judged there is no H.
        tolerance={} if "H" in values else {"T1": TOLERANCE},
    )


def _basis(identity: Mapping[str, Any]) -> Basis:
    """What has to be equal, flat: settings under their dotted name, everything else under its own."""
    flat: Basis = {}
    for name, value in identity.items():
        if name == "settings":
            flat |= value
        elif isinstance(value, Mapping):
            flat |= {f"{name}.{key}": each for key, each in value.items()}
        elif name not in NOTED:
            flat[name] = value
    return flat


def _environments(described: "pd.Series") -> list[Environment]:
    """Each of those that are different in what an `Environment` holds, once."""
    found = [Environment(**{name: each[name] for name in Environment.model_fields}) for each in described]
    return [each for number, each in enumerate(found) if each not in found[:number]]
