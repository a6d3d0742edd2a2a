"""Our numbers beside printed ones: the paper's Table 1, and the main table against other methods.

The rule a caller must know: printed numbers stand only beside real features with the published counts; on anything
else these functions give nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reports.analysis.protocols import PROTOCOLS
from reports.analysis.published import Method, Published, also_published, methods, published
from reports.analysis.results import FULL_MODEL, METRICS, PAPER_BACKBONE, DatasetResults
from reports.analysis.statistics import paired_difference
from reports.table import Cell, Column, Mark, Row, Table, slug
from reports.tables import captions

GZSL = ("S", "U", "H")
BESIDE_ORACLE = "bold although every number with † was chosen on test images and this one was not"


def table_1(results: DatasetResults) -> Table | None:
    """The paper's ablation table, ours under the same protocol, and ours minus the paper's; None where it has none."""
    printed = {v: row for v in results.variants if results.published and (row := published(v, results.preset))}
    if not printed:
        return None
    rows = [Row(variant, _beside(results, variant, row)) for variant, row in printed.items()]
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


def main_table(every: Sequence[DatasetResults], protocol: str = "honest") -> Table | None:
    """Other methods, the paper, and ours with its honest and its oracle number; None where nothing may stand beside.

    The best of a column is bold, whoever chose it how; a number of ours that is best without having been chosen on
    test says so.
    """
    shown = [results for results in every if results.published and FULL_MODEL in results.variants]
    if not shown:
        return None
    rows = [Row(method.name, _printed(method, shown)) for method in methods()]
    rows.append(Row("DAZLE, paper", _paper(shown)))
    rows += [Row(f"{FULL_MODEL}, {used}", _ours(shown, used)) for used in _protocols(shown, protocol)]
    columns = (
        Column("method", kind="text"),
        *(Column(metric, group=results.name) for results in shown for metric in METRICS),
        Column("features", kind="text"),
        Column("protocol", kind="text"),
        Column("source of the numbers", kind="text"),
    )
    return Table(
        name="main",
        caption=(
            f"{_features(shown)}. The full model against printed numbers of other methods, percent. Ours: mean of "
            f"{min(results.seeds for results in shown)} or more trainings, ± is the sample standard deviation; printed "
            "numbers have no spread."
        ),
        columns=columns,
        rows=_with_best(rows, columns),
        constants={"source": "real"},
    )


def _features(shown: Sequence[DatasetResults]) -> str:
    return "; ".join(captions.features(results, beside_published=True) for results in shown)


def _beside(results: DatasetResults, variant: str, row: Published) -> tuple[Cell, ...]:
    paper = {metric: getattr(row, metric) for metric in GZSL}
    mark = () if row.verified else (Mark.UNVERIFIED,)
    ours = {metric: results.values(variant, metric, "oracle") for metric in GZSL}
    # Taken from every seed, the paper's number leaves the t interval of our mean.
    apart = (paired_difference(ours[metric], ours[metric] * 0 + paper[metric]) for metric in GZSL)
    return (
        Cell(text=variant),
        *(Cell(paper[metric], marks=mark) for metric in GZSL),
        *(captions.mean_cell(results, variant, metric, "oracle") for metric in GZSL),
        *map(captions.difference_cell, apart),
    )


def _printed(method: Method, shown: Sequence[DatasetResults]) -> tuple[Cell, ...]:
    marks = _marks(method.protocol, method.verified)
    numbers = [method.numbers.get(results.preset, {}) for results in shown]
    cells = (Cell(of.get(metric), marks=marks if metric in of else ()) for of in numbers for metric in METRICS)
    return (Cell(text=method.name), *cells, *map(_text, (method.features, method.protocol, method.source)))


def _paper(shown: Sequence[DatasetResults]) -> tuple[Cell, ...]:
    """S, U and H from its table, T1 from elsewhere: each cell with its own marks."""
    cells, sources = [], []
    for results in shown:
        table = published(FULL_MODEL, results.preset)
        alone = [row for row in also_published(FULL_MODEL, results.preset) if row.kind == "T1"]
        for metric in METRICS:
            row = next(iter(alone), None) if metric == "T1" else table
            cells.append(Cell(getattr(row, metric), marks=_marks(row.protocol, row.verified)) if row else Cell())
            sources += [row.source] if row else []
    about = (PAPER_BACKBONE, "oracle", "; ".join(dict.fromkeys(sources)))
    return (Cell(text="DAZLE, paper"), *cells, *map(_text, about))


def _ours(shown: Sequence[DatasetResults], used: str) -> tuple[Cell, ...]:
    marks = (Mark.ORACLE,) if used == "oracle" else ()
    cells = []
    for results in shown:
        for metric in METRICS:
            cell = captions.mean_cell(results, FULL_MODEL, metric, used)
            cells.append(cell if cell.value is None else replace(cell, marks=marks))
    backbones = ", ".join(dict.fromkeys(results.backbone for results in shown))
    return (Cell(text=f"{FULL_MODEL}, {used}"), *cells, *map(_text, (backbones, used, "this run")))


def _protocols(shown: Sequence[DatasetResults], protocol: str) -> list[str]:
    return list(dict.fromkeys([*(results.used(protocol) for results in shown), "oracle"]))


def _marks(protocol: str, verified: bool) -> tuple[Mark, ...]:
    return ((Mark.ORACLE,) if protocol == "oracle" else ()) + (() if verified else (Mark.UNVERIFIED,))


def _text(text: str) -> Cell:
    return Cell(text=text)


def _with_best(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[Row, ...]:
    numbers = [index for index, column in enumerate(columns) if column.kind == "number"]
    best = {index: _greatest(row.cells[index] for row in rows) for index in numbers}
    return tuple(
        replace(row, cells=tuple(_bold(row.key, cell, best.get(i)) for i, cell in enumerate(row.cells))) for row in rows
    )


def _greatest(cells: Iterable[Cell]) -> float | None:
    return max((cell.value for cell in cells if cell.value is not None), default=None)


def _bold(row: str, cell: Cell, best: float | None) -> Cell:
    if best is None or cell.value != best:
        return cell
    ours = row.startswith(f"{FULL_MODEL}, ") and Mark.ORACLE not in cell.marks
    return replace(cell, marks=(Mark.BEST, *cell.marks), notes=(*cell.notes, BESIDE_ORACLE) if ours else cell.notes)
