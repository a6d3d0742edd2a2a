"""One process owns a study: another one is refused while it lives, and takes over when it does not."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from optuna import Study
from optuna.trial import TrialState

from benchmark.run.jobs import Outcome
from benchmark.run.pools.pool import Job
from benchmark.tuning.owner import OWNER, ownership
from benchmark.tuning.storage import open_storage
from benchmark.tuning.study import open_study
from benchmark.tuning.trials import Trials
from dazle.errors import InputError
from tests.benchmark.tuning.studies import spec

PARENT = psutil.Process(os.getppid())


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return open_study(spec(), open_storage(None, tmp_path))


def own(study: Study) -> Any:
    return ownership(study, "dazle on cub", spec().default())


def signature(**changes: Any) -> dict[str, Any]:
    """That of a living process of this machine which is not this one."""
    name = {"host": socket.gethostname(), "process": PARENT.pid, "started": PARENT.create_time()}
    return {**name, "time": time.time(), **changes}


def test_a_study_of_another_living_process_is_refused_in_one_line(study: Study) -> None:
    study.set_user_attr(OWNER, signature(time=0.0))
    study.ask()
    with (
        pytest.raises(InputError, match=r"the study of dazle on cub is being tuned by process \d+ on ") as error,
        own(study),
    ):
        pytest.fail("it was not refused")
    assert "\n" not in str(error.value)
    assert study.user_attrs[OWNER] == signature(time=0.0)
    assert [trial.state.name for trial in study.trials] == ["RUNNING"]


def test_the_name_of_an_owner_is_removed_in_the_end(study: Study) -> None:
    with pytest.raises(ZeroDivisionError), own(study):
        assert study.user_attrs[OWNER]["process"] == os.getpid()
        raise ZeroDivisionError
    assert study.user_attrs[OWNER] is None


def test_a_process_that_ended_owns_nothing(study: Study) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    for other in (signature(process=ended.pid), signature(started=PARENT.create_time() - 60)):
        study.set_user_attr(OWNER, other)
        with own(study):
            assert study.user_attrs[OWNER]["process"] == os.getpid()


def test_the_start_of_a_process_may_be_read_from_an_adjusted_clock(study: Study) -> None:
    study.set_user_attr(OWNER, signature(started=PARENT.create_time() + 1))
    with pytest.raises(InputError), own(study):
        pytest.fail("it was not refused")


def test_an_owner_on_another_machine_is_known_by_its_last_signature(study: Study) -> None:
    study.set_user_attr(OWNER, signature(host="elsewhere", time=time.time() - 20))
    with pytest.raises(InputError, match="on elsewhere"), own(study):
        pytest.fail("it was not refused")
    study.set_user_attr(OWNER, signature(host="elsewhere", time=time.time() - 100))
    with own(study):
        pass


def test_an_owner_signs_every_few_seconds(study: Study) -> None:
    with own(study) as owner:
        first = study.user_attrs[OWNER]["time"]
        owner.sign()
        assert study.user_attrs[OWNER]["time"] == first
        owner.signed -= 11
        owner.sign()
        assert study.user_attrs[OWNER]["time"] > first


def test_an_owner_that_was_replaced_leaves_the_study(study: Study) -> None:
    with pytest.raises(InputError, match="is being tuned by process"), own(study) as owner:
        study.set_user_attr(OWNER, other := signature())
        owner.signed = 0.0
        owner.sign()
    assert study.user_attrs[OWNER] == other


class OneOutcome:
    """In place of `Jobs`: takes each job, and ends it at once."""

    free = 1

    def __init__(self) -> None:
        self.keys: list[int] = []

    def submit(self, key: int, job: Job) -> None:
        self.keys.append(key)
        self.free = 0

    def wait(self, seconds: float) -> list[Outcome[int]]:
        return [Outcome(self.keys[-1], [], None, 1.0)]


def test_an_owner_whose_trials_another_process_ended_is_told_in_one_line(study: Study) -> None:
    jobs = OneOutcome()
    trials = Trials(spec(), study, 1, jobs, 0)  # type: ignore[arg-type]
    end = jobs.wait

    def wait(seconds: float) -> list[Outcome[int]]:
        study.tell(jobs.keys[-1], state=TrialState.FAIL)
        return end(seconds)

    jobs.wait = wait  # type: ignore[method-assign]
    with pytest.raises(InputError, match="the study of dazle on cub was taken over by another process"):
        trials.advance()
