"""The verdicts of a check: a run against accepted results, row by row, and the exit code.

The rule a caller must know: all verdicts are made before any decides, and a row that could not be compared never counts
as passed.

Repetitions of one base seed share split, batches and initial weights with the accepted ones, so they are pairs; under
another base seed they are other draws, and the test is Welch's. The level of 5 % holds over all rows of the check
(Holm), once for rows that are worse and once for rows that are better. If all differences of a row are equal, no test
exists: the difference is compared with the tolerance by value and does not count in Holm's adjustment.

A claim of the paper that held when the file was written and does not hold now is a regression, too. It is only printed
under another base seed, since no level holds for it there, and if its differences have no spread over seeds now.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchmark.gate.accepted import AcceptedResults, AcceptedRow, Key
from benchmark.gate.candidate import Candidate
from reports.analysis.claims import ClaimVerdict, lost_verdicts, verdicts_without_spread
from reports.analysis.statistics import ROUNDING, holm, without_spread

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
    """One row and metric of the check, or one claim; means in percent, a `difference` below 0 is worse.

    `p`: Holm-adjusted, of the direction of the difference; None without a test.
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


@dataclass(frozen=True)
class _Comparison:
    """A verdict before Holm's adjustment, with its one-sided p values; None without spread."""

    verdict: Verdict
    p_worse: float | None
    p_better: float | None


def compare_rows(accepted: AcceptedResults, candidate: Candidate, only_present: bool = False) -> list[Verdict]:
    """A verdict for every row of the file and of the run, worst first, else in the order of the file.

    `only_present`: leaves out the rows of the file that the run did not plan.
    """
    now = {row.key: row for row in candidate.results.rows}
    rows = [row for row in accepted.rows if not only_present or row.key in now or row.key in candidate.incomplete]
    paired = _paired(accepted, candidate)
    verdicts: list[Verdict] = []
    comparisons: list[_Comparison] = []
    for row in rows:
        verdict = _obstacle(accepted, row, candidate)
        if verdict is None:
            comparisons += _comparisons(accepted, row, now[row.key], paired)
        else:
            verdicts.append(verdict)
    accepted_keys = {row.key for row in accepted.rows}
    verdicts += [Verdict("new", *key, why="not in the file") for key in now if key not in accepted_keys]
    verdicts += [
        Verdict("missing", *key, why=reason) for key, reason in candidate.incomplete.items() if key not in accepted_keys
    ]
    if paired:
        keys = {(comparison.verdict.dataset, comparison.verdict.variant) for comparison in comparisons}
        verdicts += [_claim_regression(accepted, claim) for claim in lost_claims(accepted, candidate, keys)]
    words = list(CODES)
    return sorted([*verdicts, *_decide(comparisons)], key=lambda verdict: words.index(verdict.word))


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """By precedence: 1 regressed, 2 incomparable, 3 missing (also if the run has no row of the file), else 0."""
    codes = {CODES[verdict.word] for verdict in verdicts}
    if all(verdict.word == "new" for verdict in verdicts):
        codes.add(MISSING)
    return min(codes - {SAME}, default=SAME)


def lost_claims(accepted: AcceptedResults, candidate: Candidate, compared: Collection[Key]) -> list[ClaimVerdict]:
    """The claims that held in the file and do not hold now, if both of their rows are in `compared`."""
    return [
        verdict
        for verdict in lost_verdicts(accepted.claims, candidate.claims)
        if all((verdict.dataset, row) in compared for row in verdict.claim.rows)
    ]


def tolerated_differences(accepted: AcceptedResults, candidate: Candidate) -> list[str]:
    """Lines on conditions and environments that differ between file and run, and do not prevent a comparison."""
    now = candidate.results
    lines = []
    if not _paired(accepted, candidate):
        lines.append(
            f"base seed {accepted.conditions['base_seed']} accepted, {now.conditions['base_seed']} here: repetitions "
            "are other draws, so rows are compared by Welch's t test, not in pairs"
        )
        keys = {row.key for row in accepted.rows}
        lines += [f"{claim.key} is {claim.word} here" for claim in lost_claims(accepted, candidate, keys)]
    for claim in verdicts_without_spread(accepted.claims, candidate.claims):
        lines.append(f"{claim.key} {accepted.claims[claim.key]} accepted, no verdict here ({claim.note})")
    for name in ("threads", "device"):
        if accepted.conditions.get(name) != now.conditions.get(name):
            lines.append(f"{name} {accepted.conditions.get(name)} accepted, {now.conditions.get(name)} here")
    if accepted.package != now.package:
        lines.append(f"package {accepted.package} accepted, {now.package} here")
    before, after = _environment_values(accepted), _environment_values(now)
    lines += [
        f"{name} {before.get(name, 'none')} accepted, {after.get(name, 'none')} here"
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]
    return lines


