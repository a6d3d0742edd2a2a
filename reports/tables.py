"""Ablation tables, one a dataset, and their Markdown.

The rule a caller must know: a table has one source of features and one protocol, and its caption names both.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.published import also_published, published
from reports.selection import PROTOCOLS, select
from reports.statistics import paired_difference, summarise

FULL_MODEL = "dazle"
PAPER_BACKBONE = "ResNet-101"
DASH = "—"
DIFFERENCE = "ΔH to full model [95 %]"
PAPER = "paper S/U/H"
TEXT_COLUMNS = ("axis", "variant", "change")


@dataclass(frozen=True)
class Table:
    """What a writer needs: the caption above, the cells as unescaped text, the lines below."""

    caption: str
    frame: pd.DataFrame
    footnotes: tuple[str, ...] = ()


def ablation_tables(frame: pd.DataFrame, protocol: str = "honest") -> list[Table]:
    """One table a dataset, rows in the order of `frame` (a row a cell, as the store gives it).

    Without a validation phase the honest protocol has nothing to go by: the table shows the last epoch and
    says so. Raises ValueError for an unknown protocol and where a dataset's rows disagree about source,
    preset, backbone or published counts.
    """
    parts = frame.groupby("dataset", sort=False)
    return [_dataset_table(part.reset_index(drop=True), protocol) for _, part in parts]


def render_markdown(tables: Iterable[Table], title: str, notes: Sequence[str] = ()) -> str:
    """A Markdown page: title, notes as paragraphs, then every table with its caption and footnotes."""
    blocks = [f"# {_escape(title)}", *map(_escape, notes)]
    for number, table in enumerate(tables, start=1):
        blocks.append(f"**Table {number}.** {_escape(table.caption)}")
        blocks.append(_markdown_grid(table.frame))
        blocks.append("\n".join(f"- {_escape(line)}" for line in table.footnotes))
    return "\n\n".join(filter(None, blocks)) + "\n"


def _dataset_table(part: pd.DataFrame, protocol: str) -> Table:
    source, preset = _only(part, "source"), _only(part, "preset")
    beside = source == "real" and bool(_only(part, "published_counts"))
    variants = list(part["variant"].unique())
    paper = {v: row.text for v in variants if beside and (row := published(v, preset))}
    others = [row for v in variants if beside for row in also_published(v, preset)]

    used = "last" if protocol == "honest" and _no_validation(part) else protocol
    chosen, oracle = select(part, used), select(part, "oracle")
    full = _by_seed(chosen, FULL_MODEL)
    rows = [_numbers(chosen[part["variant"] == v], oracle[part["variant"] == v], full) for v in variants]
    table = pd.concat([_names(part, variants), pd.DataFrame(rows, dtype=object)], axis=1)
    if paper:
        table[PAPER] = [paper.get(v, DASH) for v in variants]
    footnotes = _gaps(part, chosen) + [f"{row.source}: {row.variant} {row.text}" for row in others]
    if FULL_MODEL not in variants:
        footnotes.append(f"The full model, {FULL_MODEL}, is not in this table: no differences to it.")
    return Table(_caption(part, chosen, protocol, used, bool(paper or others)), table, tuple(footnotes))


def _names(part: pd.DataFrame, variants: list[str]) -> pd.DataFrame:
    """The text columns; an axis is named on the first row of its group."""
    first = part.drop_duplicates("variant").set_index("variant").loc[variants]
    axes = first["axis"].fillna("").tolist()
    groups = [axis if i == 0 or axis != axes[i - 1] else "" for i, axis in enumerate(axes)]
    # Settings without their section: they are as telling, and the column is half as wide.
    changes = [re.sub(r"\b\w+\.(?=\w+ = )", "", change) or "full model" for change in first["change"]]
    return pd.DataFrame({"axis": groups, "variant": variants, "change": changes}, dtype=object)


def _numbers(chosen: pd.DataFrame, oracle: pd.DataFrame, full: pd.Series) -> dict[str, str]:
    """The cells of one variant: its selected points, its oracle points, and the full model's H by seed."""
    variant, done, seeds = chosen["variant"].iloc[0], chosen["T1"].count(), len(chosen)
    row = {column: _spread(chosen[column]) for column in ("S", "U", "H", "T1")}
    row[DIFFERENCE] = "" if variant == FULL_MODEL else _difference(_by_seed(chosen, variant), full)
    row["H oracle"] = _one(summarise(oracle["H"]).mean)
    row["pointing"] = _pointing(chosen)
    row["seeds"] = str(seeds) if done == seeds else f"{done}/{seeds}"
    return row


