"""`tune`: from options to one outcome a variant and dataset, all with the same budget.

Running the same options again continues it; with more `--trials` every study of the command gets as many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from optuna import Study

from ablations import outside, variants
from benchmark.cells.datasets import data_folder, resolve
from benchmark.cells.exit_codes import COMPLETE, INCOMPLETE
from benchmark.cells.manifest import manifest_path
from benchmark.cells.matrix import Conditions, Dataset, expand, rows_without_semantics
from benchmark.cells.outcome import Outcome, outcome_path, read_outcome, write_outcome
from benchmark.machine import available_memory, choose_device, default_workers
from benchmark.run.jobs import Jobs
from benchmark.run.plan import FEATURE_MEMORY
from benchmark.run.pools.processes import Processes, prepare_training
from benchmark.tuning.display import StudyDisplay
from benchmark.tuning.options import TuneOptions
from benchmark.tuning.outcome import make_outcome
from benchmark.tuning.owner import Owner, ownership
from benchmark.tuning.storage import open_storage
from benchmark.tuning.study import Spec, finished, make_spec, open_study
from benchmark.tuning.trials import Trials
from dazle.errors import InputError


@dataclass(frozen=True)
class TunePlan:
    """The studies of a command; nothing has been written yet."""

    out: Path
    specs: list[Spec]
    notes: list[str]
    workers: int
    included: list[outside.Included]


def plan(options: TuneOptions) -> TunePlan:
    """Raises InputError for an unknown name, or features that do not exist."""
    outside.load_entry_points()
    included = outside.include(options.include)
    rows = variants.select(options.variants)
    datasets, notes = resolve(options.datasets, (), options.source, data_folder(options.data))
    device = choose_device(options.device)
    _check_folds(datasets, options.folds)
    conditions = Conditions(dict(options.overrides), options.base_seed, options.folds, True, options.threads, device)
    cells = expand(rows, datasets, 1, conditions)
    notes += rows_without_semantics(rows, datasets)
    if not cells:
        raise InputError("; ".join([*notes, "nothing is left to tune: choose another --variant"]))
    search = (options.objective, options.sampler, options.pruner, options.seeds)
    return TunePlan(
        options.out or Path("runs") / f"tune-{datasets[0].source}",
        [make_spec(cell, options.overrides, *search) for cell in cells],
        notes,
        options.workers or default_workers(device, options.threads),
        included,
    )


def _check_folds(datasets: Sequence[Dataset], folds: int) -> None:
    from dazle.features.feature_file import open_features

    for data in datasets:
        if data.file is not None and (count := len(open_features(data.file).folds)) < folds:
            raise InputError(f"--folds {folds}: {data.name} has {count} class folds; choose at most as many")


def tune(options: TuneOptions) -> int:
    """Runs the missing trials, writes outcomes, figures and the table, and returns the exit code."""
    from benchmark.reporting.tuning import write_studies_report

    tune_plan = plan(options)
    if manifest_path(tune_plan.out).exists():
        raise InputError(f"--out {tune_plan.out} is the output folder of a run; choose another one for tuning")
    storage = open_storage(options.storage, tune_plan.out)
    # All of them before the first trial: a study that cannot be continued is refused at once, not after hours.
    studies = [(spec, open_study(spec, storage)) for spec in tune_plan.specs]
    for spec, study in studies:
        _check_storage(spec, study, tune_plan.out)
        Owner(study, spec.title).check_free()
    for note in tune_plan.notes:
        print(note)
    outcomes = []
    for spec, study in studies:
        outcomes.append(_run_study(spec, study, options, tune_plan))
        write_studies_report(tune_plan.out, outcomes)
    return _conclude(outcomes, options.trials, tune_plan.out)


def _check_storage(spec: Spec, study: Study, out: Path) -> None:
    """Raises InputError if the folder has trials of this study that its storage does not have."""
    path = outcome_path(out, spec.cell.variant.name, spec.cell.dataset.name)
    try:
        before = read_outcome(path).budget if path.exists() else 0
    except InputError:  # damaged: this command writes it again
        return
    now = len(finished(study.get_trials(deepcopy=False)))
    if before > now:
        raise InputError(
            f"{path} has {before} trials of the study of {spec.title}, its storage has {now}: it was made with another "
            "--storage; give that one, or choose another --out"
        )


def _run_study(spec: Spec, study: Study, options: TuneOptions, tune_plan: TunePlan) -> Outcome:
    """Runs the missing trials of a study; writes the outcome also after an interrupt."""
    left = options.trials - len(finished(study.get_trials(deepcopy=False)))
    workers = min(tune_plan.workers, max(1, left))
    memory = int(FEATURE_MEMORY * available_memory()) // workers
    try:
        with (
            ownership(study, spec.title, spec.default()) as owner,
            StudyDisplay(spec, options.trials, workers) as display,
            Jobs[int](Processes(workers, partial(prepare_training, options.threads, tune_plan.included))) as jobs,
        ):
            trials = Trials(spec, study, options.trials, jobs, memory)
            display.update(study.get_trials(deepcopy=False))
            while True:
                # Before each step: after a long sleep another process may own the study.
                owner.sign()
                if not trials.advance():
                    break
                display.update(study.get_trials(deepcopy=False))
    finally:
        outcome = make_outcome(spec, study.get_trials())
        write_outcome(tune_plan.out, outcome)
    return outcome


def _conclude(outcomes: Sequence[Outcome], trials: int, out: Path) -> int:
    """Prints what is missing, and returns the exit code: 3 if trials are missing or a study has no complete one."""
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
