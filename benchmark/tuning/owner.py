"""The owner of a study: the one process that asks for its trials and tells their values.

An owner writes its name into the study every few seconds. A trial that runs without an owner was left by a process that
died; its parameters are queued again.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
from optuna import Study
from optuna.trial import TrialState

from benchmark.tuning.study import REPLACES, counted
from dazle.errors import InputError

OWNER = "owner"
# An owner on another machine counts as dead after so long without a sign of life.
SILENCE_SECONDS, SIGN_SECONDS = 60.0, 10.0
# How often the parameters of a trial that died with its owner are queued again.
RETRIES = 2


class Owner:
    """Keeps the sign of life of this process in a study."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.name = {"host": socket.gethostname(), "process": os.getpid(), "started": psutil.Process().create_time()}
        self.written = 0.0

    def sign(self) -> None:
        """Writes the sign of life if the last one is some seconds old."""
        if time.time() - self.written > SIGN_SECONDS:
            self.written = time.time()
            self.study.set_user_attr(OWNER, {**self.name, "time": self.written})


@contextmanager
def ownership(study: Study, title: str) -> Iterator[Owner]:
    """The owner of the study while the context lasts. Raises InputError if another process owns it."""
    other = study.user_attrs.get(OWNER)
    owner = Owner(study)
    if other and {key: other.get(key) for key in owner.name} != owner.name and _lives(other):
        process = f"process {other['process']} on {other['host']}"
        raise InputError(f"the study of {title} is being tuned by {process}; wait for it, or end it")
    owner.sign()
    _queue_again(study)
    try:
        yield owner
    finally:
        study.set_user_attr(OWNER, None)


def _lives(other: dict[str, Any]) -> bool:
    if other["host"] != socket.gethostname():
        return bool(time.time() - other["time"] < SILENCE_SECONDS)
    try:
        return bool(psutil.Process(other["process"]).create_time() == other["started"])
    except psutil.NoSuchProcess:
        return False


def _queue_again(study: Study) -> None:
    """Fails the trials that run without an owner, and queues their parameters again, a few times at most."""
    for trial in counted(study.get_trials(states=(TrialState.RUNNING,))):
        study.tell(trial.number, state=TrialState.FAIL)
        before = trial.user_attrs.get(REPLACES, [])
        if trial.params and len(before) < RETRIES:
            attributes = {key: value for key, value in trial.user_attrs.items() if key == "default"}
            study.enqueue_trial(trial.params, user_attrs={**attributes, REPLACES: [*before, trial.number]})
