"""The tables of our numbers beside published ones: the paper's Table 1, and the main table with other methods.

The rule a caller must know: published numbers stand only beside real features with the published counts; for other
features these functions return None.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reports.analysis.protocols import PROTOCOLS
from reports.analysis.published import Published, PublishedMethod, also_published, published, published_methods
from reports.analysis.results import FULL_MODEL, METRICS, PAPER_BACKBONE, DatasetResults
from reports.analysis.statistics import paired_difference
from reports.table import Column, Mark, Table, TableCell, TableRow, slug
from reports.tables import captions

GZSL = ("S", "U", "H")
BESIDE_ORACLE = "bold although every number with † was chosen on test images and this one was not"


def table_1(results: DatasetResults) -> Table | None:
    """The paper's ablation table, ours under the same protocol, and the differences; None if it has no such rows."""
    if not results.has_published_counts:
        return None
    published_rows = {variant: row for variant in results.variants if (row := published(variant, results.preset))}
    if not published_rows:
        return None
    rows = [TableRow(variant, _table_1_cells(results, variant, row)) for variant, row in published_rows.items()]
    return Table(
        name=slug("table-1", results.name),
        caption=(
            f"{_features([results])}; the paper's Table 1 (supplement) beside ours, in both the "
            f"{PROTOCOLS['oracle'].title}. The paper: one training. Ours: the mean of {results.seeds}, ± is the sample "
            "standard deviation over seeds. Ours - paper: [ ] the 95 % t interval of our mean; the paper's own spread "
            "is not known."
        ),
        columns=(
            Column("variant", kind="text"),
            *(Column(metric, group="paper") for metric in GZSL),
            *(Column(metric, group="ours, oracle") for metric in GZSL),
            *(Column(metric, group="ours - paper", signed=True) for metric in GZSL),
        ),
        rows=tuple(rows),
        notes=tuple(
            f"{row.source}: {row.variant} {row.text}"
            for variant in results.variants
            for row in also_published(variant, results.preset)
        ),
        constants={"dataset": results.name, "source": results.source, "protocol": "oracle"},
    )


def main_table(datasets: Sequence[DatasetResults], protocol: str = "honest") -> Table | None:
    """Other methods, the paper, and the full model under `protocol` and the oracle; None without published counts.

    The best of a column over all protocols is bold; a footnote marks our number if it is best and was not chosen
    on test images.
    """
    comparable = [results for results in datasets if results.has_published_counts and FULL_MODEL in results.variants]
    if not comparable:
        return None
    rows = [TableRow(method.name, _method_cells(method, comparable)) for method in published_methods()]
    rows.append(TableRow("DAZLE, paper", _paper_cells(comparable)))
    rows += [
        TableRow(f"{FULL_MODEL}, {name}", _our_cells(comparable, name)) for name in _protocols(comparable, protocol)
    ]
    columns = (
        Column("method", kind="text"),
        *(Column(metric, group=results.name) for results in comparable for metric in METRICS),
        Column("features", kind="text"),
        Column("protocol", kind="text"),
        Column("source of the numbers", kind="text"),
    )
    return Table(
        name="main",
        caption=(
            f"{_features(comparable)}. The full model against printed numbers of other methods, percent. Ours: mean of "
            f"{min(results.seeds for results in comparable)} or more trainings, ± is the sample standard deviation; "
            "printed numbers have no spread."
        ),
        columns=columns,
        rows=_with_best(rows, columns),
        constants={"source": "real"},
    )


def _features(datasets: Sequence[DatasetResults]) -> str:
    return "; ".join(captions.features(results, beside_published=True) for results in datasets)