def p_worse(old: np.ndarray, new: np.ndarray, tolerance: float, paired: bool) -> np.ndarray:
    """One-sided p values of mean(new) - mean(old) < -tolerance, over the last axis. old, new: (.., n), with spread.

    The paired t test, or Welch's if the repetitions are not pairs.
    """
    from scipy import stats

    if paired:
        return np.asarray(stats.ttest_1samp(new - old, -tolerance, axis=-1, alternative="less").pvalue)
    return np.asarray(stats.ttest_ind(new, old - tolerance, axis=-1, equal_var=False, alternative="less").pvalue)


def _paired(accepted: AcceptedResults, candidate: Candidate) -> bool:
    return accepted.conditions["base_seed"] == candidate.results.conditions["base_seed"]


def _obstacle(accepted: AcceptedResults, row: AcceptedRow, candidate: Candidate) -> Verdict | None:
    """The verdict on a row of the file that cannot be compared, or None."""
    now = next((other for other in candidate.results.rows if other.key == row.key), None)
    if now is None:
        return Verdict("missing", *row.key, why=candidate.incomplete.get(row.key, "not in the run"))
    differences = _basis_differences(accepted.basis(row), candidate.results.basis(now))
    if differences:
        return Verdict("incomparable", *row.key, why="; ".join(differences))
    if now.repetitions < row.repetitions:
        return Verdict("missing", *row.key, why=f"{now.repetitions} of {row.repetitions} repetitions")
    if not accepted.tolerances(row).keys() <= now.values.keys():
        return Verdict("missing", *row.key, why="no value of a metric that is compared")
    return None


def _basis_differences(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    return [
        f"{key} {f'{before.get(key)}'[:12]} accepted, {f'{after.get(key)}'[:12]} here"
        for key in {**before, **after}
        if before.get(key) != after.get(key)
    ]


def _comparisons(accepted: AcceptedResults, row: AcceptedRow, now: AcceptedRow, paired: bool) -> list[_Comparison]:
    comparisons = []
    for metric, tolerance in accepted.tolerances(row).items():
        sign = 1 if accepted.metrics[metric].better == "higher" else -1
        old = sign * np.array(row.values[metric])
        new = sign * np.array(now.values[metric][: row.repetitions] if paired else now.values[metric])
        difference = float(new.mean() - old.mean())
        verdict = Verdict(
            "same", *row.key, metric, float(sign * old.mean()), float(sign * new.mean()), difference, tolerance
        )
        if without_spread(new - old) if paired else without_spread(new) and without_spread(old):
            comparisons.append(_Comparison(replace(verdict, word=_word_by_value(difference, tolerance)), None, None))
        else:
            p_values = (p_worse(old, new, tolerance, paired), p_worse(-old, -new, tolerance, paired))
            comparisons.append(_Comparison(verdict, *map(float, p_values)))
    return comparisons


def _word_by_value(difference: float, tolerance: float) -> Word:
    if abs(difference) <= tolerance + ROUNDING:
        return "same"
    return "regressed" if difference < 0 else "improved"


def _decide(comparisons: Sequence[_Comparison]) -> list[Verdict]:
    """Decides the verdicts by p values after Holm's adjustment, for each direction over all tests."""
    worse = holm([comparison.p_worse for comparison in comparisons])
    better = holm([comparison.p_better for comparison in comparisons])
    verdicts = []
    for comparison, down, up in zip(comparisons, worse, better, strict=True):
        verdict = comparison.verdict
        if down is not None and up is not None:
            word: Word = "regressed" if down <= ALPHA else "improved" if up <= ALPHA else "same"
            verdict = replace(verdict, word=word, p=down if (verdict.difference or 0.0) < 0 else up)
        verdicts.append(verdict)
    return verdicts


def _claim_regression(accepted: AcceptedResults, claim: ClaimVerdict) -> Verdict:
    why = f"{accepted.claims[claim.key]} accepted, {claim.word} here: {claim.claim.text}"
    return Verdict("regressed", claim.dataset, claim.claim.name, "claim", difference=claim.effect.mean, why=why)


def _environment_values(results: AcceptedResults) -> dict[str, str]:
    """Name -> value of the environments; several values are joined."""
    values: dict[str, dict[str, None]] = {}
    for environment in results.environments:
        facts = {"python": environment.python, "processor": environment.processor, "GPU": environment.device}
        for name, value in {**facts, **environment.versions}.items():
            values.setdefault(name, {})[f"{value or 'none'}"] = None
    return {name: " and ".join(names) for name, names in values.items()}
