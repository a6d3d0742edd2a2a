"""The claims of the paper, read from `claims.toml`, and the verdict of a run's records on each of them.

The rule a caller must know: simulated records support no claim; a claim that they agree with holds by construction.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from reports.analysis.results import DatasetResults
from reports.analysis.statistics import ROUNDING, PairedDifference, rank_note

FILE = Path(__file__).with_name("claims.toml")
NO_DIFFERENCE = PairedDifference(None, None, None, 0, None)

Word = Literal[
    "supported", "contradicted", "undecided", "no verdict", "not run", "by construction", "not by construction"
]

# The other words are the same on simulated features.
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

    def decide(self, effect: PairedDifference) -> Word:
        """The word of the verdict, from the 95 % interval over seeds.

        `supported`: the whole interval is on the claimed side; `contradicted`: the whole interval is on the other;
        `undecided`: neither; `no verdict`: without spread over seeds there is no interval.
        """
        low, high = effect.low, effect.high
        if low is None or high is None:
            return "no verdict"
        if self.direction == "within":
            supported, contradicted = (
                -self.margin <= low and high <= self.margin,
                low > self.margin or high < -self.margin,
            )
        else:
            low, high = (low, high) if self.direction == "above" else (-high, -low)
            supported, contradicted = low > 0, high < 0
        return "supported" if supported else "contradicted" if contradicted else "undecided"


@dataclass(frozen=True)
class ClaimVerdict:
    """The verdict on one claim from the records of one dataset; `dataset` is the preset if none of it was run."""

    claim: Claim
    dataset: str
    source: str  # of the features; empty if there are none
    word: Word
    effect: PairedDifference
    note: str = ""

    @property
    def key(self) -> str:
        """Identifies the verdict within a run and between runs."""
        return f"{self.claim.name} on {self.dataset}"

    @property
    def holds(self) -> bool:
        """Whether the records agree with the claim, be they real or simulated."""
        return self.word in ("supported", "by construction")

    @property
    def points(self) -> bool:
        """Whether the mean difference, by more than rounding, points the claimed way."""
        mean = self.effect.mean
        if mean is None:
            return False
        if self.claim.direction == "within":
            return abs(mean) <= self.claim.margin
        return (mean if self.claim.direction == "above" else -mean) > ROUNDING


@cache
def claims() -> tuple[Claim, ...]:
    """All claims, in the order of the file."""
    entries = tomllib.loads(FILE.read_text(encoding="utf-8"))["claim"]
    return tuple(
        Claim(**entry | {"presets": tuple(entry["presets"]), "rows": tuple(entry["rows"])}) for entry in entries
    )


def claim_verdicts(datasets: Sequence[DatasetResults], protocol: str = "honest") -> list[ClaimVerdict]:
    """A verdict on each claim for each dataset of its presets, in the order of the claims."""
    verdicts = []
    for claim in claims():
        for preset in claim.presets:
            matching = [results for results in datasets if results.preset == preset]
            verdicts += [_verdict(claim, results, protocol) for results in matching]
            if not matching:
                note = f"no features of {preset} in this run"
                verdicts.append(ClaimVerdict(claim, preset, "", "not run", NO_DIFFERENCE, note))
    return verdicts


def lost_verdicts(accepted: Mapping[str, str], verdicts: Iterable[ClaimVerdict]) -> list[ClaimVerdict]:
    """The verdicts whose claims held when `accepted` (key -> word) was written and do not hold now.

    A claim that was not run now is not among them, and one without an interval now only if its difference does not
    point the claimed way (else it is one of `verdicts_without_spread`).
    """
    return [
        verdict
        for verdict in _held_before(accepted, verdicts)
        if not verdict.holds and verdict.word != "not run" and not (verdict.word == "no verdict" and verdict.points)
    ]


def verdicts_without_spread(accepted: Mapping[str, str], verdicts: Iterable[ClaimVerdict]) -> list[ClaimVerdict]:
    """The verdicts whose claims held when `accepted` (key -> word) was written and whose differences are equal now.

    The difference still points the claimed way; else the claim is lost.
    """
    held = _held_before(accepted, verdicts)
    return [verdict for verdict in held if verdict.word == "no verdict" and verdict.points]


def _held_before(accepted: Mapping[str, str], verdicts: Iterable[ClaimVerdict]) -> list[ClaimVerdict]:
    held = {key for key, word in accepted.items() if word in ("supported", "by construction")}
    return [verdict for verdict in verdicts if verdict.key in held]


def _verdict(claim: Claim, results: DatasetResults, protocol: str) -> ClaimVerdict:
    absent = [row for row in claim.rows if row not in results.variants]
    if absent:
        note = f"not in this run: {', '.join(absent)}"
        return ClaimVerdict(claim, results.name, results.source, "not run", NO_DIFFERENCE, note)
    effect = results.difference(*claim.rows, claim.metric, results.available_protocol(protocol))
    if effect.mean is None:
        return ClaimVerdict(
            claim, results.name, results.source, "not run", effect, "no seed that both rows have finished"
        )
    word = claim.decide(effect)
    printed_word = SIMULATED_WORDS.get(word, word) if results.source == "simulated" else word
    note = _deterministic_note(claim, results) or _note(word, effect)
    return ClaimVerdict(claim, results.name, results.source, printed_word, effect, note)


def _deterministic_note(claim: Claim, results: DatasetResults) -> str:
    names = [row for row in claim.rows if results.deterministic(row)]
    return f"{' and '.join(names)}: deterministic, without spread over seeds" if names else ""


def _note(word: Word, effect: PairedDifference) -> str:
    if effect.n == 1:
        return "one seed: no interval"
    if effect.without_spread:
        return f"all {effect.n} differences are equal: no spread over seeds"
    return rank_note(effect.n, 1) if word == "undecided" else ""
