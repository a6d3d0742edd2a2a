"""The options of `run`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from benchmark.cells.options import (
    ABOVE_ZERO,
    POSITIVE,
    BaseSeed,
    CommandOptions,
    Data,
    DeviceOption,
    Folds,
    Include,
    Option,
    Rows,
    Source,
    Threads,
    read_names,
    read_overrides,
    read_size,
)

# More repetitions than anybody waits for are a slip of the keyboard.
MOST_SEEDS = 1000


@dataclass(frozen=True)
class RunOptions(CommandOptions, marked=True):
    """Which cells are run, how, and where they go."""

    suite: Annotated[
        str, Option("Suite to run; all suites: python -m benchmark list suites.", "NAME", changes_result=True)
    ]
    variants: Annotated[
        Sequence[str],
        Option(
            "Only these variants of the suite: names or patterns such as lambda-*.",
            "NAME,NAME",
            changes_result=True,
            default_text="all of the suite",
            read=read_names,
        ),
    ] = ()
    datasets: Annotated[
        Sequence[str],
        Option(
            "Datasets to run on.",
            "NAME,NAME",
            changes_result=True,
            default_text="those of the suite",
            read=read_names,
        ),
    ] = ()
    seeds: Annotated[
        int | None,
        Option(
            f"Number of repetitions of each variant, 1 to {MOST_SEEDS}.",
            "N",
            changes_result=True,
            default_text="as in the suite",
            limits=POSITIVE | {"le": MOST_SEEDS},
        ),
    ] = None
    source: Source = "auto"
    data: Data = None
    out: Annotated[
        Path | None, Option("Output folder.", "FOLDER", changes_result=False, default_text="runs/SUITE-SOURCE")
    ] = None
    workers: Annotated[
        int | None,
        Option(
            "Number of processes that train cells.",
            "N",
            changes_result=False,
            default_text="one for each core, or one on a GPU",
            limits=POSITIVE,
        ),
    ] = None
    memory: Annotated[
        int | None,  # bytes
        Option(
            "Memory for features in all processes together, for example 4GiB.",
            "SIZE",
            changes_result=False,
            default_text="half of the free memory",
            limits=POSITIVE,
            read=read_size,
        ),
    ] = None
    threads: Threads = 1
    device: DeviceOption = "auto"
    overrides: Annotated[
        Mapping[str, Any],
        Option(
            "Change a setting of every cell, for example training.epochs=10. Repeatable.",
            "KEY=VALUE",
            changes_result=True,
            flag="--set",
            repeatable=True,
            read=read_overrides,
        ),
    ] = field(default_factory=dict)
    include: Include = ()
    base_seed: BaseSeed = 214
    folds: Folds = 1
    validation: Annotated[
        bool,
        Option("Train the validation phase; without it there are no honest results.", changes_result=True),
    ] = True
    tuned: Annotated[
        Path | None,
        Option(
            "Output folder of `tune`; each variant gets a second row with its tuned settings.",
            "FOLDER",
            changes_result=True,
            default_text="no tuned rows",
        ),
    ] = None
    dry_run: Annotated[
        bool, Option("Print the cells and the expected time, and train nothing.", changes_result=False)
    ] = False
    fail_fast: Annotated[bool, Option("Stop at the first cell that fails.", changes_result=False)] = False
    retry_failed: Annotated[bool, Option("Run failed cells again.", changes_result=False)] = False
    save_models: Annotated[
        bool, Option("Save the weights of the epoch that the honest protocol reports.", changes_result=False)
    ] = False
    timeout: Annotated[
        float | None,
        Option(
            "Time limit for one cell; a cell that takes longer is stopped and recorded as failed. Cells that share "
            "a training share one limit.",
            "SECONDS",
            changes_result=False,
            limits=ABOVE_ZERO,
        ),
    ] = None
    check: Annotated[
        Path | None,
        Option(
            "File of accepted results to compare the finished run with.",
            "FILE",
            changes_result=False,
            default_text="no comparison",
        ),
    ] = None
    rows: Rows = "all"


CHANGES_RESULT = RunOptions.changing_result()
ONLY_RUNNING = RunOptions.changing_result(False)
