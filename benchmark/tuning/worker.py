"""A worker: a process that runs trials of one study until its budget is used up.

Any number of workers share a study: those of one machine through the journal, those of several through a database. Each
one queues the trials of killed workers again, and waits while another worker runs the last trial. A journal does not
show whether a worker is alive, so each one holds a lock, which the system releases when its process dies; in a database
Optuna's heartbeat shows it.
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
from benchmark.tuning.study import REASON, SURPLUS, UNFINISHED, WORKER, Spec, counted
from dazle.errors import InputError

WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class TuningJob:
    """The study of a worker, and options that cannot change a value."""

    spec: Spec
    trials: int  # the budget
    storage: str | None
    out: Path
    memory: int  # bytes that this worker may fill with features


def work(job: TuningJob) -> None:
    """The main function of a worker's process; exits with 2 for bad input and with 3 if the storage fails."""
    from benchmark.run.pools import prepare_worker

    prepare_worker(job.spec.cell.identity["threads"])
    try:
        Worker(job).run()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except SQLAlchemyError as error:
        print(f"the storage failed: {str(error).strip().splitlines()[0]}", file=sys.stderr)
        sys.exit(3)


class Worker:
    """Runs trials in this process."""

    def __init__(self, job: TuningJob) -> None:
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
        # Held from asking for a trial until the trial has the name of its worker and all its parameters.
        self.ask_lock = FileLock(job.out / "workers" / "asking.lock")
        self.trial: int | None = None

    def run(self) -> None:
        """Returns once every trial that the budget counts has ended."""
        (self.job.out / "workers").mkdir(parents=True, exist_ok=True)
        with worker_lock(self.job.out, self.name):
            while self._run_or_wait():
                pass
        worker_lock_path(self.job.out, self.name).unlink(missing_ok=True)

    def _run_or_wait(self) -> bool:
        """Runs a trial, or waits if only other workers' trials are left; False when all have ended."""
        self.ask_lock.acquire()
        try:
            if isinstance(self.storage, JournalStorage):
                requeue_lost(self.study, self.job.out)
            else:
                fail_stale_trials(self.study)
            states = [trial.state for trial in counted(self.study.get_trials(deepcopy=False))]
            if len(states) < self.job.trials or TrialState.WAITING in states:
                self._run_one()
                return True
        finally:
            self.ask_lock.release(force=True)
        time.sleep(WAIT_SECONDS)
        return any(state in UNFINISHED for state in states)

    def _run_one(self) -> None:
        try:
            self.study.optimize(self._value, n_trials=1, catch=(Exception,))
        except (UpdateFinishedTrialError, ValueError):
            # After the machine was suspended its trial counted as dead and was given to another worker.
            if self.trial is None or self.study.trials[self.trial].state in UNFINISHED:
                raise

    def _value(self, trial: Trial) -> float:
        self.trial = trial.number
        if isinstance(self.storage, BaseHeartbeat):
            # Optuna's heartbeat thread may start late, and a trial without a first heartbeat never counts as dead.
            self.storage.record_heartbeat(trial._trial_id)
        trial.set_user_attr(WORKER, self.name)
        earlier = [other for other in counted(self.study.get_trials(deepcopy=False)) if other.number < trial.number]
        if len(earlier) >= self.job.trials:
            trial.set_user_attr(SURPLUS, True)
            raise TrialPruned("the budget was used up by other workers")
        try:
            suggest(trial, self.spec.space)
            self.ask_lock.release(force=True)
            return self.objective(trial)
        except Exception as error:
            kind = "" if isinstance(error, TrialPruned) else f"{type(error).__name__}: "
            trial.set_user_attr(REASON, kind + " ".join(str(error).split()))
            raise


def worker_lock_path(out: Path, name: str) -> Path:
    """The file of a worker's lock."""
    return out / "workers" / f"{name}.lock"


def worker_lock(out: Path, name: str) -> FileLock:
    """The lock that the worker of that name holds while it is alive."""
    return FileLock(worker_lock_path(out, name), timeout=0)


def is_alive(out: Path, name: str | None) -> bool:
    """Whether a process holds the lock of that worker."""
    if name is None or not worker_lock_path(out, name).exists():
        return False
    try:
        with worker_lock(out, name):
            return False
    except Timeout:
        return True


def requeue_lost(study: Study, out: Path) -> None:
    """Fails the running trials of workers that died, and queues their parameters again, `RETRIES` times at most.

    The caller holds the ask lock, so every running trial has the name of its worker. A failed trial without a reason
    was lost too: the worker that failed it was killed before it queued the parameters again.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        name = trial.user_attrs.get(WORKER)
        if not is_alive(out, name):
            study.tell(trial.number, state=TrialState.FAIL)
            if name is not None:
                worker_lock_path(out, name).unlink(missing_ok=True)
    for trial in counted(study.get_trials()):
        if trial.state == TrialState.FAIL and REASON not in trial.user_attrs:
            retry(study, trial)
