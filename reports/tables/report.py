"""Everything that is said of a run in numbers and words: tables, verdicts, a summary, and numbers to quote.

The rule a caller must know: it is made of the data frame of records alone (a row a cell, as the store gives it), and
one report has one source of features and one protocol.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.analysis.claims import Verdict, ledger
from reports.analysis.results import DatasetResults
from reports.table import Table
from reports.tables.ablation import ablation_table
from reports.tables.by_protocol import protocol_table
from reports.tables.captions import SIMULATED
from reports.tables.headlines import headlines
from reports.tables.ledger import ledger_table, summary
from reports.tables.paper import main_table, table_1
from reports.tables.ranks import RankComparison, rank_comparison, rank_table


@dataclass(frozen=True)
class Report:
    """`summary`: three sentences; `notes`: what else has to be said; `numbers`: macro name -> number."""

    summary: Sequence[str]
    notes: Sequence[str]
    tables: Sequence[Table]
    verdicts: Sequence[Verdict]
    numbers: Mapping[str, str]
    ranks: RankComparison | None


def report_of(frame: pd.DataFrame, protocol: str = "honest") -> Report:
    """Raises ValueError for an unknown protocol, and where records disagree about source, preset or backbone."""
    every = list(DatasetResults.of(frame))
    sources = {results.source for results in every}
    if len(sources) != 1:
        raise ValueError(f"one source a report, found {', '.join(sorted(sources)) or 'none'}")
    verdicts = ledger(every, protocol)
    ranks = rank_comparison(_means(every, protocol))
    tables = [
        *(ablation_table(results, protocol) for results in every),
        *(table for results in every if (table := table_1(results))),
        *filter(None, [main_table(every, protocol)]),
        *(protocol_table(results) for results in every if results.validated),
        *([] if isinstance(ranks, str) else [_rank_table(ranks, every, protocol)]),
        ledger_table(verdicts, every, protocol),
    ]
    return Report(
        summary=summary(verdicts, every, protocol),
        notes=[f"No critical-difference diagram, {ranks}."] if isinstance(ranks, str) and len(every) > 1 else [],
        tables=tables,
        verdicts=verdicts,
        numbers=headlines(every, protocol),
        ranks=None if isinstance(ranks, str) else ranks,
    )


def _means(every: Sequence[DatasetResults], protocol: str) -> pd.DataFrame:
    """Mean H of every variant (index) on every dataset (columns)."""
    return pd.DataFrame(
        {r.name: {v: r.values(v, "H", r.used(protocol)).mean() for v in r.variants} for r in every}
    )  # fmt: skip


def _rank_table(ranks: RankComparison, every: Sequence[DatasetResults], protocol: str) -> Table:
    used = " and ".join(sorted({results.used(protocol) for results in every}))
    source = every[0].source
    about = f"{', '.join(ranks.datasets)}, {SIMULATED if source == 'simulated' else 'real features'}; {used} protocol"
    return rank_table(ranks, "H", about, {"source": source, "protocol": used})
