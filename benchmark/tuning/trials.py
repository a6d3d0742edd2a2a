"""The trials of a study as jobs of a pool. This process owns the study: workers train and know nothing of Optuna."""

from dataclasses import dataclass
from itertools import product
from typing import Any

from optuna import Study, Trial
from optuna.trial import TrialState

from benchmark.run.jobs import Jobs, Outcome
from benchmark.run.pools.pool import Job
from benchmark.tuning.objective import PartialTrial, train_part
from benchmark.tuning.sampling import PRUNERS, SeededByTrial
from benchmark.tuning.space import suggest
from benchmark.tuning.study import REASON, Spec, counted
from dazle.errors import InputError

WAIT_SECONDS = 0.5
# How often a part whose worker died is trained again before its trial fails.
RETRIES = 2
DIED = f"its worker died {RETRIES + 1} times (killed, or out of memory)"


@dataclass
class _Running:
    trial: Trial
    params: dict[str, Any]
    progress: PartialTrial
    deaths: int = 0


class Trials:
    """Runs trials until `budget` of them count; `memory`: bytes of features for each worker."""

    def __init__(self, spec: Spec, study: Study, budget: int, jobs: Jobs[int], memory: int) -> None:
        self.spec, self.study, self.budget, self.jobs, self.memory = spec, study, budget, jobs, memory
        folds = spec.cell.identity["folds"]
        self.parts = list(product(range(spec.seeds), range(1, folds + 1)))
        study.sampler = SeededByTrial(spec.sampler, "sampler", spec.cell.identity["base_seed"], spec.name)
        study.pruner = PRUNERS[spec.pruner](len(self.parts))
        self.running: dict[int, _Running] = {}

    def advance(self) -> bool:
        """Starts what can start, and takes what ended meanwhile; False once every trial of the budget has ended."""
        while self.jobs.free and self._missing():
            trial = self.study.ask()
            params = suggest(trial, self.spec.space)
            self.running[trial.number] = _Running(trial, params, PartialTrial(self.spec.objective, self.parts))
            self._submit(trial.number)
        if not self.running:
            return False
        for outcome in self.jobs.wait(WAIT_SECONDS):
            self._take(outcome)
        return True

    def _missing(self) -> bool:
        trials = counted(self.study.get_trials(deepcopy=False))
        return sum(trial.state != TrialState.WAITING for trial in trials) < self.budget

    def _submit(self, number: int) -> None:
        running, cell = self.running[number], self.spec.cell
        part = running.progress.next_part
        assert part is not None
        arguments = (cell, running.params, *part, self.memory)
        gpus = float(cell.identity["device"] == "cuda")
        self.jobs.submit(number, Job(train_part, arguments, cell.identity["threads"], gpus, self.memory))

    def _take(self, outcome: Outcome[int]) -> None:
        self._check_unfinished(outcome.key)
        running = self.running[outcome.key]
        if outcome.failure is not None:
            running.deaths += outcome.died
            if outcome.died and running.deaths <= RETRIES:
                self._submit(outcome.key)
            else:
                reason = DIED if outcome.died else outcome.failure.strip().splitlines()[-1]
                self._end(outcome.key, TrialState.FAIL, reason=reason)
            return
        progress = running.progress
        progress.curves.append(outcome.value)
        try:
            value, epoch = progress.best()
        except ValueError as error:
            self._end(outcome.key, TrialState.FAIL, reason=f"no value: {error}")
            return
        running.trial.report(value, len(progress.curves))
        if progress.next_part is None:
            running.trial.set_user_attr("epoch", epoch)
            self._end(outcome.key, TrialState.COMPLETE, value)
        elif running.trial.should_prune():
            repetition, fold = self.parts[len(progress.curves) - 1]
            reason = f"pruned after class fold {fold} of repetition {repetition}"
            self._end(outcome.key, TrialState.PRUNED, reason=reason)
        else:
            self._submit(outcome.key)

    def _check_unfinished(self, number: int) -> None:
        """Raises InputError if another process has ended the trial: it took this one for dead."""
        trial = next(trial for trial in self.study.get_trials(deepcopy=False) if trial.number == number)
        if trial.state.is_finished():
            raise InputError(
                f"the study of {self.spec.title} was taken over by another process while this one did not answer; "
                "the same command continues it"
            )

    def _end(self, number: int, state: TrialState, value: float | None = None, reason: str | None = None) -> None:
        running = self.running.pop(number)
        if reason is not None:
            running.trial.set_user_attr(REASON, reason)
        self.study.tell(running.trial, value, state=state)
