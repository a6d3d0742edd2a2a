"""Accepted results: what a reviewed file in git says a run should reach, and the file's reader and writer.

A file holds raw values per repetition, never a statistic, and no path and no name of a machine. A run is brought into
the same shape (`benchmark/gate/candidate.py`), so that accepting is writing it and checking is comparing two of a kind.
What has to be equal for two rows to be comparable is their `basis`: the identity of their cells but for `NOTED`.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, FiniteFloat, ValidationError, model_validator

from benchmark.cells.records import Percent, Strict
from dazle.errors import InputError, problem
from dazle.files import write_atomic

# In a cell's identity, yet left to the tolerance: with them a number may move, but not what it means.
NOTED = frozenset(["package", "base_seed", "seed", "threads", "device"])
TOLERANCE = 0.5  # percentage points
DECIMALS = 3  # of a percentage point: far below the tolerance and one image
LEAST_REPETITIONS = 2

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
MetricName = Literal["H", "S", "U", "T1"]
Basis = dict[str, bool | int | FiniteFloat | str | None]
Tolerance = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Key = tuple[str, str]  # dataset, variant


class Metric(Strict):
    """Which way is better, and how far below is still the same; tolerance None: kept for readers, judges nothing."""

    better: Literal["higher", "lower"] = "higher"
    tolerance: Tolerance | None = None


class Dataset(Strict):
    """A dataset, and the basis that its rows share but for their `changes`."""

    name: Name
    backbone: str
    about: str
    basis: Basis


class Row(Strict):
    """One variant on one dataset: `values` has a list a metric, in percent, by repetition from 0."""

    dataset: Name
    variant: Name
    changes: Basis
    values: dict[MetricName, list[Percent]]
    # Where it is not the metric's.
    tolerance: dict[MetricName, Tolerance | None] = Field(default_factory=dict)

    @property
    def key(self) -> Key:
        return self.dataset, self.variant

    @property
    def repetitions(self) -> int:
        return len(next(iter(self.values.values())))

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if len({len(values) for values in self.values.values()}) != 1:
            raise ValueError(f"{self.variant} on {self.dataset} needs metrics with a value each a repetition")
        return self


class Environment(Strict):
    """Where the values came from; a difference is noted, never judged."""

    python: str
    versions: dict[str, str | None]
    processor: str
    device: str | None


class Accepted(Strict):
    """The whole file. `conditions` are the fields of `matrix.Conditions`."""

    version: Literal[1] = 1
    suite: Name
    source: Literal["real", "simulated"]
    protocol: Literal["honest"] = "honest"
    package: str
    conditions: dict[str, Any]
    environments: list[Environment]
    metrics: dict[MetricName, Metric]
    datasets: list[Dataset]
    rows: list[Row]
    claims: dict[str, str]  # key of a verdict of `reports/analysis/claims.py` -> its word

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        twice = [key for key, count in Counter(row.key for row in self.rows).items() if count > 1]
        if twice:
            raise ValueError(f"{twice[0][1]} on {twice[0][0]} is there twice")
        for row in self.rows:
            strange = (row.values.keys() | row.tolerance.keys()) - self.metrics.keys()
            if row.dataset not in {data.name for data in self.datasets} or strange:
                raise ValueError(f"{row.variant} has a dataset or metric that the file does not describe")
        if not isinstance(self.conditions.get("base_seed"), int):
            raise ValueError("conditions lack a base_seed")
        return self

    def judged(self, row: Row) -> dict[MetricName, float]:
        """The metrics that judge the row, with the tolerance of each: the row's own, else the metric's."""
        found = {name: row.tolerance.get(name, self.metrics[name].tolerance) for name in row.values}
        return {name: tolerance for name, tolerance in found.items() if tolerance is not None}

    def basis(self, row: Row) -> Basis:
        """All that has to be equal for a row to be compared."""
        return next(data.basis for data in self.datasets if data.name == row.dataset) | row.changes


def read_accepted(path: Path) -> Accepted:
    """Raises InputError, one line naming file, key and remedy, where the file is not whole or judges nothing."""
    try:
        accepted = Accepted.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); `accept OUT --into {path}` makes one") from None
    except ValidationError as error:
        raise InputError(f"{path}: {problem(error)}; take it from git again") from None
    idle = [row for row in accepted.rows if not accepted.judged(row) or row.repetitions < LEAST_REPETITIONS]
    if idle or not accepted.rows:
        where = f"{idle[0].variant} on {idle[0].dataset}" if idle else "the file"
        raise InputError(
            f"{path}: nothing can be judged of {where}: a metric with a tolerance and {LEAST_REPETITIONS} repetitions "
            "are needed; accept the run again"
        )
    return accepted


def write_accepted(path: Path, accepted: Accepted) -> None:
    """Atomic; a line a dataset and a row, so that a change of one is one line of a diff."""
    content = accepted.model_dump(mode="json")
    for row in content["rows"]:
        if not row["tolerance"]:
            del row["tolerance"]
    parts = [f" {json.dumps(key)}: {_laid_out(value)}" for key, value in content.items()]
    write_atomic(path, "{\n" + ",\n".join(parts) + "\n}\n")


def _laid_out(value: Any) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(f"  {json.dumps(item)}" for item in value) + "\n ]"
    return json.dumps(value)
