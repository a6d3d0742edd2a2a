"""`accept`: a finished run becomes accepted results; what changed against the file before is said, tolerances stay."""

from collections.abc import Mapping
from pathlib import Path

from benchmark.cells.folder import OutputFolder
from benchmark.gate.accepted import LEAST_REPETITIONS, Accepted, Row, read_accepted, write_accepted
from benchmark.gate.candidate import measure
from dazle.errors import InputError

INCOMPLETE = 3


def accept(out: Path, into: Path, replace: bool) -> tuple[list[str], int]:
    """Writes `into`; lines for the reader and the exit code, 3 where the run is not whole and nothing was written.

    Raises InputError where another suite, source or rows that the run does not have would be lost, unless `replace`.
    """
    from benchmark.gate.power import smallest_drops

    run = measure(OutputFolder.read(out))
    if run.lacking:
        return [
            *(f"{row} on {data}: {why}" for (data, row), why in run.lacking.items()),
            "not whole: nothing accepted",
        ], INCOMPLETE
    new = run.results
    few = [row for row in new.rows if row.repetitions < LEAST_REPETITIONS]
    if few:
        raise InputError(f"{out}: {few[0].variant} has {few[0].repetitions} repetition; accept a run with more --seeds")
    lines = [f"{into} is new"]
    if into.exists():
        old = read_accepted(into)
        if not replace:
            _check_replaces(old, new, into)
        new = _with_tolerances(new, old)
        lines = changes(old, new)
    write_accepted(into, new)
    size = into.stat().st_size / 1000
    lines.append(f"written: {into}, {len(new.rows)} rows, {size:.0f} kB; review the difference and commit it")
    return [*lines, str(smallest_drops(new) or "no row is judged by H")], 0


def _check_replaces(old: Accepted, new: Accepted, into: Path) -> None:
    for name in ("suite", "source"):
        if getattr(old, name) != getattr(new, name):
            found = f"{name} {getattr(old, name)}, the run has {getattr(new, name)}"
            raise InputError(f"{into} holds results of {found}; choose another file, or add --replace")
    lost = {row.key: row for row in old.rows}.keys() - {row.key for row in new.rows}
    if lost:
        dataset, variant = sorted(lost)[0]
        raise InputError(
            f"{into} guards {len(lost)} rows that the run lacks ({variant} on {dataset}, ..); add --replace"
        )


def _with_tolerances(new: Accepted, old: Accepted) -> Accepted:
    """What a reviewer set in the file before holds on."""
    before = {row.key: row.tolerance for row in old.rows}
    rows = [row.model_copy(update={"tolerance": before.get(row.key, row.tolerance)}) for row in new.rows]
    return new.model_copy(update={"metrics": {**new.metrics, **old.metrics}, "rows": rows})


def changes(old: Accepted, new: Accepted) -> list[str]:
    """A line for everything of `new` that differs from `old`, and one that says so where nothing does."""
    lines = [
        f"{name} {getattr(old, name)} -> {getattr(new, name)}"
        for name in ("suite", "source", "package", "conditions", "environments")
        if getattr(old, name) != getattr(new, name)
    ]
    before, after = {row.key: row for row in old.rows}, {row.key: row for row in new.rows}
    lines += [f"removed: {variant} on {dataset}" for dataset, variant in before if (dataset, variant) not in after]
    for key, row in after.items():
        name = f"{row.variant} on {row.dataset}"
        if key not in before:
            lines.append(f"added: {name}")
            continue
        basis = _changed(old.basis(before[key]), new.basis(row))
        lines += [f"{name}: {text}" for text in [*basis, *_moved(before[key], row)]]
    lines += [f"claim {text}" for text in _changed(old.claims, new.claims)]
    return lines or ["nothing changed"]


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [f"{name} {before.get(name)} -> {after.get(name)}" for name in names]


def _moved(before: Row, after: Row) -> list[str]:
    """The means of the metrics whose values changed."""
    moved = [name for name, values in after.values.items() if before.values.get(name) != values]
    means = {
        name: [sum(row.values[name]) / row.repetitions for row in (before, after) if name in row.values]
        for name in moved
    }
    text = ", ".join(f"{name} " + " -> ".join(f"{mean:.2f}" for mean in of) for name, of in means.items())
    return [text] if text else []
