r"""Every headline number under a name of letters, for the macros with which prose quotes it: `\dazleCubHhonest`.

The rule a caller must know: the name of a simulated number says so (`\dazleSimulatedCubHhonest`).
"""

import re
from collections.abc import Iterable
from itertools import count

from reports.analysis.results import FULL_MODEL, METRICS, DatasetResults
from reports.analysis.statistics import summarise
from reports.table import Cell, Column
from reports.tables import captions
from reports.tables.by_protocol import oracle_gain

DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
MEAN, DIFFERENCE = Column("mean"), Column("difference", signed=True)


def headlines(every: Iterable[DatasetResults], protocol: str = "honest") -> dict[str, str]:
    """Macro name -> number as a table shows it: the mean of S, U, H and T1 of every row under the protocol and under
    the oracle, the difference in H to the full model with its interval, and what oracle selection gains."""
    found: dict[str, str] = {}
    for results in every:
        used = results.used(protocol)
        for variant in results.variants:
            for name, text in _of_row(results, variant, used).items():
                found[_free(name, found)] = text
        found[_free(f"oracleGain{_of(results)}", found)] = oracle_gain(results).shown(DIFFERENCE)
    return found


def macro_name(variant: str, results: DatasetResults, metric: str, protocol: str) -> str:
    """Letters only: `dense-calibrated` on `cub127` becomes `denseCalibratedCubOneTwoSeven`."""
    name = _words(variant)
    return f"{name[:1].lower()}{name[1:]}{_of(results)}{_words(metric)}{protocol}"


def _of_row(results: DatasetResults, variant: str, used: str) -> dict[str, str]:
    found = {}
    for protocol in dict.fromkeys((used, "oracle")):
        for metric in METRICS:
            mean = summarise(results.values(variant, metric, protocol)).mean
            found[macro_name(variant, results, metric, protocol)] = Cell(mean).shown(MEAN)
    if variant != FULL_MODEL and FULL_MODEL in results.variants:
        cell = captions.difference_cell(results.difference(variant, FULL_MODEL, "H", used))
        found[macro_name(variant, results, "DeltaH", used)] = cell.shown(DIFFERENCE)
    return found


def _of(results: DatasetResults) -> str:
    return ("Simulated" if results.source == "simulated" else "") + _words(results.name)


def _words(text: str) -> str:
    """Words run together, each beginning with a capital, digits spelled out, what is no ASCII letter left out."""
    points = re.sub(r"(?<=[0-9])\.(?=[0-9])", " Point ", text)
    words = re.split("[^A-Za-z]+", re.sub("[0-9]", lambda digit: f" {DIGITS[int(digit[0])]} ", points))
    return "".join(word[:1].upper() + word[1:] for word in words)


def _free(name: str, taken: dict[str, str]) -> str:
    """The name, with a letter behind it where another row has it already."""
    return next(free for times in count() if (free := name + "A" * times) not in taken)
