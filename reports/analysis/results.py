"""What one dataset's records say under each protocol: the values that every table and claim is made of.

The rule a caller must know: values come as series indexed by seed, and nothing is ever paired by the order of rows.
"""

from collections.abc import Iterator
from functools import cache, cached_property
from typing import Any, Self

import numpy as np
import pandas as pd

from reports.analysis.class_bootstrap import KINDS, ClassCounts, class_difference
from reports.analysis.protocols import PROTOCOLS, chosen_points, select
from reports.analysis.statistics import PairedDifference, paired_difference

FULL_MODEL = "dazle"
PAPER_BACKBONE = "ResNet-101"
METRICS = ("S", "U", "H", "T1")


class DatasetResults:
    """The cells of one dataset (a row a cell, as the store's frame has them), whole or not."""

    def __init__(self, frame: pd.DataFrame) -> None:
        """Raises ValueError where cells disagree about source, preset, backbone or published counts."""
        self.frame = frame.reset_index(drop=True)
        self.name = str(self.only("dataset"))
        self.source, self.preset = str(self.only("source")), str(self.only("preset"))
        self.backbone, self.about = str(self.only("backbone")), str(self.only("about"))
        self.published = self.source == "real" and bool(self.only("published_counts"))
        self.seeds = int(self.frame["seed"].nunique())
        self._rows = {str(variant): part for variant, part in self.frame.groupby("variant", sort=False)}
        self.variants = list(self._rows)
        # One selection a protocol, however many tables ask.
        self.points = cache(self._points)
        self._of_variant = cache(self._by_variant)

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Iterator[Self]:
        """One a dataset, in the order of the frame."""
        for _, part in frame.groupby("dataset", sort=False):
            yield cls(part)

    def only(self, column: str) -> Any:
        """The one value that all cells have; ValueError where they have several or none."""
        values = self.frame[column].dropna().unique()
        if len(values) != 1:
            found = ", ".join(map(str, values)) or "none"
            raise ValueError(f"dataset {self.frame['dataset'].iloc[0]}: one {column} a table, found {found}")
        return values[0]

    @cached_property
    def validated(self) -> bool:
        """Whether there is a validation phase to choose by; where nothing is done yet, nothing speaks against it."""
        done = self.frame[self.frame["status"] == "done"]
        return len(done) == 0 or any(any(folds) for folds in done["validation"])

    def used(self, protocol: str) -> str:
        """The protocol that can be had: the last epoch in place of the honest one where nothing was validated.

        Raises ValueError for an unknown protocol.
        """
        if protocol not in PROTOCOLS:
            raise ValueError(f"unknown protocol {protocol!r}: choose one of {', '.join(PROTOCOLS)}")
        return "last" if protocol == "honest" and not self.validated else protocol

    def values(self, variant: str, column: str, protocol: str) -> pd.Series:
        """One of `select`'s columns of a variant, indexed by seed; NaN where a cell has no value."""
        return self._of_variant(protocol)[variant][column]

    def done(self, variant: str) -> pd.DataFrame:
        """The variant's finished cells."""
        rows = self._rows[variant]
        return rows[rows["status"] == "done"]

    def measured(self, variant: str, column: str) -> pd.Series:
        """A column of the frame itself (images/s, bytes) of a variant's done cells, indexed by seed."""
        return self.done(variant).set_index("seed")[column].astype(float)

    def difference(self, variant: str, reference: str, metric: str, protocol: str) -> PairedDifference:
        """variant - reference, paired by seed; where one seed is all there is, with the interval over classes."""
        paired = paired_difference(self.values(variant, metric, protocol), self.values(reference, metric, protocol))
        if paired.n != 1 or metric not in KINDS:
            return paired
        first, second = self._counts(variant, protocol), self._counts(reference, protocol)
        over_classes = class_difference(first, second, metric) if first and second else None
        return over_classes or paired

    def ended(self, variant: str, seed: int) -> tuple[str, str]:
        """(status, last line of the error, or nothing) of a cell."""
        rows = self._rows[variant]
        status, error = rows.loc[rows["seed"] == seed, ["status", "error"]].iloc[0]
        said = error.strip().splitlines() if isinstance(error, str) else []
        return str(status), said[-1] if said else ""

    def axis(self, variant: str) -> str:
        """The axis that a variant belongs to; empty for the full model and rows that change several."""
        value = self._first(variant)["axis"]
        return "" if pd.isna(value) else str(value)

    def change(self, variant: str) -> str:
        """What the variant changes, as the registry prints it."""
        return str(self._first(variant)["change"])

    def _points(self, protocol: str) -> pd.DataFrame:
        return select(self.frame, protocol)

    def _by_variant(self, protocol: str) -> dict[str, pd.DataFrame]:
        return {str(name): part.set_index("seed") for name, part in self.points(protocol).groupby("variant")}

    def _first(self, variant: str) -> pd.Series:
        return self._rows[variant].iloc[0]

    def _counts(self, variant: str, protocol: str) -> ClassCounts | None:
        """Of the variant's only done cell; None where there are several, or no counts in it."""
        rows = self.done(variant)
        if len(rows) != 1 or "class_images" not in rows:
            return None
        point = chosen_points(rows, protocol)[0]
        if not point or not point.get("correct"):
            return None
        images, seen = rows["class_images"].iloc[0], rows["class_seen"].iloc[0]
        return ClassCounts(np.array(images), np.array(point["correct"]), np.array(seen, dtype=bool))
