"""`accept`: writes the results of a finished run to a file of accepted results, and lists the changes to it.

The rule a caller must know: tolerances that a reviewer set in the file are kept.
"""

from collections.abc import Mapping
from pathlib import Path

from benchmark.cells.exit_codes import INCOMPLETE
from benchmark.cells.folder import OutputFolder
from benchmark.gate.accepted import LEAST_REPETITIONS, AcceptedResults, AcceptedRow, read_accepted, write_accepted
from benchmark.gate.candidate import read_candidate
from dazle.errors import InputError


def accept(out: Path, into: Path, replace: bool) -> tuple[list[str], int]:
    """Writes `into`. Returns lines to print, and the exit code: 3 if the run is incomplete, then nothing is written.

    Raises InputError if `into` holds another suite, another source, or rows that the run does not have, unless
    `replace`.
    """
    from benchmark.gate.power import smallest_drops

    candidate = read_candidate(OutputFolder.read(out))
    if candidate.incomplete:
        reasons = [f"{variant} on {dataset}: {reason}" for (dataset, variant), reason in candidate.incomplete.items()]
        return [*reasons, "the run is incomplete: nothing is accepted"], INCOMPLETE
    new = candidate.results
    few = [row for row in new.rows if row.repetitions < LEAST_REPETITIONS]
    if few:
        raise InputError(f"{out}: {few[0].variant} has {few[0].repetitions} repetition; accept a run with more --seeds")
    if not new.rows:
        raise InputError(
            f"{out}: every row is of a deterministic method, without repetitions there is nothing to accept"
        )
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
    if candidate.left_out:
        lines.append(f"left out, since a deterministic method has no repetitions: {', '.join(candidate.left_out)}")
    return [*lines, str(smallest_drops(new) or "no row is compared in H")], 0


def _check_replaces(old: AcceptedResults, new: AcceptedResults, into: Path) -> None:
    for name in ("suite", "source"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            raise InputError(
                f"{into} holds results of {name} {before}, the run has {after}; choose another file, or add --replace"
            )
    lost = {row.key for row in old.rows} - {row.key for row in new.rows}
    if lost:
        dataset, variant = min(lost)
        raise InputError(
            f"{into} has {len(lost)} rows that the run does not have ({variant} on {dataset}, ..); add --replace to "
            "remove them"
        )


def _with_tolerances(new: AcceptedResults, old: AcceptedResults) -> AcceptedResults:
    """The new results with the tolerances of the old file."""
    before = {row.key: row.tolerance for row in old.rows}
    rows = [row.model_copy(update={"tolerance": before.get(row.key, row.tolerance)}) for row in new.rows]
    return new.model_copy(update={"metrics": {**new.metrics, **old.metrics}, "rows": rows})


def changes(old: AcceptedResults, new: AcceptedResults) -> list[str]:
    """A line for each difference between `old` and `new`; `nothing changed` if there is none."""
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
        basis = _differences(old.basis(before[key]), new.basis(row))
        lines += [f"{name}: {text}" for text in [*basis, *_mean_changes(before[key], row)]]
    lines += [f"claim {text}" for text in _differences(old.claims, new.claims)]
    return lines or ["nothing changed"]


def _differences(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [f"{name} {before.get(name)} -> {after.get(name)}" for name in names]


def _mean_changes(before: AcceptedRow, after: AcceptedRow) -> list[str]:
    """The means of the metrics whose values changed, in one line; no line if none did."""
    texts = []
    for name, values in after.values.items():
        if before.values.get(name) != values:
            rows = [row for row in (before, after) if name in row.values]
            texts.append(f"{name} " + " -> ".join(f"{sum(row.values[name]) / row.repetitions:.2f}" for row in rows))
    return [", ".join(texts)] if texts else []
