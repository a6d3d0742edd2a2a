"""The table of verdicts on the paper's claims, and the summary of them in three sentences."""

from collections.abc import Sequence

from reports.analysis.claims import ClaimVerdict
from reports.analysis.results import DatasetResults
from reports.table import Column, Table, TableCell, TableRow
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


def claims_table(
    verdicts: Sequence[ClaimVerdict], datasets: Sequence[DatasetResults], protocol: str = "honest"
) -> Table:
    """One row a verdict, in the order of `verdicts`."""
    protocols = _protocols(datasets, protocol)
    caption = (
        f"{'; '.join(captions.features(results) for results in datasets)}. The claims of the paper, tested on this "
        f"run, protocol {protocols}. Effect: the first row minus the second in percentage points, [ ] "
        f"{captions.INTERVAL}. Supported: all of the interval on the claimed side (for an equivalence: within the "
        "stated margin); contradicted: all of it on the other. On simulated features nothing is supported: a claim "
        "holds or fails by construction, or is undecided."
    )
    notes = (
        "Every claim is judged for itself: of twenty claims about nothing, one interval would miss zero by chance",
    )
    source = "simulated" if _simulated(datasets) else "real"
    rows = tuple(TableRow(verdict.key, _cells(verdict)) for verdict in verdicts)
    return Table("claims", caption, COLUMNS, rows, notes, {"source": source, "protocol": protocols})


def claims_summary(
    verdicts: Sequence[ClaimVerdict], datasets: Sequence[DatasetResults], protocol: str = "honest"
) -> list[str]:
    """Three sentences: the claims that hold, those that fail or are open, and those that were not run."""
    tested = [verdict for verdict in verdicts if verdict.word != "not run"]
    simulated = _simulated(datasets)
    names = ", ".join(results.name for results in datasets)
    features = (
        f"On {'SIMULATED' if simulated else 'real'} features of {names} ({_protocols(datasets, protocol)} protocol)"
    )
    if not tested:
        first = f"{features}, no claim of the paper could be tested."
        return [first, "So nothing is said of them.", _not_run(verdicts)]
    holding = [verdict for verdict in tested if verdict.holds]
    holds = ("holds by construction", "hold by construction") if simulated else ("is supported", "are supported")
    first = (
        f"{features}, {len(tested)} times a claim of the paper could be tested on a dataset; "
        f"{_count(holding, *holds)}{_largest(holding)}."
    )
    return [first, _not_holding(tested, simulated), _not_run(verdicts)]


def _protocols(datasets: Sequence[DatasetResults], protocol: str) -> str:
    return " and ".join(sorted({results.available_protocol(protocol) for results in datasets}))


def _simulated(datasets: Sequence[DatasetResults]) -> bool:
    return any(results.source == "simulated" for results in datasets)


def _not_holding(tested: Sequence[ClaimVerdict], simulated: bool) -> str:
    against = [verdict for verdict in tested if verdict.word in ("contradicted", "not by construction")]
    undecided = [verdict for verdict in tested if verdict.word == "undecided"]
    without = [verdict for verdict in tested if verdict.word == "no verdict"]
    fails = ("fails by construction", "fail by construction") if simulated else ("is contradicted", "are contradicted")
    no_verdict = f"; {_count(without, 'has', 'have')} no verdict, without spread over seeds" if without else ""
    end = "; none of this says anything about photographs." if simulated else "."
    return (
        f"{_count(against, *fails).capitalize()}{_largest(against)}, and "
        f"{_count(undecided, 'is undecided', 'are undecided')}{_largest(undecided)}{no_verdict}{end}"
    )


def _count(verdicts: Sequence[ClaimVerdict], one: str, several: str) -> str:
    return f"{len(verdicts) or 'none'} {several if len(verdicts) > 1 else one}"


def _not_run(verdicts: Sequence[ClaimVerdict]) -> str:
    not_run = [verdict for verdict in verdicts if verdict.word == "not run"]
    if not not_run:
        return "Every claim could be tested on every dataset that it is about."
    where = ", ".join(dict.fromkeys(verdict.dataset for verdict in not_run))
    return f"{len(not_run)} times a claim could not be tested, for want of rows or features (on {where})."


def _largest(verdicts: Sequence[ClaimVerdict]) -> str:
    """` (the largest effect: ..)`, empty without verdicts."""
    if not verdicts:
        return ""
    largest = max(verdicts, key=lambda verdict: abs(verdict.effect.mean or 0.0))
    effect = captions.difference_cell(largest.effect).format(EFFECT)
    opening = "" if len(verdicts) == 1 else "the largest effect: "
    return f" ({opening}{largest.claim.text} on {largest.dataset}, {largest.claim.metric} {effect})"


def _cells(verdict: ClaimVerdict) -> tuple[TableCell, ...]:
    claim, effect = verdict.claim, verdict.effect
    claimed = {"above": "> 0", "below": "< 0", "within": f"within ±{claim.margin:g}"}[claim.direction]
    texts = (claim.text, verdict.dataset, f"{claim.rows[0]} - {claim.rows[1]}", claim.metric, claimed)
    return (
        *(TableCell(text=text) for text in texts),
        TableCell(effect.mean, low=effect.low, high=effect.high),
        TableCell(effect.n),
        TableCell(text=verdict.word, notes=(verdict.note,) if verdict.note else ()),
        TableCell(text=claim.source),
    )
