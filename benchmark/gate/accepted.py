"""The file of accepted results: its format, its reader and its writer.

A file holds raw values by repetition, never a statistic, no path and no name of a machine. `candidate.py` reads a run
into the same format: `accept` writes it to a file, `check` compares it with a file.

The rule a caller must know: two rows may be compared only if their `basis` is equal, which is the identity of their
cells without the keys in `TOLERATED`.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, FiniteFloat, ValidationError, model_validator

from benchmark.cells.records import Percent, Strict
from dazle.errors import InputError, cannot_read, problem
from dazle.files import write_atomic

# Keys of a cell's identity that may differ between comparable rows: they can move a number, but not change its meaning.
TOLERATED = frozenset(["package", "revision", "base_seed", "seed", "threads", "device"])
TOLERANCE = 0.5  # percentage points
DECIMALS = 3  # of a percentage point: far below the tolerance and one image
LEAST_REPETITIONS = 2
REMEDY = "give a file that `accept` wrote, or take it from git again"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
MetricName = Literal["H", "S", "U", "T1"]
Basis = dict[str, bool | int | FiniteFloat | str | None]
Tolerance = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Key = tuple[str, str]  # dataset, variant


class Metric(Strict):
    """Which direction is better, and the tolerated difference; tolerance None: kept for readers, decides nothing."""

    better: Literal["higher", "lower"] = "higher"
    tolerance: Tolerance | None = None


class AcceptedDataset(Strict):
    """A dataset, and the basis that its rows share except for their `changes`."""

    name: Name
    backbone: str
    about: str
    basis: Basis


class AcceptedRow(Strict):
    """One variant on one dataset. `values`: for each metric a list in percent, by repetition from 0."""

    dataset: Name
    variant: Name
    changes: Basis
    values: dict[MetricName, list[Percent]]
    # Instead of the tolerance of the metric.
    tolerance: dict[MetricName, Tolerance | None] = Field(default_factory=dict)

    @property
    def key(self) -> Key:
        return self.dataset, self.variant

    @property
    def repetitions(self) -> int:
        return len(next(iter(self.values.values())))

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if len({len(values) for values in self.values.values()}) != 1:
            raise ValueError(f"{self.variant} on {self.dataset} needs metrics with one value for each repetition")
        return self


class Environment(Strict):
    """The software and hardware that the values were computed with; a difference is printed and decides nothing."""

    python: str
    versions: dict[str, str | None]
    processor: str
    device: str | None


class AcceptedResults(Strict):
    """The whole file. `conditions` are the fields of `matrix.Conditions`."""

    version: Literal[1] = 1
    suite: Name
    source: Literal["real", "simulated"]
    protocol: Literal["honest"] = "honest"
    package: str
    conditions: dict[str, Any]
    environments: list[Environment]
    metrics: dict[MetricName, Metric]
    datasets: list[AcceptedDataset]
    rows: list[AcceptedRow]
    claims: dict[str, str]  # key of a `reports.analysis.claims.ClaimVerdict` -> its word

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        twice = [key for key, count in Counter(row.key for row in self.rows).items() if count > 1]
        if twice:
            raise ValueError(f"{twice[0][1]} on {twice[0][0]} is in it twice")
        for row in self.rows:
            unknown = (row.values.keys() | row.tolerance.keys()) - self.metrics.keys()
            if row.dataset not in {data.name for data in self.datasets} or unknown:
                raise ValueError(f"{row.variant} has a dataset or metric that the file does not describe")
        if not isinstance(self.conditions.get("base_seed"), int):
            raise ValueError("conditions lack a base_seed")
        return self

    def tolerances(self, row: AcceptedRow) -> dict[MetricName, float]:
        """The metrics that are compared in the row, with the tolerance of each: the row's own, else the metric's."""
        tolerances = {name: row.tolerance.get(name, self.metrics[name].tolerance) for name in row.values}
        return {name: tolerance for name, tolerance in tolerances.items() if tolerance is not None}

    def basis(self, row: AcceptedRow) -> Basis:
        """The settings and conditions that must be equal for the row to be compared."""
        basis = next(data.basis for data in self.datasets if data.name == row.dataset) | row.changes
        # Identity 2 has the revision of the method in place of 1's version of the package; both are tolerated.
        return basis | {"identity": 2} if basis.get("identity") == 1 else basis


def read_accepted(path: Path) -> AcceptedResults:
    """The accepted results. Raises InputError if the file is not valid, or if a row of it cannot be compared."""
    try:
        accepted = AcceptedResults.model_validate_json(path.read_bytes())
    except OSError as error:
        remedy = f"`accept OUT --into {path}` writes it" if not path.exists() else "give a file of accepted results"
        raise cannot_read(path, error, remedy) from None
    except ValidationError as error:
        raise InputError(f"{path}: {problem(error)}; {REMEDY}") from None
    if not accepted.rows:
        raise InputError(f"{path}: it has no rows; accept the run again")
    for row in accepted.rows:
        if not accepted.tolerances(row) or row.repetitions < LEAST_REPETITIONS:
            raise InputError(
                f"{path}: {row.variant} on {row.dataset} cannot be compared without a metric with a tolerance and "
                f"{LEAST_REPETITIONS} repetitions; accept the run again"
            )
    return accepted


def write_accepted(path: Path, accepted: AcceptedResults) -> None:
    """Writes the file atomically, one line for each dataset and each row, so that diffs are short."""
    content = accepted.model_dump(mode="json")
    for row in content["rows"]:
        if not row["tolerance"]:
            del row["tolerance"]
    parts = [f" {json.dumps(key)}: {_indented(value)}" for key, value in content.items()]
    write_atomic(path, "{\n" + ",\n".join(parts) + "\n}\n")


def _indented(value: Any) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(f"  {json.dumps(item)}" for item in value) + "\n ]"
    return json.dumps(value)
