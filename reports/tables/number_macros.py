r"""The LaTeX macros with which the text of a paper quotes numbers of the tables: `\dazleCubHhonest`.

The rule a caller must know: the name of a simulated number says so (`\dazleSimulatedCubHhonest`).
"""

import re
from collections.abc import Iterable
from itertools import count

from reports.analysis.results import FULL_MODEL, DatasetResults
from reports.analysis.statistics import summarise
from reports.table import Column, TableCell
from reports.tables import captions
from reports.tables.protocol_comparison import oracle_gain

DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
DIFFERENCE = Column("difference", signed=True)


def number_macros(datasets: Iterable[DatasetResults], protocol: str = "honest") -> dict[str, str]:
    """Macro name -> number as a table prints it.

    For every row the means of S, U, H, T1 and further metrics under the protocol and under the oracle, and the
    difference in H to the full model with its interval; for every dataset the mean gain of oracle selection with its
    range over seeds.
    """
    numbers: dict[str, str] = {}
    for results in datasets:
        available = results.available_protocol(protocol)
        for variant in results.variants:
            for name, text in _variant_macros(results, variant, available).items():
                numbers[_free_name(name, numbers)] = text
        name = _free_name(f"oracleGain{_dataset_name(results)}", numbers)
        numbers[name] = oracle_gain(results).format(DIFFERENCE)
    return numbers


def macro_name(variant: str, results: DatasetResults, metric: str, protocol: str) -> str:
    """Letters only: `dense-calibrated` on `cub127` becomes `denseCalibratedCubOneTwoSeven`."""
    name = _capitalised(variant)
    return f"{name[:1].lower()}{name[1:]}{_dataset_name(results)}{_capitalised(metric)}{protocol}"


def _variant_macros(results: DatasetResults, variant: str, available: str) -> dict[str, str]:
    numbers: dict[str, str] = {}
    for protocol in dict.fromkeys((available, "oracle")):
        for metric in results.metrics:
            mean = summarise(results.values(variant, metric.name, protocol)).mean
            name = _free_name(macro_name(variant, results, metric.name, protocol), numbers)
            numbers[name] = TableCell(mean).format(Column("mean", digits=metric.digits))
    if variant != FULL_MODEL and FULL_MODEL in results.variants:
        cell = captions.difference_cell(results.difference(variant, FULL_MODEL, "H", available))
        numbers[macro_name(variant, results, "DeltaH", available)] = cell.format(DIFFERENCE)
    return numbers


def _dataset_name(results: DatasetResults) -> str:
    return ("Simulated" if results.source == "simulated" else "") + _capitalised(results.name)


def _capitalised(text: str) -> str:
    """The words without spaces, each with a capital first letter; digits in words, other characters left out."""
    points = re.sub(r"(?<=[0-9])\.(?=[0-9])", " Point ", text)
    words = re.split("[^A-Za-z]+", re.sub("[0-9]", lambda digit: f" {DIGITS[int(digit[0])]} ", points))
    return "".join(word[:1].upper() + word[1:] for word in words)


def _free_name(name: str, taken: dict[str, str]) -> str:
    """The name, with the letter A appended as often as needed to differ from all names in `taken`."""
    return next(free for times in count() if (free := name + "A" * times) not in taken)
