"""The progress of a study: a live bar on a terminal, or a line for each trial if stderr is a file."""

import statistics
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from optuna.trial import FrozenTrial, TrialState

from benchmark.progress import Bars, duration
from benchmark.tuning.outcome import make_outcome
from benchmark.tuning.study import Spec


class StudyDisplay:
    """Trials that ended, the best value so far, and the time left by the mean time of the trials that ended."""

    def __init__(self, spec: Spec, trials: int, workers: int) -> None:
        self.spec, self.total, self.workers = spec, trials, workers
        self.bars = Bars()
        self.bar = self.bars.add(spec.title, trials)
        self.printed: set[int] | None = None  # numbers of the trials

    def __enter__(self) -> Self:
        self.bars.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bars.__exit__(kind, error, at)

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """The trials as the storage has them now."""
        outcome = make_outcome(self.spec, trials)
        ended = [trial for trial in outcome.trials if trial.state not in ("running", "waiting")]
        best = outcome.best
        reached = f"best {self.spec.objective} {best.value:.1f} (trial {best.number})" if best else "no value yet"
        note = f"{reached}, {self._remaining(trials, outcome.budget)} left"
        self.bars.update(self.bar, outcome.budget, note=note)
        if self.printed is None:
            self.printed = {trial.number for trial in ended}
            if outcome.budget:
                self.bars.print(
                    f"{self.spec.title}: {outcome.budget} of {self.total} trials were done before; {reached}"
                )
        for trial in ended:
            if trial.number not in self.printed:
                self.printed.add(trial.number)
                value = f"{self.spec.objective} {trial.value:.1f}" if trial.value is not None else "no value"
                why = f" ({trial.why})" if trial.why else ""
                if not self.bars.terminal or trial.state == "failed":
                    self.bars.print(
                        f"{self.spec.title}: {outcome.budget} of {self.total} trials; trial {trial.number} "
                        f"{trial.state}{why}, {value}; {note}"
                    )

    def _remaining(self, trials: Sequence[FrozenTrial], ended: int) -> str:
        seconds = [
            trial.duration.total_seconds() for trial in trials if trial.duration and trial.state != TrialState.FAIL
        ]
        left = max(0, self.total - ended)
        return duration(statistics.fmean(seconds) * left / self.workers) if seconds else "?"
