"""The table of the factorial experiment: the interactions of its factors, and what each switch does to the full model.

The rule a caller must know: the table exists only if all 24 rows of the experiment are there.
"""

from reports.analysis.factorial import Effect, factorial_effects, factorial_rows
from reports.analysis.results import FULL_MODEL, DatasetResults
from reports.table import Column, Table, TableCell, TableRow, gap, slug
from reports.tables import captions

COLUMNS = (
    Column("kind", kind="text", grouped=True),
    Column("effect", kind="text"),
    Column("ΔH", signed=True),
)
P_VALUE = Column("p", digits=3, bounded=True)
KINDS = {4: "four factors", 3: "three factors", 2: "two factors", 1: "full model"}


def factorial_table(results: DatasetResults, protocol: str = "honest") -> Table | None:
    """Interactions first, those of most factors on top; then the effect of each switch at the full model."""
    available = results.available_protocol(protocol)
    effects = factorial_effects(results, available)
    if not effects:
        return None
    tested = any(effect.p is not None for effect in effects)
    rows = [TableRow(effect.name, _cells(results, effect, available, tested)) for effect in effects]
    return Table(
        name=slug("factorial", results.name),
        caption=_caption(results, protocol, len(effects), tested),
        columns=(*COLUMNS, P_VALUE) if tested else COLUMNS,
        rows=tuple(rows),
        notes=(
            "An interaction of two factors: by how much the effect of the first on H changes from the lower level of "
            "the second to the higher one; of three: by how much such an interaction changes with the third; the "
            "levels of the other factors have equal weights",
            "The interactions come first: if one of them is large, the effect of a switch depends on the others, and "
            "the effects at the full model hold for the full model only",
        ),
        constants={"dataset": results.name, "source": results.source, "protocol": available},
    )


def _cells(results: DatasetResults, effect: Effect, protocol: str, tested: bool) -> tuple[TableCell, ...]:
    texts = (KINDS[len(effect.contrasts)], effect.name)
    if effect.incomplete:
        difference = gap(_incomplete_reason(results, effect, protocol))
    else:
        difference = captions.difference_cell(effect.difference)
    return (*(TableCell(text=text) for text in texts), difference, *([TableCell(effect.p)] if tested else []))


def _incomplete_reason(results: DatasetResults, effect: Effect, protocol: str) -> str:
    """The first incomplete row with its reason, and the number of the others."""
    first, *others = effect.incomplete
    reason = captions.missing_reason(results, first, protocol) or f"{first} has no H at some seed"
    return f"{reason}; and {len(others)} more rows" if others else reason


def _caption(results: DatasetResults, protocol: str, effects: int, tested: bool) -> str:
    rows = factorial_rows(results) or {}
    sentences = [
        f"{captions.features(results)}; {captions.protocol_title(results, protocol)}",
        results.about,
        captions.seeds(results, spread=False),
        f"Effects on H in percentage points, from {len(rows)} rows: region attention (dense minus uniform), attribute "
        "attention (sigmoid minus none), self-calibration (all classes in the cross-entropy, its loss and its margin, "
        "minus none of the three), and the margin at test time (1 minus 0, validated minus 1)",
        f"Full model: the effect of one switch, all others as in {FULL_MODEL}",
    ]
    if tested:
        sentences.append(
            "ΔH is computed for each seed, [ ] is the 95 % interval of its t test over seeds, p is that of the test "
            f"after Holm over the {effects} effects"
        )
    return ". ".join(sentences) + "."
