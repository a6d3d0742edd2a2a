"""The claims of the paper as data (`claims.toml`), each with a verdict from the records.

The rule a caller must know: a simulated record supports nothing. What holds there holds by construction, and reads so.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from reports.analysis.results import DatasetResults
from reports.analysis.statistics import PairedDifference, rank_note

FILE = Path(__file__).with_name("claims.toml")
UNKNOWN = PairedDifference(None, None, None, 0, None)

Word = Literal["supported", "contradicted", "undecided", "not run", "by construction", "not by construction"]

# What is undecided on simulated features is undecided there too: it neither holds nor fails by construction.
SIMULATED_WORDS: dict[Word, Word] = {"supported": "by construction", "contradicted": "not by construction"}


@dataclass(frozen=True)
class Claim:
    """`rows[0] - rows[1]` in `metric` is above zero, below zero, or within +- `margin` (percentage points)."""

    name: str
    text: str
    source: str
    presets: tuple[str, ...]
    rows: tuple[str, str]
    metric: Literal["S", "U", "H", "T1"]
    direction: Literal["above", "below", "within"]
    margin: float = 0.0

    def judge(self, effect: PairedDifference) -> Word:
        """By the 95 % interval over seeds alone: all of it on the claimed side, all on the other, or undecided."""
        low, high = effect.low, effect.high
        if low is None or high is None or effect.over != "seeds":
            return "undecided"
        if self.direction == "within":
            outside = low > self.margin or high < -self.margin
            return "supported" if -self.margin <= low and high <= self.margin else _against(outside)
        low, high = (low, high) if self.direction == "above" else (-high, -low)
        return "supported" if low > 0 else _against(high < 0)


@dataclass(frozen=True)
class Verdict:
    """What the records of one dataset say of one claim; `dataset` is the preset where no dataset of it was run."""

    claim: Claim
    dataset: str
    source: str  # of the features; empty where there are none
    word: Word
    effect: PairedDifference
    note: str = ""

    @property
    def key(self) -> str:
        """What tells verdicts apart, within one run and between runs."""
        return f"{self.claim.name} on {self.dataset}"

    @property
    def holds(self) -> bool:
        """Whether the claim is borne out, be it by construction."""
        return self.word in ("supported", "by construction")


@cache
def claims() -> tuple[Claim, ...]:
    """All claims, in the order of the ledger."""
    entries = tomllib.loads(FILE.read_text(encoding="utf-8"))["claim"]
    return tuple(
        Claim(**entry | {"presets": tuple(entry["presets"]), "rows": tuple(entry["rows"])}) for entry in entries
    )


def ledger(every: Sequence[DatasetResults], protocol: str = "honest") -> list[Verdict]:
    """A verdict for each claim on each dataset of its presets, in the order of the claims."""
    return [verdict for claim in claims() for verdict in _verdicts(claim, every, protocol)]


def lost(accepted: Mapping[str, str], verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts that held when `accepted` (key -> word) was written and do not hold any more.

    A claim that was not run this time is not lost: nothing was said of it.
    """
    held = {key for key, word in accepted.items() if word in ("supported", "by construction")}
    return [verdict for verdict in verdicts if verdict.key in held and not verdict.holds and verdict.word != "not run"]


def _verdicts(claim: Claim, every: Sequence[DatasetResults], protocol: str) -> list[Verdict]:
    found = []
    for preset in claim.presets:
        about = [results for results in every if results.preset == preset]
        found += [_verdict(claim, results, protocol) for results in about]
        if not about:
            found.append(Verdict(claim, preset, "", "not run", UNKNOWN, f"no features of {preset} in this run"))
    return found


def _verdict(claim: Claim, results: DatasetResults, protocol: str) -> Verdict:
    absent = [row for row in claim.rows if row not in results.variants]
    if absent:
        note = f"not in this run: {', '.join(absent)}"
        return Verdict(claim, results.name, results.source, "not run", UNKNOWN, note)
    effect = results.difference(*claim.rows, claim.metric, results.used(protocol))
    if effect.mean is None:
        return Verdict(claim, results.name, results.source, "not run", effect, "no seed that both rows have finished")
    word = claim.judge(effect)
    return Verdict(claim, results.name, results.source, _of(word, results.source), effect, _note(word, effect))


def _against(contradicted: bool) -> Word:
    return "contradicted" if contradicted else "undecided"


def _of(word: Word, source: str) -> Word:
    return SIMULATED_WORDS.get(word, word) if source == "simulated" else word


def _note(word: Word, effect: PairedDifference) -> str:
    if effect.over == "classes":
        return "one seed: an interval over classes decides nothing about another training"
    if effect.n == 1:
        return "one seed: no interval"
    if effect.equal:
        return f"all {effect.n} differences are equal"
    return rank_note(effect.n, 1) if word == "undecided" else ""