def _table_1_cells(results: DatasetResults, variant: str, row: Published) -> tuple[TableCell, ...]:
    paper = {metric: getattr(row, metric) for metric in GZSL}
    mark = () if row.verified else (Mark.UNVERIFIED,)
    ours = {metric: results.values(variant, metric, "oracle") for metric in GZSL}
    # With the paper's number subtracted from every seed, the paired t interval is that of our mean.
    differences = (paired_difference(ours[metric], ours[metric] * 0 + paper[metric]) for metric in GZSL)
    return (
        TableCell(text=variant),
        *(TableCell(paper[metric], marks=mark) for metric in GZSL),
        *(captions.mean_cell(results, variant, metric, "oracle") for metric in GZSL),
        *map(captions.difference_cell, differences),
    )


def _method_cells(method: PublishedMethod, datasets: Sequence[DatasetResults]) -> tuple[TableCell, ...]:
    marks = _marks(method.protocol, method.verified)
    cells = []
    for results in datasets:
        numbers = method.numbers.get(results.preset, {})
        cells += [TableCell(numbers.get(metric), marks=marks if metric in numbers else ()) for metric in METRICS]
    return (TableCell(text=method.name), *cells, *map(_text, (method.features, method.protocol, method.source)))


def _paper_cells(datasets: Sequence[DatasetResults]) -> tuple[TableCell, ...]:
    """S, U and H from the paper's table, T1 from another source, each cell with the marks of its source."""
    cells, sources = [], []
    for results in datasets:
        table = published(FULL_MODEL, results.preset)
        zero_shot = [row for row in also_published(FULL_MODEL, results.preset) if row.kind == "T1"]
        for metric in METRICS:
            row = next(iter(zero_shot), None) if metric == "T1" else table
            cells.append(
                TableCell(getattr(row, metric), marks=_marks(row.protocol, row.verified)) if row else TableCell()
            )
            sources += [row.source] if row else []
    texts = (PAPER_BACKBONE, "oracle", "; ".join(dict.fromkeys(sources)))
    return (TableCell(text="DAZLE, paper"), *cells, *map(_text, texts))


def _our_cells(datasets: Sequence[DatasetResults], protocol: str) -> tuple[TableCell, ...]:
    marks = (Mark.ORACLE,) if protocol == "oracle" else ()
    cells = []
    for results in datasets:
        for metric in METRICS:
            cell = captions.mean_cell(results, FULL_MODEL, metric, protocol)
            cells.append(cell if cell.value is None else replace(cell, marks=marks))
    backbones = ", ".join(dict.fromkeys(results.backbone for results in datasets))
    return (TableCell(text=f"{FULL_MODEL}, {protocol}"), *cells, *map(_text, (backbones, protocol, "this run")))


def _protocols(datasets: Sequence[DatasetResults], protocol: str) -> list[str]:
    return list(dict.fromkeys([*(results.available_protocol(protocol) for results in datasets), "oracle"]))


def _marks(protocol: str, verified: bool) -> tuple[Mark, ...]:
    return ((Mark.ORACLE,) if protocol == "oracle" else ()) + (() if verified else (Mark.UNVERIFIED,))


def _text(text: str) -> TableCell:
    return TableCell(text=text)


def _with_best(rows: Sequence[TableRow], columns: Sequence[Column]) -> tuple[TableRow, ...]:
    numbers = [index for index, column in enumerate(columns) if column.kind == "number"]
    best = {index: _largest(row.cells[index] for row in rows) for index in numbers}
    return tuple(
        replace(row, cells=tuple(_bold(row.key, cell, best.get(i)) for i, cell in enumerate(row.cells))) for row in rows
    )


def _largest(cells: Iterable[TableCell]) -> float | None:
    return max((cell.value for cell in cells if cell.value is not None), default=None)


def _bold(row: str, cell: TableCell, best: float | None) -> TableCell:
    if best is None or cell.value != best:
        return cell
    ours = row.startswith(f"{FULL_MODEL}, ") and Mark.ORACLE not in cell.marks
    return replace(cell, marks=(Mark.BEST, *cell.marks), notes=(*cell.notes, BESIDE_ORACLE) if ours else cell.notes)
