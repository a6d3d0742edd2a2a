"""The verdicts on the paper's claims, as a table and as three sentences."""

from collections.abc import Sequence

from reports.analysis.claims import Verdict
from reports.analysis.results import DatasetResults
from reports.table import Cell, Column, Row, Table
from reports.tables import captions

EFFECT = Column("effect", signed=True)
COLUMNS = (
    Column("claim", kind="text", grouped=True),
    Column("dataset", kind="text"),
    Column("rows", kind="text"),
    Column("metric", kind="text"),
    Column("claimed", kind="text"),
    EFFECT,
    Column("seeds", digits=0),
    Column("verdict", kind="text"),
    Column("source of the claim", kind="text", grouped=True),
)


def ledger_table(verdicts: Sequence[Verdict], every: Sequence[DatasetResults], protocol: str = "honest") -> Table:
    """One row a verdict, in their order."""
    used = sorted({results.used(protocol) for results in every})
    caption = (
        f"{'; '.join(captions.features(results) for results in every)}. The claims of the paper, tested on this run, "
        f"protocol {' and '.join(used)}. Effect: the first row minus the second in percentage points, [ ] "
        f"{captions.INTERVAL}. Supported: all of the interval on the claimed side (for an equivalence: within the "
        "stated margin); contradicted: all of it on the other. On simulated features nothing is supported: a claim "
        "holds or fails by construction, or is undecided."
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
    simulated = any(results.source == "simulated" for results in every)
    where = ", ".join(results.name for results in every)
    used = " and ".join(sorted({results.used(protocol) for results in every}))
    begins = f"On {'SIMULATED' if simulated else 'real'} features of {where} ({used} protocol)"
    if not tested:
        return [f"{begins}, no claim of the paper could be tested.", "So nothing is said of them.", _not_run(verdicts)]
    holding = [verdict for verdict in tested if verdict.holds]
    holds = ("holds by construction", "hold by construction") if simulated else ("is supported", "are supported")
    first = (
        f"{begins}, {len(tested)} times a claim of the paper could be tested on a dataset; "
        f"{_count(holding, *holds)}{_largest(holding)}."
    )
    return [first, _rest(tested, simulated), _not_run(verdicts)]


def _rest(tested: Sequence[Verdict], simulated: bool) -> str:
    against = [verdict for verdict in tested if verdict.word in ("contradicted", "not by construction")]
    undecided = [verdict for verdict in tested if verdict.word == "undecided"]
    fails = ("fails by construction", "fail by construction") if simulated else ("is contradicted", "are contradicted")
    end = "; none of this says anything about photographs." if simulated else "."
    return (
        f"{_count(against, *fails).capitalize()}{_largest(against)}, and "
        f"{_count(undecided, 'is undecided', 'are undecided')}{_largest(undecided)}{end}"
    )


def _count(verdicts: Sequence[Verdict], one: str, several: str) -> str:
    return f"{len(verdicts) or 'none'} {several if len(verdicts) > 1 else one}"


def _not_run(verdicts: Sequence[Verdict]) -> str:
    absent = [verdict for verdict in verdicts if verdict.word == "not run"]
    if not absent:
        return "Every claim could be tested on every dataset that it is about."
    where = ", ".join(dict.fromkeys(verdict.dataset for verdict in absent))
    return f"{len(absent)} times a claim could not be tested, for want of rows or features (on {where})."


def _largest(verdicts: Sequence[Verdict]) -> str:
    """` (the largest effect: ..)`, or nothing."""
    if not verdicts:
        return ""
    most = max(verdicts, key=lambda verdict: abs(verdict.effect.mean or 0.0))
    shown = captions.difference_cell(most.effect).shown(EFFECT)
    opening = "" if len(verdicts) == 1 else "the largest effect: "
    return f" ({opening}{most.claim.text} on {most.dataset}, {most.claim.metric} {shown})"


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
