"""Verdicts: a run against accepted results, row by row, and the exit code that follows.

The rule a caller must know: every verdict is made before any is acted on, and a row that could not be compared never
counts as passed. Repetitions of one base seed share split, batches and initial weights with those accepted, so they are
pairs; under another base seed they are other draws, and the test is Welch's. Whether any row is worse is asked at 5 %
over all rows of the check together (Holm), and likewise whether any is better. A claim of the paper that held when the
file was made and does not hold any more has regressed too, but under another base seed that is only noted: no level
covers it there.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchmark.gate.accepted import Accepted, Key, Row
from benchmark.gate.candidate import Measured
from reports.analysis.claims import Verdict as ClaimVerdict
from reports.analysis.claims import lost
from reports.analysis.statistics import NO_SPREAD, holm

ALPHA = 0.05
REGRESSED, INCOMPARABLE, MISSING, SAME = 1, 2, 3, 0

Word = Literal["regressed", "incomparable", "missing", "new", "improved", "same"]
CODES: dict[Word, int] = {
    "regressed": REGRESSED,
    "incomparable": INCOMPARABLE,
    "missing": MISSING,
    "new": SAME,
    "improved": SAME,
    "same": SAME,
}


@dataclass(frozen=True)
class Verdict:
    """One row (and metric) of the check; means in percent, `difference` signed so that below 0 is worse.

    `p`: Holm-adjusted, of the direction that the difference points to. None where there is nothing to compare.
    """

    word: Word
    dataset: str
    variant: str
    metric: str = ""
    accepted: float | None = None
    now: float | None = None
    difference: float | None = None
    tolerance: float | None = None
    p: float | None = None
    why: str = ""


def judge(accepted: Accepted, run: Measured, only_present: bool = False) -> list[Verdict]:
    """A verdict for every row of the file and of the run, worst first, else in the order of the file.

    `only_present`: rows of the file that the run was never meant to have are left out.
    """
    now = {row.key: row for row in run.results.rows}
    rows = [row for row in accepted.rows if not only_present or row.key in now or row.key in run.lacking]
    told: list[Verdict] = []
    compared: list[_Compared] = []
    paired = accepted.conditions["base_seed"] == run.results.conditions["base_seed"]
    for row in rows:
        verdict = _not_compared(accepted, row, run)
        if verdict is not None:
            told.append(verdict)
        else:
            compared += _comparisons(accepted, row, now[row.key], paired)
    known = {row.key for row in accepted.rows}
    told += [_of("new", key, "not in the file") for key in now if key not in known]
    told += [_of("missing", key, why) for key, why in run.lacking.items() if key not in known]
    if paired:
        keys = {(each.verdict.dataset, each.verdict.variant) for each in compared}
        told += [_lost(accepted, claim) for claim in lost_claims(accepted, run, keys)]
    return sorted([*told, *_tested(compared)], key=lambda verdict: list(CODES).index(verdict.word))


def lost_claims(accepted: Accepted, run: Measured, compared: Collection[Key]) -> list[ClaimVerdict]:
    """The claims that held and do not any more, of those whose two rows could be compared."""
    return [
        claim
        for claim in lost(accepted.claims, run.claims)
        if all((claim.dataset, row) in compared for row in claim.claim.rows)
    ]


def _lost(accepted: Accepted, claim: ClaimVerdict) -> Verdict:
    why = f"{accepted.claims[claim.key]} accepted, {claim.word} here: {claim.claim.text}"
    return Verdict("regressed", claim.dataset, claim.claim.name, "claim", difference=claim.effect.mean, why=why)


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """By precedence: regressed 1, incomparable 2, missing 3, else 0; nothing of the file in the run is missing too."""
    codes = {CODES[verdict.word] for verdict in verdicts}
    if all(verdict.word == "new" for verdict in verdicts):
        codes.add(MISSING)
    return min(codes - {SAME}, default=SAME)


def _of(word: Word, key: Key, why: str) -> Verdict:
    return Verdict(word, *key, why=why)


def _not_compared(accepted: Accepted, row: Row, run: Measured) -> Verdict | None:
    """Why a row of the file cannot be compared; None where it can."""
    now = next((each for each in run.results.rows if each.key == row.key), None)
    if now is None:
        return _of("missing", row.key, run.lacking.get(row.key, "not in the run"))
    differing = _differing(accepted, row, run.results, now)
    if differing:
        return _of("incomparable", row.key, "; ".join(differing))
    if now.repetitions < row.repetitions:
        return _of("missing", row.key, f"{now.repetitions} of {row.repetitions} repetitions")
    if not accepted.judged(row).keys() <= now.values.keys():
        return _of("missing", row.key, "no value of a metric that judges it")
    return None


def _differing(accepted: Accepted, row: Row, results: Accepted, now: Row) -> list[str]:
    before, after = accepted.basis(row), results.basis(now)
    return [
        f"{key} {_short(before.get(key))} accepted, {_short(after.get(key))} here"
        for key in {**before, **after}
        if before.get(key) != after.get(key)
    ]


def _short(value: object) -> str:
    return f"{value}"[:12]


@dataclass(frozen=True)
class _Compared:
    """A comparison before the rows are looked at together; p values one-sided, not adjusted."""

    verdict: Verdict
    worse: float
    better: float


def _comparisons(accepted: Accepted, row: Row, now: Row, paired: bool) -> list[_Compared]:
    found = []
    for metric, tolerance in accepted.judged(row).items():
        sign = 1 if accepted.metrics[metric].better == "higher" else -1
        old = sign * np.array(row.values[metric])
        new = sign * np.array(now.values[metric][: row.repetitions] if paired else now.values[metric])
        verdict = Verdict(
            "same", *row.key, metric, float(sign * old.mean()), float(sign * new.mean()),
            float(new.mean() - old.mean()), tolerance,
        )  # fmt: skip
        worse, better = p_worse(old, new, tolerance, paired), p_worse(-old, -new, tolerance, paired)
        found.append(_Compared(verdict, worse, better))
    return found


def p_worse(old: np.ndarray, new: np.ndarray, tolerance: float, paired: bool) -> float:
    """One-sided p value of new - old < -tolerance: the paired t test, or Welch's where repetitions are no pairs.

    Without any spread there is nothing to test: the means decide, 0 or 1.
    """
    from scipy import stats

    spread = np.ptp(new - old) if paired else max(np.ptp(new), np.ptp(old))
    if spread < NO_SPREAD:
        return float(new.mean() - old.mean() >= -tolerance - NO_SPREAD)
    if paired:
        return float(stats.ttest_1samp(new - old, -tolerance, alternative="less").pvalue)
    return float(stats.ttest_ind(new, old - tolerance, equal_var=False, alternative="less").pvalue)


def _tested(compared: Sequence[_Compared]) -> list[Verdict]:
    """The verdicts of all comparisons, each direction adjusted over all of them."""
    worse, better = holm([each.worse for each in compared]), holm([each.better for each in compared])
    found = []
    for each, down, up in zip(compared, worse, better, strict=True):
        assert down is not None and up is not None  # every comparison has its tests
        word: Word = "regressed" if down <= ALPHA else "improved" if up <= ALPHA else "same"
        difference = each.verdict.difference or 0.0
        found.append(replace(each.verdict, word=word, p=down if difference < 0 else up))
    return found


def noted(accepted: Accepted, run: Measured) -> list[str]:
    """Lines on what differs between file and run and is left to the tolerance."""
    now = run.results
    lines = []
    if accepted.conditions["base_seed"] != now.conditions["base_seed"]:
        lines.append(
            f"base seed {accepted.conditions['base_seed']} accepted, {now.conditions['base_seed']} here: repetitions "
            "are other draws, so rows are compared by Welch's t test, not in pairs"
        )
        keys = {row.key for row in accepted.rows}
        lines += [f"{claim.key} is {claim.word} here" for claim in lost_claims(accepted, run, keys)]
    for name in ("threads", "device"):
        if accepted.conditions.get(name) != now.conditions.get(name):
            lines.append(f"{name} {accepted.conditions.get(name)} accepted, {now.conditions.get(name)} here")
    if accepted.package != now.package:
        lines.append(f"package {accepted.package} accepted, {now.package} here")
    before, after = _surroundings(accepted), _surroundings(now)
    lines += [
        f"{name} {before.get(name, 'none')} accepted, {after.get(name, 'none')} here"
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]
    return lines


def _surroundings(results: Accepted) -> dict[str, str]:
    """Everything of the environments under one name each; several values where the run was made in several places."""
    found: dict[str, dict[str, None]] = {}
    for each in results.environments:
        facts = {"python": each.python, "processor": each.processor, "GPU": each.device, **each.versions}
        for name, value in facts.items():
            found.setdefault(name, {})[f"{value or 'none'}"] = None
    return {name: " and ".join(values) for name, values in found.items()}
