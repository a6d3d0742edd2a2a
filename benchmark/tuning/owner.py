"""The owner of a study: the one process that writes its trials.

An owner writes its name into the study every few seconds. A trial that runs without an owner was left by a process that
ended; its parameters are queued again.
"""

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psutil
from optuna import Study
from optuna.trial import TrialState

from benchmark.tuning.study import REPLACES, counted
from dazle.errors import InputError

OWNER = "owner"
# An owner on another machine counts as dead after so many seconds without a signature.
SILENCE_SECONDS, SIGN_SECONDS = 60.0, 10.0
# The start of a process follows the system's clock, which may be adjusted between two readings.
CLOCK_SECONDS = 5.0


class Owner:
    """The name and last signature of this process in a study."""

    def __init__(self, study: Study, title: str) -> None:
        self.study, self.title = study, title
        self.name = {"host": socket.gethostname(), "process": os.getpid(), "started": psutil.Process().create_time()}
        self.signed = 0.0

    def sign(self) -> None:
        """Writes the time into the study if the last signature is some seconds old.

        Raises InputError if another living process has signed, as it may after this one slept for long.
        """
        if time.time() - self.signed > SIGN_SECONDS:
            self.check_free()
            self.signed = time.time()
            self.study.set_user_attr(OWNER, {**self.name, "time": self.signed})

    def check_free(self) -> None:
        """Raises InputError if another living process owns the study."""
        other = self.study.user_attrs.get(OWNER)
        if other and not self._is_self(other) and is_alive(other):
            process = f"process {other['process']} on {other['host']}"
            raise InputError(f"the study of {self.title} is being tuned by {process}; wait for it, or end it")

    def resign(self) -> None:
        """Removes the name of this process, so that the next owner need not wait."""
        other = self.study.user_attrs.get(OWNER)
        if other and self._is_self(other):
            self.study.set_user_attr(OWNER, None)

    def _is_self(self, other: Mapping[str, Any]) -> bool:
        return all(other[key] == value for key, value in self.name.items())


@contextmanager
def ownership(study: Study, title: str, default: Mapping[str, Any]) -> Iterator[Owner]:
    """The owner of the study while the context lasts. Raises InputError if another process owns it.

    `default`: the row's own settings, for the first trial.
    """
    owner = Owner(study, title)
    owner.sign()
    try:
        queue_again(study, default)
        yield owner
    finally:
        owner.resign()


def is_alive(owner: Mapping[str, Any]) -> bool:
    """Whether the process with this name and signature still runs."""
    if owner["host"] != socket.gethostname():
        return bool(time.time() - owner["time"] < SILENCE_SECONDS)
    try:
        return bool(abs(psutil.Process(owner["process"]).create_time() - owner["started"]) < CLOCK_SECONDS)
    except psutil.NoSuchProcess:
        return False


def queue_again(study: Study, default: Mapping[str, Any]) -> None:
    """Fails the trials that run without an owner, and queues their parameters again.

    The new trial comes first and names the old one: a kill between the two leaves no trial twice and none without a
    replacement.
    """
    trials = study.get_trials()
    replaceable = {trial.number for trial in counted(trials)}
    for trial in trials:
        if trial.state != TrialState.RUNNING:
            continue
        if trial.number in replaceable:
            is_default = bool(trial.user_attrs.get("default"))
            attributes = {"default": True} if is_default else {}
            replaced = [*trial.user_attrs.get(REPLACES, []), trial.number]
            # Parameters that the old trial had not yet been given are drawn by the sampler.
            parameters = default if is_default else trial.params
            study.enqueue_trial(dict(parameters), user_attrs={**attributes, REPLACES: replaced})
        study.tell(trial.number, state=TrialState.FAIL)
