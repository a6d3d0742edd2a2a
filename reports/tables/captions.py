"""The sentences of captions and footnotes, and the cells of means and differences, that several tables share."""

import re

from reports.analysis.metrics import ACCURACIES
from reports.analysis.protocols import PROTOCOLS
from reports.analysis.results import PAPER_BACKBONE, DatasetResults
from reports.analysis.statistics import PairedDifference, Summary
from reports.table import TableCell, gap

SIMULATED = "SIMULATED features: numbers say nothing about photographs"
INTERVAL = "the 95 % interval of the paired t test over the seeds that both have, each row for itself"


def features(results: DatasetResults, beside_published: bool = False) -> str:
    """`cub, SIMULATED features ..` or `cub, real features, backbone ..`."""
    if results.source == "simulated":
        return f"{results.name}, {SIMULATED}"
    differs = beside_published and results.backbone != PAPER_BACKBONE
    backbone = f"backbone {results.backbone}" + (f", not the paper's {PAPER_BACKBONE}" if differs else "")
    return f"{results.name}, real features, {backbone}"


def protocol_title(results: DatasetResults, protocol: str) -> str:
    """The caption sentence on the protocol: its title, or the title of its replacement and the reason."""
    available = results.available_protocol(protocol)
    title = PROTOCOLS[available].title
    return title if available == protocol else f"no validation phase: {title} (there is no {protocol} number)"


def seeds(results: DatasetResults, spread: bool = True) -> str:
    """The number of seeds and, with `spread`, the meaning of ±."""
    if results.seeds == 1:
        return "1 seed, so no spread"
    return f"{results.seeds} seeds" + ("; ± is the sample standard deviation over seeds" if spread else "")


def further_metrics(results: DatasetResults) -> list[str]:
    """The caption sentence on the metrics beyond S, U, H and T1; empty without any."""
    names = [
        metric.name + ("" if metric.higher_is_better else " (lower is better)")
        for metric in results.metrics
        if metric not in ACCURACIES
    ]
    return [f"Added metrics: {', '.join(names)}; a dash: the records have no value"] if names else []


def change(text: str) -> str:
    """The changed settings without their sections, for a narrow column; `full model` if the text is empty."""
    return re.sub(r"\b\w+\.(?=\w+ = )", "", text) or "full model"


def mean_cell(results: DatasetResults, variant: str, column: str, protocol: str) -> TableCell:
    """Mean and spread over the seeds that have a value; without any, a dash with the reasons."""
    summary = results.summary(variant, column, protocol)
    return summary_cell(summary) if summary.n else gap(missing_reason(results, variant, protocol))


def summary_cell(summary: Summary) -> TableCell:
    """Mean ± sd."""
    return TableCell(summary.mean, spread=summary.sd)


def difference_cell(difference: PairedDifference) -> TableCell:
    """Mean [interval]; without spread over seeds the mean alone, with a footnote."""
    note = (f"all {difference.n} differences are equal: nothing to test",) if difference.without_spread else ()
    return TableCell(difference.mean, low=difference.low, high=difference.high, notes=note)


def missing_reason(results: DatasetResults, variant: str, protocol: str) -> str:
    """The variant's cells without a number, with their reasons, in one line; empty if every cell has one."""
    without = results.values(variant, "T1", protocol).isna()
    seeds_of: dict[str, list[str]] = {}
    for seed in without.index[without]:
        status, error = results.status_and_error(variant, seed)
        reason = status
        if status == "done":
            closed_form = protocol == "last" and results.has_candidates(variant)
            reason = "a closed form has no last epoch" if closed_form else "done, but without a number"
        seeds_of.setdefault(f"{reason}: {error}" if error else reason, []).append(str(seed))
    lines = [
        f"seed{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}: {reason}" for reason, numbers in seeds_of.items()
    ]
    return f"{variant} on {results.name}, {'; '.join(lines)}" if lines else ""
