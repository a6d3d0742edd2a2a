"""`check`: compares a run with accepted results, and prints the verdicts, the tolerated differences and what to do."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmark.cells.folder import OutputFolder
from benchmark.gate.accepted import AcceptedResults
from benchmark.gate.candidate import Candidate, read_candidate
from benchmark.gate.verdicts import CODES, Verdict, compare_rows, exit_code, tolerated_differences
from dazle.files import write_atomic

COLUMNS = ("verdict", "dataset", "variant", "metric", "accepted", "now", "difference", "tolerance", "p (Holm)", "why")
TEXT = ("verdict", "dataset", "variant", "metric", "why")


def check(folder: OutputFolder, accepted: AcceptedResults, against: Path, rows: str) -> tuple[str, int]:
    """The report in Markdown and the exit code. `accepted`: the content of the file `against`; nothing is written."""
    candidate = read_candidate(folder)
    verdicts = compare_rows(accepted, candidate, only_present=rows == "present")
    lines = [*_notes(accepted, candidate, verdicts), *_actions(verdicts, folder.path, against)]
    parts = [
        f"## {folder.path.name} against {against.name}",
        f"{accepted.source.upper()} features, {accepted.protocol} protocol; means over repetitions in percent.",
        verdict_table(verdicts),
        "\n".join(f"- {line}" for line in lines),
    ]
    text = "\n\n".join(parts)
    return text, exit_code(verdicts)


def check_run(folder: OutputFolder, accepted: AcceptedResults, against: Path, rows: str) -> int:
    """`check`, printed and written to `verdicts.md` beside the report of the run."""
    text, code = check(folder, accepted, against, rows)
    print(text)
    write_atomic(folder.path / "verdicts.md", text + "\n")
    return code


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """A Markdown table, one line per verdict, in the order of `verdicts`."""
    import pandas as pd

    lines = [
        (
            verdict.word, verdict.dataset, verdict.variant, verdict.metric, _number(verdict.accepted),
            _number(verdict.now), _number(verdict.difference, "+"),
            "" if verdict.tolerance is None else f"{verdict.tolerance:g}",
            "" if verdict.p is None else f"{verdict.p:.2g}", " ".join(verdict.why.split()).replace("|", "\\|"),
        )
        for verdict in verdicts
    ]  # fmt: skip
    align = ["left" if name in TEXT else "right" for name in COLUMNS]
    return str(pd.DataFrame(lines, columns=COLUMNS).to_markdown(index=False, disable_numparse=True, colalign=align))


def _number(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.2f}"


def _notes(accepted: AcceptedResults, candidate: Candidate, verdicts: Sequence[Verdict]) -> list[str]:
    from benchmark.gate.power import smallest_drops
    from benchmark.machine import commit

    counts = Counter(verdict.word for verdict in verdicts)
    lines = ["Verdicts: " + (", ".join(f"{counts[word]} {word}" for word in CODES if counts[word]) or "none") + "."]
    keys = {(verdict.dataset, verdict.variant) for verdict in verdicts if verdict.word != "new"}
    if absent := len(accepted.rows) - len(keys):
        lines.append(f"{absent} rows of the file are not in this run.")
    lines += [f"Noted, and left to the tolerance: {line}." for line in tolerated_differences(accepted, candidate)]
    others = [f"{name}"[:12] for name in candidate.commits if name != commit()]
    if others:
        lines.append(f"Noted: cells were made by commit {' and '.join(others)}, not by this code.")
    power = smallest_drops(accepted)
    return lines if power is None else [*lines, f"{power}."]


def _actions(verdicts: Sequence[Verdict], out: Path, against: Path) -> list[str]:
    """The command that accepts improved and new rows; then the rows that failed, worst first."""
    lines = []
    if any(verdict.word in ("improved", "new") for verdict in verdicts):
        command = shlex.join(["python", "-m", "benchmark", "accept", str(out), "--into", str(against)])
        lines.append(f"Improved and new rows are guarded once they are accepted: `{command}`.")
    for word in ("regressed", "incomparable", "missing"):
        names = [f"{verdict.variant} on {verdict.dataset}" for verdict in verdicts if verdict.word == word]
        if names:
            lines.append(f"{word.upper()}: {', '.join(dict.fromkeys(names))}.")
    if all(verdict.word == "new" for verdict in verdicts):
        lines.append("MISSING: no row of the file is in this run.")
    return lines
