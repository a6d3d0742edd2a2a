"""`run`: from options to a finished output folder. Running the same options again continues it."""

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cells.exit_codes import COMPLETE, INCOMPLETE
from benchmark.cells.folder import OutputFolder
from benchmark.cells.manifest import make_manifest
from benchmark.run.options import RunOptions
from benchmark.run.plan import Plan, plan

if TYPE_CHECKING:
    from benchmark.gate.accepted import AcceptedResults


def run(options: RunOptions) -> int:
    """Trains the cells that are not done, writes the report, checks it with `--check`, and returns the exit code."""
    run_plan = plan(options)
    # Loads pandas and scipy; without --check the first cell does not wait for them.
    accepted = _accepted(options.check) if options.check is not None else None
    manifest = make_manifest(options.suite, run_plan.cells, run_plan.conditions, run_plan.notes, run_plan.studies)
    folder = OutputFolder.start(run_plan.out, manifest, run_plan.cells)
    if options.tuned is not None:
        from benchmark.run.tuned import copy_figures

        copy_figures(options.tuned, run_plan.out, run_plan.studies)
    _train(folder, options, run_plan)
    return _finish(folder, options, run_plan, accepted)


def _accepted(path: Path) -> "AcceptedResults":
    from benchmark.gate.accepted import read_accepted

    return read_accepted(path)


def _train(folder: OutputFolder, options: RunOptions, run_plan: Plan) -> None:
    """Trains the pending cells and adds their records to `folder`."""
    from benchmark.run.cell_jobs import CellJobs, shared_trainings
    from benchmark.run.display import Display
    from benchmark.run.pools.processes import Processes, prepare_training

    pending = [cell for cell in run_plan.cells if _is_pending(folder.status(cell.id), options.retry_failed)]
    groups = shared_trainings(pending)
    workers = min(run_plan.workers, max(1, len(groups)))
    jobs = CellJobs(
        run_plan.out,
        Processes(workers, partial(prepare_training, options.threads, run_plan.included)),
        run_plan.memory // run_plan.workers,
        timeout=options.timeout,
        save_models=options.save_models,
        retry_failed=options.retry_failed,
    )
    with Display(run_plan.cells, pending, _done(folder, run_plan), workers, jobs.running) as display:
        for note in run_plan.notes:
            display.print(note)
        for ended in jobs.run(groups):
            display.update(ended)
            if ended is None or ended.record is None:
                continue
            folder.add(ended.record)
            if options.fail_fast and ended.record.status == "failed":
                display.print("stopped at the first failure (--fail-fast)")
                break
    if pending:
        # Other runs may have added cells to the folder, and a record may not have reached a full disk.
        folder.refresh()


def _is_pending(status: str, retry_failed: bool) -> bool:
    return status in ("missing", "running") or (status == "failed" and retry_failed)


def _done(folder: OutputFolder, run_plan: Plan) -> int:
    return sum(folder.status(cell.id) == "done" for cell in run_plan.cells)


def _finish(folder: OutputFolder, options: RunOptions, run_plan: Plan, accepted: "AcceptedResults | None") -> int:
    """The report, the check, and the exit code."""
    from benchmark.gate.check import check_run
    from benchmark.reporting.report import write_report

    try:
        path = write_report(folder)
    except Exception as error:
        again = shlex.join(["python", "-m", "benchmark", "report", str(folder.path)])
        error.add_note(f"the report could not be written, the records are kept; try again: {again}")
        raise
    done, total = _done(folder, run_plan), len(run_plan.cells)
    print(f"{done} of {total} cells done")
    print(f"the table is in {path}, the page is {path.with_suffix('.html')}")
    if options.check is not None and accepted is not None:
        return check_run(folder, accepted, options.check, options.rows)
    return COMPLETE if done == total else INCOMPLETE
