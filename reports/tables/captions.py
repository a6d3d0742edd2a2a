"""The sentences that captions and footnotes share, so that a thing is said in the same words everywhere."""

import re

from reports.analysis.protocols import PROTOCOLS
from reports.analysis.results import PAPER_BACKBONE, DatasetResults
from reports.analysis.statistics import PairedDifference, Summary, summarise
from reports.table import Cell, gap

SIMULATED = "SIMULATED features: numbers say nothing about photographs"
INTERVAL = "the 95 % interval of the paired t test over the seeds that both have, each row for itself"
OVER_CLASSES = (
    "one seed: the interval is a bootstrap over classes and leaves out how far a training depends on its seed"
)


def features(results: DatasetResults, beside_published: bool = False) -> str:
    """`cub, SIMULATED features ..` or `cub, real features, backbone ..`."""
    if results.source == "simulated":
        return f"{results.name}, {SIMULATED}"
    differs = beside_published and results.backbone != PAPER_BACKBONE
    backbone = f"backbone {results.backbone}" + (f", not the paper's {PAPER_BACKBONE}" if differs else "")
    return f"{results.name}, real features, {backbone}"


def protocol(results: DatasetResults, asked: str) -> str:
    """The protocol's own title, and that it stands in for another where it does."""
    used = results.used(asked)
    title = PROTOCOLS[used].title
    return title if used == asked else f"no validation phase: {title} (there is no {asked} number)"


def seeds(results: DatasetResults, spread: bool = True) -> str:
    """How many, and what ± is; the caller says what an interval is of."""
    if results.seeds == 1:
        return "1 seed, so no spread"
    return f"{results.seeds} seeds" + ("; ± is the sample standard deviation over seeds" if spread else "")


def change(text: str) -> str:
    """Settings without their section, which are as telling and half as wide."""
    return re.sub(r"\b\w+\.(?=\w+ = )", "", text) or "full model"


def mean_cell(results: DatasetResults, variant: str, column: str, chosen: str) -> Cell:
    """Mean and spread over the seeds that have a value; a dash with the reasons where none has."""
    summary = summarise(results.values(variant, column, chosen))
    return summary_cell(summary) if summary.n else gap(missing(results, variant, chosen))


def summary_cell(summary: Summary) -> Cell:
    """Mean ± sd."""
    return Cell(summary.mean, spread=summary.sd)


def difference_cell(paired: PairedDifference, **more: tuple[str, ...]) -> Cell:
    """Mean [interval]; that several differences are one and the same is said in a footnote."""
    notes = more.get("notes", ())
    if paired.equal:
        notes += (f"all {paired.n} differences are equal: nothing to test",)
    if paired.over == "classes":
        notes += (OVER_CLASSES,)
    return Cell(paired.mean, low=paired.low, high=paired.high, notes=notes)


def missing(results: DatasetResults, variant: str, chosen: str) -> str:
    """Which of the variant's cells have no number and why, in one line; empty where all have one."""
    without = results.values(variant, "T1", chosen).isna()
    reasons: dict[str, list[str]] = {}
    for seed in without.index[without]:
        status, error = results.ended(variant, seed)
        reasons.setdefault(_reason(status, error), []).append(str(seed))
    lines = [f"seed{'s' if len(of) > 1 else ''} {', '.join(of)}: {reason}" for reason, of in reasons.items()]
    return f"{variant} on {results.name}, {'; '.join(lines)}" if lines else ""


def _reason(status: str, error: str) -> str:
    reason = "done, but without a number" if status == "done" else status
    return f"{reason}: {error}" if error else reason
