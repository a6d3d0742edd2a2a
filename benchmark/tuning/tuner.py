"""`tune`: from options to one outcome a variant and dataset, all with the same budget.

Running the same options again continues it; more `--trials` widen every study of the command alike.
"""

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from optuna import Study

from ablations import variants
from ablations.variants import Variant
from benchmark.cells.datasets import data_folder, resolve
from benchmark.cells.matrix import Conditions, expand, lacking_semantics
from benchmark.cells.outcome import Outcome, make_outcome, write_outcome
from benchmark.machine import available_memory, choose_device, default_workers
from benchmark.run.plan import FEATURE_MEMORY
from benchmark.run.runner import COMPLETE, INCOMPLETE
from benchmark.tuning.display import StudyDisplay
from benchmark.tuning.options import TuneOptions
from benchmark.tuning.storage import open_storage
from benchmark.tuning.study import Spec, finished, open_study, specify
from benchmark.tuning.worker import Work, work
from dazle.errors import InputError

LOOK_EVERY_SECONDS = 0.5


@dataclass(frozen=True)
class TunePlan:
    """The studies of a command; nothing has been written yet."""

    out: Path
    specs: list[Spec]
    notes: list[str]
    workers: int


def plan(options: TuneOptions) -> TunePlan:
    """Raises InputError for an unknown name, or features that do not exist."""
    rows = _rows(options.variants)
    datasets, notes = resolve(options.datasets, (), options.source, data_folder(options.data))
    device = choose_device(options.device)
    conditions = Conditions(dict(options.overrides), options.base_seed, options.folds, True, options.threads, device)
    cells = expand(rows, datasets, 1, conditions)
    notes += [f"{row.name} is left out on {data.name}: it has no attribute vectors {row.changes['model.semantics']!r}"
              for data in datasets for row in rows if lacking_semantics(row, data)]  # fmt: skip
    if not cells:
        raise InputError("; ".join([*notes, "nothing is left to tune: choose another --variant"]))
    chosen = (options.objective, options.sampler, options.pruner, options.seeds)
    return TunePlan(
        options.out or Path("runs") / f"tune-{datasets[0].source}",
        [specify(cell, options.overrides, *chosen) for cell in cells],
        notes,
        options.workers or default_workers(device, options.threads),
    )


def _rows(patterns: Sequence[str]) -> list[Variant]:
    """The variants that a pattern matches, each once."""
    chosen: dict[str, Variant] = {}
    for pattern in patterns:
        matching = [name for name in variants.VARIANTS if fnmatchcase(name, pattern)] or [variants.find(pattern).name]
        chosen |= {name: variants.find(name) for name in matching}
    return list(chosen.values())


def tune(options: TuneOptions) -> int:
    """Runs what trials are missing, writes outcomes, figures and the table, and returns the exit code."""
    from benchmark.reporting.tuning import write_studies_report

    chosen = plan(options)
    storage = open_storage(options.storage, chosen.out)
    # All of them before the first trial: a study that cannot be continued is no surprise after hours.
    studies = [(spec, open_study(spec, storage)) for spec in chosen.specs]
    for line in chosen.notes:
        print(line)
    outcomes = []
    for spec, study in studies:
        outcomes.append(_run_study(spec, study, options, chosen))
        write_studies_report(chosen.out, outcomes)
    return _conclusion(outcomes, options.trials, chosen.out)


def _run_study(spec: Spec, study: Study, options: TuneOptions, chosen: TunePlan) -> Outcome:
    """Starts the workers and looks on until they have ended; what there is by then is always written."""
    context = multiprocessing.get_context("spawn")
    left = options.trials - len(finished(study.get_trials(deepcopy=False)))
    count = min(chosen.workers, max(0, left))
    memory = int(FEATURE_MEMORY * available_memory()) // max(1, count)
    job = Work(spec, options.trials, options.storage, chosen.out, memory)
    processes = [context.Process(target=work, args=(job,)) for _ in range(count)]
    try:
        with StudyDisplay(spec, options.trials, max(1, count)) as display:
            display.update(study.get_trials(deepcopy=False))
            for process in processes:
                process.start()
            while any(process.is_alive() for process in processes):
                time.sleep(LOOK_EVERY_SECONDS)
                display.update(study.get_trials(deepcopy=False))
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
            if process.pid is not None:
                process.join()
        outcome = make_outcome(spec, study.get_trials())
        write_outcome(chosen.out, outcome)
    return outcome


def _conclusion(outcomes: Sequence[Outcome], trials: int, out: Path) -> int:
    """Says what came out; 3 where trials are missing or not one of a study is complete."""
    for outcome in outcomes:
        title = f"{outcome.variant} on {outcome.dataset}"
        if outcome.budget < trials:
            print(f"{title}: {outcome.budget} of {trials} trials done; the same command continues")
        if outcome.best is None:
            reasons = [trial.why for trial in outcome.trials if trial.why]
            print(f"{title}: no trial is complete" + (f"; the last one: {reasons[-1]}" if reasons else ""))
    print(f"the table is in {out / 'tuning.md'}")
    whole = all(outcome.budget >= trials and outcome.best is not None for outcome in outcomes)
    return COMPLETE if whole else INCOMPLETE
