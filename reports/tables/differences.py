"""The columns of an ablation table that compare each row with the full model, and the sentences that explain them.

A table with methods other than DAZLE has two intervals of the difference in H: over seeds, and over test classes.
"""

from reports.analysis.class_intervals import DRAWS, FEWEST, class_counts, class_interval
from reports.analysis.results import FULL_MODEL, DatasetResults
from reports.analysis.statistics import PairedDifference, holm
from reports.table import Column, TableCell
from reports.tables import captions

DIFFERENCE, P_VALUE = Column("ΔH", signed=True), Column("p", digits=3, bounded=True)
OVER_SEEDS = Column("over seeds", group="ΔH", signed=True)
OVER_CLASSES = Column("over test classes", group="ΔH", signed=True)

Columns = dict[Column, list[TableCell]]  # one cell per variant, in the order of the variants


def difference_columns(results: DatasetResults, protocol: str) -> Columns:
    """H minus that of the full model with its interval, and the p value, after Holm over the rows.

    Empty without the full model; no p column without a test.
    """
    if FULL_MODEL not in results.variants:
        return {}
    rows = [variant for variant in results.variants if variant != FULL_MODEL]
    if _other_methods(results):
        columns = {
            OVER_SEEDS: [_over_seeds(results, row, protocol) for row in rows],
            OVER_CLASSES: [_over_classes(results, row, protocol) for row in rows],
        }
    else:
        columns = {DIFFERENCE: [captions.difference_cell(_difference(results, row, protocol)) for row in rows]}
    p_values = holm([_difference(results, row, protocol).p for row in rows])
    if any(p is not None for p in p_values):
        columns[P_VALUE] = [TableCell(p) for p in p_values]
    place = results.variants.index(FULL_MODEL)
    return {column: [*cells[:place], TableCell(text=""), *cells[place:]] for column, cells in columns.items()}


def difference_sentences(results: DatasetResults, columns: tuple[Column, ...]) -> list[str]:
    """The sentences of the caption."""
    interval = captions.INTERVAL
    sentences = []
    if DIFFERENCE in columns:
        over_seeds = f", [ ] {interval}" if results.seeds > 1 else ""
        sentences.append(f"ΔH: H minus that of {FULL_MODEL}, the full model{over_seeds}")
    if OVER_SEEDS in columns:
        sentences += [
            f"ΔH: H minus that of {FULL_MODEL}, the full model",
            f"Over seeds, [ ] is {interval}: it shows how much the difference changes if the models are trained again",
            "Over test classes, [ ] is the 95 % interval for other classes of the same kind: it shows how much the "
            "difference changes if these trained models are tested on them",
        ]
    if P_VALUE in columns:
        test = "that test's" if DIFFERENCE in columns else "that of the test over seeds"
        sentences.append(f"p: {test}, after Holm over the rows")
    return sentences


def difference_notes(results: DatasetResults, columns: tuple[Column, ...]) -> list[str]:
    """The notes below the table."""
    notes = []
    if any(results.deterministic(variant) for variant in results.variants):
        notes.append(
            "A deterministic method has no random part and is trained once: it has no standard deviation, no interval "
            f"over seeds and no p; its ΔH is to the mean of {FULL_MODEL}'s seeds"
        )
    counts = class_counts(results) if OVER_CLASSES in columns else None
    if counts is not None:
        notes.append(f"Interval over test classes ({counts[0]} seen, {counts[1]} unseen): {_class_method(counts)}")
    return notes


def _class_method(counts: tuple[int, int]) -> str:
    if min(counts) < FEWEST:
        return (
            f"a t interval from the variation between classes, {min(counts) - 1} degrees of freedom, since resampling "
            f"needs {FEWEST} classes of each kind"
        )
    return (
        f"the middle 95 % of the differences in {DRAWS:,} resamples of whole classes, seen and unseen ones apart, the "
        "same for all rows and seeds"
    )


def _other_methods(results: DatasetResults) -> bool:
    return any(results.method(variant) != FULL_MODEL for variant in results.variants)


def _difference(results: DatasetResults, variant: str, protocol: str) -> PairedDifference:
    return results.difference(variant, FULL_MODEL, "H", protocol)


def _over_seeds(results: DatasetResults, variant: str, protocol: str) -> TableCell:
    """A dash for one seed, and for a deterministic method."""
    difference = _difference(results, variant, protocol)
    if difference.n < 2 or results.deterministic(variant):
        return TableCell()
    return captions.difference_cell(difference)


def _over_classes(results: DatasetResults, variant: str, protocol: str) -> TableCell:
    """The mean alone if the records have no counts for each class."""
    interval = class_interval(results, variant, FULL_MODEL, protocol)
    if interval is None:
        return TableCell(_difference(results, variant, protocol).mean)
    return TableCell(interval.mean, low=interval.low, high=interval.high)
