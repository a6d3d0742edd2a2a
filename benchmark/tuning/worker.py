"""A worker: a process that runs trials of one study until its budget is used up.

Any number of them share a study, on one machine by the journal, on many by a database. Each is on its own: it takes
over what another was killed at, and waits while another still runs the last trial. In a journal nobody tells whether a
worker lives, so each holds a lock that the system lets go of when it dies; a database is told by Optuna's heartbeat.
"""

import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna import Study, Trial, TrialPruned
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import JournalStorage, fail_stale_trials
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from benchmark.tuning.sampling import PRUNERS, SeededByTrial
from benchmark.tuning.space import suggest
from benchmark.tuning.storage import open_storage, retry
from benchmark.tuning.study import SURPLUS, UNFINISHED, WHY, WORKER, Spec, counted
from dazle.errors import InputError

PATIENCE_SECONDS = 0.5


@dataclass(frozen=True)
class Work:
    """What a worker has to know beside the study; nothing here can change a value."""

    spec: Spec
    trials: int  # the budget
    storage: str | None
    out: Path
    memory: int  # bytes that this worker may fill with features


def work(job: Work) -> None:
    """What a process runs; ends it with 2 for bad input and 3 where the storage went away."""
    from benchmark.run.pools import prepare_worker

    prepare_worker(job.spec.cell.identity["threads"])
    try:
        Worker(job).run()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except SQLAlchemyError as error:
        print(f"the storage went away: {str(error).strip().splitlines()[0]}", file=sys.stderr)
        sys.exit(3)


class Worker:
    """Runs trials in this process."""

    def __init__(self, job: Work) -> None:
        import torch

        from benchmark.cells.datasets import load_features
        from benchmark.tuning.objective import Objective, tuning_seed

        self.job, self.spec = job, job.spec
        cell, identity = job.spec.cell, job.spec.cell.identity
        data = cell.dataset
        features = load_features(data.name, data.file, job.memory)
        if features.fingerprint != data.fingerprint:
            raise InputError(f"the features of {data.name} changed while they were tuned on; use a new --out")
        self.objective = Objective(
            features,
            cell.settings,
            job.spec.space,
            job.spec.objective,
            identity["folds"],
            [tuning_seed(identity["base_seed"], data.name, repetition) for repetition in range(job.spec.seeds)],
            torch.device(identity["device"]),
        )
        self.storage = open_storage(job.storage, job.out)
        self.study = optuna.load_study(
            study_name=job.spec.name,
            storage=self.storage,
            sampler=SeededByTrial(job.spec.sampler, "sampler", identity["base_seed"], job.spec.name),
            pruner=PRUNERS[job.spec.pruner](self.objective.points(), identity["folds"]),
        )
        self.name = uuid.uuid4().hex
        # Held from asking for a trial until it is known whose it is and what it tries.
        self.asking = FileLock(job.out / "workers" / "asking.lock")
        self.trial: int | None = None

    def run(self) -> None:
        """Returns once every trial that the budget counts has ended."""
        (self.job.out / "workers").mkdir(parents=True, exist_ok=True)
        with sign_of_life(self.job.out, self.name):
            while self._go_on():
                pass
        sign_of_life_path(self.job.out, self.name).unlink(missing_ok=True)

    def _go_on(self) -> bool:
        """Runs a trial, or waits where none is left to run but others run some; False when all have ended."""
        self.asking.acquire()
        try:
            if isinstance(self.storage, JournalStorage):
                requeue_dead(self.study, self.job.out)
            else:
                fail_stale_trials(self.study)
            states = [trial.state for trial in counted(self.study.get_trials(deepcopy=False))]
            if len(states) < self.job.trials or TrialState.WAITING in states:
                self._run_one()
                return True
        finally:
            self.asking.release(force=True)
        time.sleep(PATIENCE_SECONDS)
        return any(state in UNFINISHED for state in states)

    def _run_one(self) -> None:
        try:
            self.study.optimize(self._value, n_trials=1, catch=(Exception,))
        except (UpdateFinishedTrialError, ValueError):
            # A machine that slept was taken for dead: its trial is another worker's by now.
            if self.trial is None or self.study.trials[self.trial].state in UNFINISHED:
                raise

    def _value(self, trial: Trial) -> float:
        self.trial = trial.number
        if isinstance(self.storage, BaseHeartbeat):
            # The thread that does it may come late: of a worker killed before its first one nobody would ever know.
            self.storage.record_heartbeat(trial._trial_id)
        trial.set_user_attr(WORKER, self.name)
        before = [each for each in counted(self.study.get_trials(deepcopy=False)) if each.number < trial.number]
        if len(before) >= self.job.trials:
            trial.set_user_attr(SURPLUS, True)
            raise TrialPruned("the budget was used up by other workers")
        try:
            suggest(trial, self.spec.space)
            self.asking.release(force=True)
            return self.objective(trial)
        except Exception as error:
            kind = "" if isinstance(error, TrialPruned) else f"{type(error).__name__}: "
            trial.set_user_attr(WHY, kind + " ".join(str(error).split()))
            raise


def sign_of_life_path(out: Path, name: str) -> Path:
    """The file of that lock."""
    return out / "workers" / f"{name}.lock"


def sign_of_life(out: Path, name: str) -> FileLock:
    """The lock that the worker of that name holds while it lives."""
    return FileLock(sign_of_life_path(out, name), timeout=0)


def lives(out: Path, name: str | None) -> bool:
    """Whether some process holds the sign of life of that worker."""
    if name is None or not sign_of_life_path(out, name).exists():
        return False
    try:
        with sign_of_life(out, name):
            return False
    except Timeout:
        return True


def requeue_dead(study: Study, out: Path) -> None:
    """Fails the running trials of workers that died, and queues their parameters again, a few times at most.

    The caller holds the lock for asking, so no trial is between its start and the name of its worker. A failed trial
    without a reason died too: whoever failed it was killed before it was queued again.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        name = trial.user_attrs.get(WORKER)
        if not lives(out, name):
            study.tell(trial.number, state=TrialState.FAIL)
            if name is not None:
                sign_of_life_path(out, name).unlink(missing_ok=True)
    for trial in counted(study.get_trials()):
        if trial.state == TrialState.FAIL and WHY not in trial.user_attrs:
            retry(study, trial)
