"""The record of a cell that ended: one JSON with raw values and curves, never statistics.

Validated when it is made and when it is read.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from benchmark.cells.matrix import Origin, identity_hash
from dazle.errors import InputError, cannot_read, problem
from dazle.files import write_atomic

# These names become file names in an output folder and cannot lead out of it.
CellId = Annotated[str, Field(pattern=r"^[0-9a-f]{20}$")]
VariantName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
DatasetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Percent = Annotated[float, Field(ge=0, le=100.000001, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Strict(BaseModel):
    """Refuses unknown keys, and cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Point(Strict):
    """One evaluation. Accuracies in percent; `correct` counts images per class of the phase at `margin`.

    S, H and AUSUC are None if no image of a seen class is evaluated (CUB's standard split), `pointing` if the features
    hold no places.
    """

    step: NonNegativeInt
    epoch: FiniteFloat | None  # None in a curve over candidate regularisers
    fraction: FiniteFloat
    S: Percent | None
    U: Percent
    H: Percent | None
    T1: Percent
    AUSUC: Percent | None
    metrics: dict[str, FiniteFloat | None] = {}  # further ones by name, in units of their own
    margin: FiniteFloat
    best_margin: FiniteFloat | None
    best_margin_H: Percent | None
    seen_unseen: list[tuple[Percent, Percent]] | None = None  # (S, U) along the curve with area AUSUC
    pointing: Percent | None
    pointing_chance: Percent | None = None
    # Means over the steps since the previous point, by name; `total` is minimised. None for a method without steps.
    loss: dict[str, FiniteFloat | None] | None
    candidate: dict[str, FiniteFloat] | None = None  # the regulariser of this point
    correct: list[NonNegativeInt]
    correct_T1: list[NonNegativeInt]


class PhaseRecord(Strict):
    """One training: its label space (class ids, which of them are seen, images evaluated of each) and its curve."""

    name: str
    classes: list[NonNegativeInt]
    seen: list[bool]
    images: list[NonNegativeInt]
    train_images: NonNegativeInt
    images_trained: NonNegativeInt
    train_seconds: Seconds
    seconds: Seconds
    curve: list[Point]


class Record(Strict):
    """A cell that ended: `done` with its phases, or `failed` with the traceback."""

    version: Literal[1] = 1
    id: CellId
    status: Literal["done", "failed"]
    variant: VariantName
    method: VariantName = "dazle"
    dataset: DatasetName
    seed: NonNegativeInt
    identity: dict[str, Any]
    features: dict[str, Any]
    environment: dict[str, Any]
    # Of a tuned row. Rows with equal settings share this record; the manifest names the study of each tuned row.
    tuned: Origin | None = None
    started: str
    seconds: Seconds  # this cell's share of its job, which may train for several cells at once
    validation: list[PhaseRecord] = []
    test: PhaseRecord | None = None
    parameters: NonNegativeInt | None = None
    peak_memory: NonNegativeInt | None = None  # bytes, of the worker
    # Read from records of versions up to 0.3.0, which could train several cells in one step; written no more.
    side_by_side: PositiveInt = Field(1, exclude=True)
    error: str | None = None

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        """The id is the hash of the identity, so a record that was changed or moved is refused."""
        if self.status == "done" and (self.test is None or not self.test.curve):
            raise ValueError("status is done, but there is no test curve")
        if self.id != identity_hash(self.identity):
            raise ValueError("the id is not that of the identity")
        if (self.dataset, self.seed) != (self.identity.get("dataset"), self.identity.get("seed")):
            raise ValueError("dataset and seed are not those of the identity")
        if self.method != self.identity.get("method", "dazle"):
            raise ValueError("the method is not that of the identity")
        return self


def write_record(path: Path, record: Record) -> None:
    """Atomic; values that are not finite are refused when the record is made."""
    write_atomic(path, record.model_dump_json(by_alias=True))


def read_record(path: Path) -> Record:
    """Raises InputError, naming file and key, if the file is not a whole record of the cell in its name."""
    try:
        record = Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"{path}: {problem(error)}; remove the file and run again") from None
    except OSError as error:
        raise cannot_read(path, error, "remove it and run again") from None
    if record.id != path.stem:
        raise InputError(f"{path}: holds the record of cell {record.id}; remove the file and run again")
    return record
