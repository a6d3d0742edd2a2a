"""The commands that compute: `run`, `tune` and `throughput`."""

from benchmark.cli.interrupts import InterruptError
from benchmark.run.options import RunOptions
from benchmark.throughput.options import Options as ThroughputOptions
from benchmark.tuning.options import TuneOptions


def run(options: RunOptions) -> int:
    """Train the cells of a suite (variant x dataset x seed), and write the report.

    Cells that are done already are not trained again.
    """
    from benchmark.run import plan, runner

    if options.dry_run:
        from benchmark.run.estimate import print_plan

        print_plan(plan.plan(options), options.suite)
        return 0
    return runner.run(options)


def tune(options: TuneOptions) -> int:
    """Tune the settings of variants on validation classes. `run --tuned` then runs the best settings."""
    from benchmark.tuning.tuner import tune

    return tune(options)


def throughput(options: ThroughputOptions) -> None:
    """Measure the speed and memory of variants; no data is needed. Also latency and the share of the device's peak."""
    from benchmark.throughput import runner

    try:
        print(runner.run(options))
    except KeyboardInterrupt:
        raise InterruptError("nothing was written") from None
