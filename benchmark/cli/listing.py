"""What `list` and `status` print."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from ablations.suites import SUITES
from ablations.variants import VARIANTS
from dazle.config import DATASETS


def variants() -> list[str]:
    """A line a variant, grouped by axis."""
    rows = [(v.name, v.axis or "several at once", v.label, v.change) for v in VARIANTS.values() if v.changes]
    lines = [f"  {'dazle':26} the full model"]
    return lines + [f"  {name:26} {axis:22} {label}: {change}" for name, axis, label, change in rows]


def suites() -> list[str]:
    """A line a suite."""
    return [
        f"  {suite.name:12} {suite.about}: {len(suite.variants)} variants x {', '.join(suite.datasets)} x "
        f"{suite.seeds} seeds"
        for suite in SUITES.values()
    ]


def datasets() -> list[str]:
    """A line a dataset: those made on the fly, then what is prepared."""
    from benchmark.cells.datasets import data_folder

    folder = data_folder(None)
    prepared = [
        f"  {path.stem:16} {_source(path)}, prepared in {folder}"
        for path in sorted(folder.glob("*.h5"))
        if not path.name.startswith(".")
    ]
    return [f"  {name:16} simulated, made on the fly" for name in DATASETS] + prepared


def _source(path: Path) -> str:
    from dazle.errors import InputError
    from dazle.features.feature_file import stored_source

    try:
        return stored_source(path)
    except InputError:
        return "damaged (python -m benchmark data verify)"


LISTS: dict[str, Callable[[], list[str]]] = {"variants": variants, "suites": suites, "datasets": datasets}


def print_status(out: Path) -> int:
    """Prints the states of all cells of a run and returns 0 where all are done, else 3."""
    from benchmark.cells.folder import OutputFolder
    from benchmark.progress import duration

    folder = OutputFolder.read(out)
    manifest, states = folder.manifest, folder.states
    count = Counter(state.status for state in states.values())
    total = len(manifest.cells)
    print(f"suite {manifest.suite}, {manifest.source} features: {count['done']} of {total} cells done, "
          f"{count['running']} running, {count['failed']} failed, {count['missing']} missing")  # fmt: skip
    for entry in manifest.cells:
        state = states[entry.id]
        if state.status == "running" or state.reason:
            title = f"{entry.variant} on {entry.dataset}, seed {entry.seed}"
            print(f"  {state.status} {title} {state.last_line or ''}".rstrip())
    done = [state.record.seconds for state in states.values() if state.status == "done" and state.record]
    if done and len(done) < total:
        left = sum(done) / len(done) * (total - len(done) - count["failed"])
        print(f"left: {duration(left)} of one worker, by the mean of the cells that are done")
    return 0 if count["done"] == total else 3
