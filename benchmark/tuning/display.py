"""What a person sees while a study runs: a live bar on a terminal, a line a trial where output goes elsewhere."""

import statistics
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmark.progress import duration
from benchmark.tuning.outcome import make_outcome
from benchmark.tuning.study import Spec


class StudyDisplay:
    """Trials that ended, the best value so far, and how long is left by the mean time of those that ended."""

    def __init__(self, spec: Spec, trials: int, workers: int) -> None:
        self.spec, self.total, self.workers = spec, trials, workers
        self.console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[now]}"), console=self.console, disable=not self.console.is_terminal,
        )  # fmt: skip
        self.task = self.progress.add_task(spec.title, total=trials, now="")
        self.said: set[int] | None = None

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.progress.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        self.progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """The trials as the storage has them now."""
        outcome = make_outcome(self.spec, trials)
        ended = [trial for trial in outcome.trials if trial.state not in ("running", "waiting")]
        best = outcome.best
        reached = f"best {self.spec.objective} {best.value:.1f} (trial {best.number})" if best else "no value yet"
        now = f"{reached}, {self._remaining(trials, outcome.budget)} left"
        self.progress.update(self.task, completed=outcome.budget, now=now)
        if self.said is None:
            self.said = {trial.number for trial in ended}
            if outcome.budget:
                self.say(f"{self.spec.title}: {outcome.budget} of {self.total} trials were done before; {reached}")
        for trial in ended:
            if trial.number not in self.said:
                self.said.add(trial.number)
                value = f"{self.spec.objective} {trial.value:.1f}" if trial.value is not None else "no value"
                why = f" ({trial.why})" if trial.why else ""
                if not self.console.is_terminal or trial.state == "failed":
                    self.say(
                        f"{self.spec.title}: {outcome.budget} of {self.total} trials; trial {trial.number} "
                        f"{trial.state}{why}, {value}; {now}"
                    )

    def _remaining(self, trials: Sequence[FrozenTrial], ended: int) -> str:
        took = [trial.duration.total_seconds() for trial in trials if trial.duration and trial.state != TrialState.FAIL]
        left = max(0, self.total - ended)
        return duration(statistics.fmean(took) * left / self.workers) if took else "?"
