"""What a person reads of a check: a table of all verdicts, what was noted, and what to do; Markdown throughout."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmark.cells.folder import OutputFolder
from benchmark.gate.accepted import Accepted, read_accepted
from benchmark.gate.candidate import Measured, measure
from benchmark.gate.verdicts import CODES, Verdict, exit_code, judge, noted
from dazle.files import write_atomic

COLUMNS = ("verdict", "dataset", "variant", "metric", "accepted", "now", "difference", "tolerance", "p (Holm)", "why")
TEXT = ("verdict", "dataset", "variant", "metric", "why")


def check(folder: OutputFolder, against: Path, rows: str) -> tuple[str, int]:
    """The text and the exit code of comparing a run with accepted results; nothing is written."""
    accepted, run = read_accepted(against), measure(folder)
    verdicts = judge(accepted, run, only_present=rows == "present")
    lines = [*_notes(accepted, run, verdicts), *_demands(verdicts, folder.path, against)]
    parts = [
        f"## {folder.path.name} against {against.name}",
        f"{accepted.source.upper()} features, {accepted.protocol} protocol; means over repetitions in percent.",
        table(verdicts),
        "\n".join(f"- {line}" for line in lines),
    ]
    text = "\n\n".join(parts)
    return text, exit_code(verdicts)


def check_run(folder: OutputFolder, against: Path, rows: str) -> int:
    """`check`, printed and kept as `verdicts.md` beside the report of the run."""
    text, code = check(folder, against, rows)
    print(text)
    write_atomic(folder.path / "verdicts.md", text + "\n")
    return code


def table(verdicts: Sequence[Verdict]) -> str:
    """Markdown, a line a verdict, in the order given."""
    import pandas as pd

    lines = [
        (
            each.word, each.dataset, each.variant, each.metric, _number(each.accepted), _number(each.now),
            _number(each.difference, "+"), "" if each.tolerance is None else f"{each.tolerance:g}",
            "" if each.p is None else f"{each.p:.2g}", " ".join(each.why.split()).replace("|", "\\|"),
        )
        for each in verdicts
    ]  # fmt: skip
    align = ["left" if name in TEXT else "right" for name in COLUMNS]
    return str(pd.DataFrame(lines, columns=COLUMNS).to_markdown(index=False, disable_numparse=True, colalign=align))


def _number(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.2f}"


def _notes(accepted: Accepted, run: Measured, verdicts: Sequence[Verdict]) -> list[str]:
    from benchmark.gate.power import smallest_drops
    from benchmark.machine import commit

    counts = Counter(verdict.word for verdict in verdicts)
    lines = ["Verdicts: " + (", ".join(f"{counts[word]} {word}" for word in CODES if counts[word]) or "none") + "."]
    away = len(accepted.rows) - len(
        {(verdict.dataset, verdict.variant) for verdict in verdicts if verdict.word != "new"}
    )
    if away:
        lines.append(f"{away} rows of the file are not in this run.")
    lines += [f"Noted, and left to the tolerance: {line}." for line in noted(accepted, run)]
    others = [made for made in run.commits if made != commit()]
    if others:
        lines.append(
            f"Noted: cells were made by commit {' and '.join(f'{made}'[:12] for made in others)}, not by this code."
        )
    power = smallest_drops(accepted)
    return lines if power is None else [*lines, f"{power}."]


def _demands(verdicts: Sequence[Verdict], out: Path, against: Path) -> list[str]:
    """What has to be done, worst first; the last line of a failed check says why it failed."""
    lines = []
    if any(verdict.word in ("improved", "new") for verdict in verdicts):
        command = shlex.join(["python", "-m", "benchmark", "accept", str(out), "--into", str(against)])
        lines.append(f"Improved and new rows are guarded once they are accepted: `{command}`.")
    for word in ("regressed", "incomparable", "missing"):
        names = [f"{each.variant} on {each.dataset}" for each in verdicts if each.word == word]
        if names:
            lines.append(f"{word.upper()}: {', '.join(dict.fromkeys(names))}.")
    if all(verdict.word == "new" for verdict in verdicts):
        lines.append("MISSING: no row of the file is in this run.")
    return lines