def _caption(part: pd.DataFrame, chosen: pd.DataFrame, protocol: str, used: str, beside: bool) -> str:
    title = PROTOCOLS[used].title
    if used != protocol:
        title = f"no validation phase: {title} (there is no {protocol} number)"
    sentences = [
        f"{part['dataset'].iloc[0]}, {_features(part, beside)}; {title}",
        str(_only(part, "about")),
        _seeds_note(part["seed"].nunique()),
        f"S, U, H, T1 in percent; H oracle is an upper bound, the mean under the {PROTOCOLS['oracle'].title}",
        _pointing_note(chosen),
    ]
    if chosen["T1"].notna().any() and chosen["S"].isna().all():
        sentences.append(f"No image of a seen class is tested, so there is no S and no H ({DASH})")
    if beside:
        sentences.append("Published numbers were selected on test: compare them with H oracle")
    return ". ".join(sentences) + "."


def _features(part: pd.DataFrame, beside: bool) -> str:
    if _only(part, "source") == "simulated":
        return "SIMULATED features: numbers say nothing about photographs"
    backbone = _only(part, "backbone")
    differs = beside and backbone != PAPER_BACKBONE
    return f"real features, backbone {backbone}" + (f", not the paper's {PAPER_BACKBONE}" if differs else "")


def _seeds_note(seeds: int) -> str:
    if seeds == 1:
        return "1 seed, so no spread and no interval"
    spread = f"{seeds} seeds; ± is the sample standard deviation over seeds"
    return f"{spread}, [ ] the 95 % interval of the paired t test over the seeds that both have, each row for itself"


def _pointing_note(chosen: pd.DataFrame) -> str:
    if chosen["pointing"].notna().any():
        return (
            "Pointing: percent of the attributes present in an image whose arg-max region is where the attribute is; "
            f"chance: the same for a region drawn uniformly ({DASH}: uniform attention points nowhere)"
        )
    return f"Pointing {DASH}: the places of attributes are not known, or uniform attention points nowhere"


def _gaps(part: pd.DataFrame, chosen: pd.DataFrame) -> list[str]:
    """A line for every variant and reason for which cells have no number."""
    lines: dict[tuple[str, str], list[str]] = {}
    for record in part[chosen["T1"].isna()].to_dict("records"):
        reason = "done, but without a number" if record["status"] == "done" else record["status"]
        if not pd.isna(record["error"]) and record["error"].strip():
            reason += f": {record['error'].strip().splitlines()[-1]}"
        where = f"{record['variant']} on {record['dataset']}"
        lines.setdefault((where, reason), []).append(str(record["seed"]))
    return [
        f"{where}, seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}: {reason}"
        for (where, reason), seeds in lines.items()
    ]


def _no_validation(part: pd.DataFrame) -> bool:
    done = part[part["status"] == "done"]
    return len(done) > 0 and not any(any(folds) for folds in done["validation"])


def _by_seed(chosen: pd.DataFrame, variant: str) -> pd.Series:
    return chosen[chosen["variant"] == variant].set_index("seed")["H"]


def _only(part: pd.DataFrame, column: str) -> Any:
    values = part[column].dropna().unique()
    if len(values) != 1:
        found = ", ".join(map(str, values)) or "none"
        raise ValueError(f"dataset {part['dataset'].iloc[0]}: one {column} a table, found {found}")
    return values[0]


def _one(value: float | None) -> str:
    return DASH if value is None else f"{value:.1f}"


def _spread(values: pd.Series) -> str:
    summary = summarise(values)
    return _one(summary.mean) + ("" if summary.sd is None else f" ± {summary.sd:.1f}")


def _pointing(chosen: pd.DataFrame) -> str:
    chance = summarise(chosen["pointing_chance"]).mean
    return _spread(chosen["pointing"]) + ("" if chance is None else f" (chance {chance:.1f})")


def _difference(variant: pd.Series, full: pd.Series) -> str:
    paired = paired_difference(variant, full)
    if paired.mean is None:
        return DASH
    if paired.low is None or paired.high is None:
        return _signed(paired.mean)
    return f"{_signed(paired.mean)} [{_signed(paired.low)}, {_signed(paired.high)}]"


def _signed(value: float) -> str:
    rounded = round(value, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"  # never "-0.0"


def _markdown_grid(frame: pd.DataFrame) -> str:
    escaped = frame.map(_escape).rename(columns=_escape)
    align = ["left" if column in TEXT_COLUMNS else "right" for column in frame.columns]
    return str(escaped.to_markdown(index=False, disable_numparse=True, colalign=align))


def _escape(text: str) -> str:
    """One line that a Markdown table can hold and no browser takes for a tag."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
