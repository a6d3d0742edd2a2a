"""The content of a run's report: its tables, the summary of the claims, and the numbers for LaTeX macros.

The rule a caller must know: the content is made from the data frame of records alone (one row per cell, the columns of
`benchmark.cells.folder.OutputFolder.frame`), and one report has one source of features and one protocol.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.analysis.claims import claim_verdicts
from reports.analysis.results import DatasetResults
from reports.table import Table
from reports.tables.ablation import ablation_table
from reports.tables.claims_table import claims_summary, claims_table
from reports.tables.factorial import factorial_table
from reports.tables.number_macros import number_macros
from reports.tables.paper import main_table, table_1
from reports.tables.protocol_comparison import protocol_table
from reports.tables.rows_summary import has_claims, rows_summary


@dataclass(frozen=True)
class ReportContent:
    """`summary`: a few sentences; `numbers`: macro name -> number."""

    summary: Sequence[str]
    tables: Sequence[Table]
    numbers: Mapping[str, str]


def report_content(frame: pd.DataFrame, protocol: str = "honest") -> ReportContent:
    """Raises ValueError for an unknown protocol, and if records differ in source, preset or backbone."""
    datasets = list(DatasetResults.per_dataset(frame))
    sources = {results.source for results in datasets}
    if len(sources) != 1:
        raise ValueError(f"one source a report, found {', '.join(sorted(sources)) or 'none'}")
    verdicts = claim_verdicts(datasets, protocol)
    tables = [
        *(ablation_table(results, protocol) for results in datasets),
        *filter(None, (factorial_table(results, protocol) for results in datasets)),
        *filter(None, map(table_1, datasets)),
        *filter(None, [main_table(datasets, protocol)]),
        *(protocol_table(results) for results in datasets if results.has_validation),
    ]
    if has_claims(datasets):
        tables.append(claims_table(verdicts, datasets, protocol))
        summary = claims_summary(verdicts, datasets, protocol)
    else:
        summary = rows_summary(datasets, protocol)
    return ReportContent(summary, tables, number_macros(datasets, protocol))
