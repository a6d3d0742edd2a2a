"""Class attributes from a CSV file: a line for each class, its name first, and a column for each attribute."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dazle.datasets.class_folders import class_key
from dazle.datasets.csv_table import CsvTable, read_csv
from dazle.errors import InputError

CONTENTS = "a CSV file: a header with the names of the attributes, then one line for each class, its name first"


def read_attributes(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray]:
    """Names of the classes and of the attributes, and (C, A) float64 values as they are in the file.

    Raises InputError, one line with the file, the line and the column, for a value that is not a number, for names that
    are missing or repeated, for an attribute with one value only, and for a class whose values are all zero.
    """
    table = read_csv(path, CONTENTS)
    attributes = table.header[1:]
    if not attributes:
        raise InputError(f"{path}: has one column only; give {CONTENTS}")
    _check_names(path, "column", dict(enumerate(attributes, 2)), str)
    _check_names(path, "line", {number: cells[0] for number, cells in table.lines.items()}, class_key)
    values = np.array([_values(table, number, attributes) for number in table.lines])
    _check_values(table, values)
    return tuple(cells[0] for cells in table.lines.values()), attributes, values


def _check_names(path: Path, place: str, names: dict[int, str], form: Callable[[str], str]) -> None:
    first: dict[str, int] = {}
    for number, name in names.items():
        if not name:
            raise InputError(f"{path}: {place} {number} has no name; write it, or remove the {place}")
        key = form(name)
        if key in first:
            fault = f"{place} {number} is {name!r}, {place} {first[key]} is {names[first[key]]!r}"
            raise InputError(f"{path}: {fault}: these are one name; rename or remove one of them")
        first[key] = number


def _values(table: CsvTable, number: int, attributes: tuple[str, ...]) -> list[float]:
    values = []
    for name, cell in zip(attributes, table.lines[number][1:], strict=True):
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            place = f"line {number} ({table.lines[number][0]}), column {name!r}"
            raise InputError(f"{table.path}: {place} is {cell!r}, not a number; every class needs a value, write one")
        values.append(value)
    return values


def _check_values(table: CsvTable, values: np.ndarray) -> None:
    constant = np.flatnonzero((values == values[0]).all(axis=0))
    if constant.size:
        names = ", ".join(repr(table.header[1 + column]) for column in constant[:3]) + ", .." * (constant.size > 3)
        value = f"{values[0, constant[0]]:g} for every class"
        raise InputError(
            f"{table.path}: {constant.size} attributes distinguish no classes ({names}: {value}); remove their columns"
        )
    zero = np.flatnonzero(~values.any(axis=1))
    if zero.size:
        number = list(table.lines)[zero[0]]
        raise InputError(
            f"{table.path}: line {number} ({table.lines[number][0]}) has only zeros, which describe no class; "
            "write its values"
        )
