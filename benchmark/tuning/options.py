"""The options of `tune`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from benchmark.cells.options import (
    CLASS_FOLDS,
    POSITIVE,
    BaseSeed,
    CommandOptions,
    Data,
    DeviceOption,
    Folds,
    Include,
    Option,
    Source,
    Threads,
    read_names,
    read_overrides,
)


@dataclass(frozen=True)
class TuneOptions(CommandOptions):
    """Which studies are made, with how many trials, and where they go."""

    variants: Annotated[
        Sequence[str],
        Option("Variants to tune, each with the same number of trials.", "GLOB,..", flag="--variant", read=read_names),
    ]
    datasets: Annotated[
        Sequence[str], Option("Datasets to tune them on.", "A,B", flag="--dataset", read=read_names)
    ]  # fmt: skip
    trials: Annotated[
        int, Option("Trials of each study; the first has the variant's own settings.", "N", limits=POSITIVE)
    ]
    storage: Annotated[
        str | None,
        Option("Database that keeps the studies.", "URL", default_text="a journal in the output folder"),
    ] = None
    out: Annotated[Path | None, Option("Output folder.", "FOLDER", default_text="runs/tune-SOURCE")] = None
    objective: Annotated[Literal["H", "T1", "AUSUC"], Option("Metric on the validation classes.")] = "H"
    sampler: Annotated[Literal["tpe", "random", "gp"], Option("Optuna's sampler.")] = "tpe"
    pruner: Annotated[Literal["median", "halving", "hyperband", "none"], Option("Optuna's pruner.")] = "median"
    include: Include = ()
    workers: Annotated[
        int | None,
        Option(
            "Number of processes that train, each one trial at a time.",
            "N",
            default_text="one for each core, or one on a GPU",
            limits=POSITIVE,
        ),
    ] = None
    seeds: Annotated[int, Option("Repetitions that a trial averages over.", "N", limits=POSITIVE)] = 1
    base_seed: BaseSeed = 214
    overrides: Annotated[
        Mapping[str, Any],
        Option(
            "Fix a setting in every trial, for example training.epochs=10. Repeatable.",
            "KEY=VALUE",
            flag="--set",
            repeatable=True,
            read=read_overrides,
        ),
    ] = field(default_factory=dict)
    folds: Folds = CLASS_FOLDS
    source: Source = "auto"
    data: Data = None
    device: DeviceOption = "auto"
    threads: Threads = 1
