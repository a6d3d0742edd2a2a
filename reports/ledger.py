"""The verdicts on the paper's claims, as a table and as three sentences."""

from collections.abc import Sequence

from reports import captions
from reports.claims import Verdict
from reports.results import DatasetResults
from reports.table import Cell, Column, Row, Table

COLUMNS = (
    Column("claim", kind="text", grouped=True),
    Column("dataset", kind="text"),
    Column("rows", kind="text"),
    Column("metric", kind="text"),
    Column("claimed", kind="text"),
    Column("effect", signed=True),
    Column("seeds", digits=0),
    Column("verdict", kind="text"),
    Column("source of the claim", kind="text", grouped=True),
)
# Of a list in a sentence, so many stand by name.
NAMED = 3


def ledger_table(verdicts: Sequence[Verdict], every: Sequence[DatasetResults], protocol: str = "honest") -> Table:
    """One row a verdict, in their order."""
    used = sorted({results.used(protocol) for results in every})
    caption = (
        f"{'; '.join(captions.features(results) for results in every)}. The claims of the paper, tested on this run, "
        f"protocol {' and '.join(used)}. Effect: the first row minus the second in percentage points, [ ] "
        f"{captions.INTERVAL}. Supported: all of the interval on the claimed side (for an equivalence: within the "
        "stated margin); contradicted: all of it on the other. On simulated features nothing is supported: a claim "
        "holds by construction or does not."
    )
    notes = (
        "Every claim is judged for itself: of twenty claims about nothing, one interval would miss zero by chance",
    )
    source = "simulated" if any(results.source == "simulated" for results in every) else "real"
    rows = tuple(Row(verdict.key, _cells(verdict)) for verdict in verdicts)
    return Table("claims", caption, COLUMNS, rows, notes, {"source": source, "protocol": " and ".join(used)})


def summary(verdicts: Sequence[Verdict], every: Sequence[DatasetResults], protocol: str = "honest") -> list[str]:
    """Three sentences: what holds, what does not or is open, and what was not asked."""
    tested = [verdict for verdict in verdicts if verdict.word != "not run"]
    holding = [verdict for verdict in tested if verdict.holds]
    simulated = any(results.source == "simulated" for results in every)
    where = ", ".join(results.name for results in every)
    held = "hold by construction" if simulated else "are supported"
    used = " and ".join(sorted({results.used(protocol) for results in every}))
    on = f"On {'SIMULATED' if simulated else 'real'} features of {where} ({used} protocol)"
    if not tested:
        return [f"{on}, no claim of the paper could be tested.", "So nothing is said of them.", _not_run(verdicts)]
    first = f"{on}, {len(holding)} of {len(tested)} claims that could be tested {held}{_named(holding)}."
    return [first, _rest(tested, simulated), _not_run(verdicts)]


def _rest(tested: Sequence[Verdict], simulated: bool) -> str:
    if simulated:
        against = [verdict for verdict in tested if not verdict.holds]
        do = "does" if len(against) == 1 else "do"
        return f"{len(against)} of them {do} not{_named(against)}; none of this says anything about photographs."
    contradicted = [verdict for verdict in tested if verdict.word == "contradicted"]
    undecided = [verdict for verdict in tested if verdict.word == "undecided"]
    return (
        f"{_count(contradicted, 'None')} contradicted{_named(contradicted)}, and "
        f"{_count(undecided, 'none')} undecided{_named(undecided)}."
    )


def _count(verdicts: Sequence[Verdict], none: str) -> str:
    return f"{len(verdicts) or none} {'are' if len(verdicts) > 1 else 'is'}"


def _not_run(verdicts: Sequence[Verdict]) -> str:
    absent = [verdict for verdict in verdicts if verdict.word == "not run"]
    if not absent:
        return f"All {len(verdicts)} claims could be tested."
    where = ", ".join(dict.fromkeys(verdict.dataset for verdict in absent))
    return f"{len(absent)} of {len(verdicts)} could not be tested, for want of rows or features (on {where})."


def _named(verdicts: Sequence[Verdict]) -> str:
    """` (the largest effects by name, and N more)`, or nothing."""
    by_size = sorted(verdicts, key=lambda verdict: -abs(verdict.effect.mean or 0.0))
    shown = [f"{verdict.claim.text} on {verdict.dataset}, {_effect(verdict)}" for verdict in by_size[:NAMED]]
    more = len(verdicts) - len(shown)
    return f" ({'; '.join(shown)}{f'; and {more} more' if more else ''})" if shown else ""


def _effect(verdict: Verdict) -> str:
    return f"{verdict.claim.metric} {captions.difference_cell(verdict.effect).shown(COLUMNS[5])}"


def _cells(verdict: Verdict) -> tuple[Cell, ...]:
    claim, effect = verdict.claim, verdict.effect
    claimed = {"above": "> 0", "below": "< 0", "within": f"within ±{claim.margin:g}"}[claim.direction]
    about = (claim.text, verdict.dataset, f"{claim.rows[0]} - {claim.rows[1]}", claim.metric, claimed)
    return (
        *(Cell(text=text) for text in about),
        Cell(effect.mean, low=effect.low, high=effect.high),
        Cell(effect.n),
        Cell(text=verdict.word, notes=(verdict.note,) if verdict.note else ()),
        Cell(text=claim.source),
    )
