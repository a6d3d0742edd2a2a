"""The records of one dataset under each protocol: the values of every table, figure and claim.

The rule a caller must know: values are series indexed by seed, and pairs are made by that index, never by the order of
rows.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import pandas as pd

from reports.analysis.metrics import ACCURACIES, further_metrics
from reports.analysis.protocols import CANDIDATE, at_edge, check_protocol, reported_points, select
from reports.analysis.statistics import PairedDifference, Summary, paired_difference, summarise

FULL_MODEL = "dazle"
PAPER_BACKBONE = "ResNet-101"
METRICS = tuple(metric.name for metric in ACCURACIES)


class DatasetResults:
    """The cells of one dataset, one row per cell with the columns of `OutputFolder.frame`, finished or not."""

    def __init__(self, frame: pd.DataFrame) -> None:
        """Raises ValueError if the cells differ in source, preset, backbone or published counts."""
        self.frame = frame.reset_index(drop=True)
        self.name = str(self.shared_value("dataset"))
        self.source, self.preset = str(self.shared_value("source")), str(self.shared_value("preset"))
        self.backbone, self.about = str(self.shared_value("backbone")), str(self.shared_value("about"))
        self.has_published_counts = self.source == "real" and bool(self.shared_value("published_counts"))
        self.metrics = (*ACCURACIES, *further_metrics(self.frame))  # those with a column in tables
        self.seeds = int(self.frame["seed"].nunique())
        self._cells = {str(variant): cells for variant, cells in self.frame.groupby("variant", sort=False)}
        self._finished = {variant: cells[cells["status"] == "done"] for variant, cells in self._cells.items()}
        self.variants = list(self._cells)
        self._every_seed = self.frame["seed"].unique()
        # Tables, figures and claims read the same selections and differences many times.
        self._points: dict[str, pd.DataFrame] = {}
        self._values: dict[str, dict[tuple[str, str], pd.Series]] = {}
        self._differences: dict[tuple[str, ...], PairedDifference] = {}

    @classmethod
    def per_dataset(cls, frame: pd.DataFrame) -> Iterator[Self]:
        """The results of each dataset, in the order of the frame."""
        for _, cells in frame.groupby("dataset", sort=False):
            yield cls(cells)

    def shared_value(self, column: str) -> Any:
        """The value of the column, which all cells share; ValueError if they have several values or none."""
        values = self.frame[column].dropna().unique()
        if len(values) != 1:
            names = ", ".join(map(str, values)) or "none"
            raise ValueError(f"dataset {self.frame['dataset'].iloc[0]}: one {column} per table, not {names}")
        return values[0]

    @cached_property
    def has_validation(self) -> bool:
        """Whether a finished cell has a validation curve; True as long as no cell is finished."""
        finished = self.frame[self.frame["status"] == "done"]
        return len(finished) == 0 or any(any(folds) for folds in finished["validation"])

    def available_protocol(self, protocol: str) -> str:
        """`protocol`, or `last` in place of `honest` if there was no validation phase.

        Raises ValueError for an unknown protocol.
        """
        check_protocol(protocol)
        return "last" if protocol == "honest" and not self.has_validation else protocol

    def points(self, protocol: str) -> pd.DataFrame:
        """`select` for all cells of the dataset."""
        if protocol not in self._points:
            self._points[protocol] = select(self.frame, protocol)
        return self._points[protocol]

    def values(self, variant: str, column: str, protocol: str) -> pd.Series:
        """A column of `points` for one variant, indexed by seed; NaN if a cell has no value.

        A deterministic method has its one value at every seed, so that it pairs with each training of the others.
        """
        if protocol not in self._values:
            self._values[protocol] = {
                (str(name), str(label)): self._at_every_seed(values) if self.deterministic(str(name)) else values
                for name, rows in self.points(protocol).groupby("variant")
                for label, values in rows.set_index("seed").items()
            }
        return self._values[protocol][variant, column]

    def _at_every_seed(self, values: pd.Series) -> pd.Series:
        return pd.Series([values.iloc[0]] * len(self._every_seed), index=self._every_seed, name=values.name)

    def deterministic(self, variant: str) -> bool:
        """Whether the variant's method has no random part, so that it is trained once and has no spread over seeds."""
        return bool(self._first_cell(variant).get("deterministic", False))

    def method(self, variant: str) -> str:
        """The name of the variant's method."""
        return str(self._first_cell(variant).get("method", FULL_MODEL))

    def summary(self, variant: str, column: str, protocol: str) -> Summary:
        """Mean and spread over the seeds that have a value; one value without spread if the method is deterministic."""
        values = self.values(variant, column, protocol)
        return summarise(values.iloc[:1] if self.deterministic(variant) else values)

    def finished_cells(self, variant: str) -> pd.DataFrame:
        """The variant's cells with status `done`."""
        return self._finished[variant]

    def measurements(self, variant: str, column: str) -> pd.Series:
        """A column of the frame (images/s, bytes) for the variant's finished cells, indexed by seed.

        Empty if the frame has no such column.
        """
        cells = self._finished[variant]
        if column not in cells:
            return pd.Series(dtype=float)
        return pd.Series(cells[column].to_numpy(dtype=float), index=cells["seed"])

    def costs(self, variant: str, reference: str) -> pd.Series:
        """Training time an image of the variant over that of the reference, by seed, where both have one."""
        speeds = [self.measurements(name, "images_per_second") for name in (reference, variant)]
        return speeds[0] / speeds[1]

    def difference(self, variant: str, reference: str, metric: str, protocol: str) -> PairedDifference:
        """variant - reference in one metric, paired by seed.

        Without interval and p value if either method is deterministic: the interval would have the noise of the other
        one's training alone.
        """
        key = (variant, reference, metric, protocol)
        if key not in self._differences:
            pair = (self.values(name, metric, protocol) for name in (variant, reference))
            difference = paired_difference(*pair)
            if self.deterministic(variant) or self.deterministic(reference):
                difference = replace(difference, low=None, high=None, p=None)
            self._differences[key] = difference
        return self._differences[key]

    def has_candidates(self, variant: str) -> bool:
        """Whether the variant's curves run over candidate regularisers and not over epochs."""
        return any(curve[0].get(CANDIDATE) for curve in self.finished_cells(variant)["test"] if curve)

    def edges(self, variant: str, protocol: str) -> list[str]:
        """The regularisers whose reported value is the smallest or largest candidate (`protocols.at_edge`)."""
        cells = self.finished_cells(variant)
        points = zip(reported_points(cells, protocol), cells["test"], strict=True)
        return list(dict.fromkeys(name for point, curve in points for name in at_edge(point, curve)))

    def status_and_error(self, variant: str, seed: int) -> tuple[str, str]:
        """The status of a cell, and its error, which is empty if there was none."""
        cells = self._cells[variant]
        seed = int(cells["seed"].iloc[0]) if self.deterministic(variant) else seed
        status, error = cells.loc[cells["seed"] == seed, ["status", "error"]].iloc[0]
        return str(status), error if isinstance(error, str) else ""

    def axis(self, variant: str) -> str:
        """The axis of a variant, `baselines` for other methods; empty for the full model and for several changes."""
        if self.method(variant) != FULL_MODEL:
            return "baselines"
        value = self._first_cell(variant)["axis"]
        return "" if pd.isna(value) else str(value)

    def change(self, variant: str) -> str:
        """The settings that the variant changes, as the registry prints them."""
        return str(self._first_cell(variant)["change"])

    def _first_cell(self, variant: str) -> pd.Series:
        return self._cells[variant].iloc[0]
