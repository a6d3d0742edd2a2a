"""`run`: from options to a finished output folder. Running the same options again continues it."""

import shlex
from pathlib import Path

from benchmark.cells import folder as store
from benchmark.cells.matrix import Cell
from benchmark.run.options import RunOptions
from benchmark.run.plan import Plan, plan
from benchmark.run.side_by_side import groups
from benchmark.run.train import Job

COMPLETE, INCOMPLETE = 0, 3


def job_of(cell: Cell, options: RunOptions, chosen: Plan) -> Job:
    """How this machine runs the cell."""
    return Job(
        out=chosen.out,
        feature_file=cell.dataset.file,
        memory=chosen.memory // chosen.workers,
        save_model=options.save_models,
        retry_failed=options.retry_failed,
    )


def run(options: RunOptions) -> int:
    """Trains what is not done, writes the report, checks it where that is asked for, and returns the exit code."""
    from benchmark.run.display import Display
    from benchmark.run.pools import Processes

    chosen = plan(options)
    if options.check is not None:
        from benchmark.gate.accepted import read_accepted

        read_accepted(options.check)
    store.enter(
        chosen.out,
        store.make_manifest(options.suite, chosen.cells, chosen.conditions, chosen.notes, chosen.studies),
    )
    pending = [cell for cell in chosen.cells if _is_pending(chosen.out, cell, options.retry_failed)]
    if options.tuned is not None:
        from benchmark.run.tuned import copy_figures

        copy_figures(options.tuned, chosen.out, chosen.studies)
    executor = Processes(chosen.workers, options.threads, options.timeout)
    done = sum(store.state(chosen.out, cell.id)[0] == "done" for cell in chosen.cells)
    with Display(chosen.cells, pending, done, chosen.workers, executor.running) as display:
        for line in chosen.notes:
            display.print(line)
        together = groups(pending, chosen.workers, options.together)
        for ended in executor.run([(cells, job_of(cells[0], options, chosen)) for cells in together]):
            display.update(ended)
            if options.fail_fast and ended and ended.record and ended.record.status == "failed":
                display.print("stopping at the first failure, as --fail-fast asks")
                break
    return _closing(options, chosen)


def _closing(options: RunOptions, chosen: Plan) -> int:
    """The report, the check, and the exit code."""
    from benchmark.gate.check import check_run
    from benchmark.reporting.report import write_report

    try:
        write_report(chosen.out)
    except Exception as error:
        again = shlex.join(["python", "-m", "benchmark", "report", str(chosen.out)])
        error.add_note(f"the report could not be written, the records are kept; try again: {again}")
        raise
    states = [store.state(chosen.out, cell.id)[0] for cell in chosen.cells]
    print(f"{states.count('done')} of {len(states)} cells done")
    print(f"the table is in {chosen.out / 'report.md'}, the page is {chosen.out / 'report.html'}")
    if options.check is not None:
        return check_run(chosen.out, options.check, options.rows)
    return COMPLETE if states.count("done") == len(states) else INCOMPLETE


def _is_pending(out: Path, cell: Cell, retry_failed: bool) -> bool:
    status = store.state(out, cell.id)[0]
    return status in ("missing", "running") or (status == "failed" and retry_failed)
