"""Two workers share a study in a real PostgreSQL server, which the test starts."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import optuna
import pytest

from benchmark.tuning.outcome import make_outcome
from benchmark.tuning.storage import open_storage
from benchmark.tuning.study import open_study
from benchmark.tuning.worker import TuningJob, Worker
from tests.benchmark.tuning.studies import spec

FORK = get_context("fork")
SPEC = spec(training__epochs=1)
# In the folder of Debian's package, which is not on the path.
SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
TRIALS = 8


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of an empty database of a server that lives as long as the test."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: no PostgreSQL is tried")
    if not SERVERS:
        pytest.skip("Debian's postgresql is not installed (/usr/lib/postgresql/*/bin/initdb): no server is tried")
    binaries = SERVERS[-1].parent
    as_server = []
    # A server refuses to be root; the package makes a user for it.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        if os.geteuid() == 0:
            if shutil.which("runuser") is None or not _is_user("postgres"):
                pytest.skip("this is root, and there is no user postgres whom PostgreSQL would run as")
            as_server = ["runuser", "-u", "postgres", "--"]
            os.chown(folder, *pwd.getpwnam("postgres")[2:4])
        data, port = f"{folder}/data", _free_port()
        run(*as_server, binaries / "initdb", "-D", data, "-U", "tuner", "--auth=trust", "--no-sync")
        flags = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -p {port} -c fsync=off"
        run(*as_server, binaries / "pg_ctl", "-D", data, "-o", flags, "-l", f"{folder}/log", "-w", "start")
        try:
            yield f"postgresql+psycopg://tuner:secret@127.0.0.1:{port}/postgres"
        finally:
            run(*as_server, binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def _is_user(name: str) -> bool:
    return any(user.pw_name == name for user in pwd.getpwall())


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run(*words: str | Path) -> None:
    # Without output: a server that inherits a pipe would keep its reader waiting.
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_two_workers_share_a_study_in_postgresql(database: str, tmp_path: Path) -> None:
    """As on two machines: nothing is shared but the database, which is empty when both open it."""
    workers = [FORK.Process(target=_tune, args=(tmp_path / name, database)) for name in ("one", "two")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    outcome = make_outcome(SPEC, optuna.load_study(study_name=SPEC.name, storage=database).trials)
    assert outcome.budget == TRIALS
    assert [trial.state for trial in outcome.trials] == ["complete"] * TRIALS
    assert sum(trial.default for trial in outcome.trials) == 1
    assert len({tuple(trial.params.values()) for trial in outcome.trials}) == TRIALS
    trials = optuna.load_study(study_name=SPEC.name, storage=database).trials
    assert len({trial.user_attrs["worker"] for trial in trials}) == 2
    assert not list(tmp_path.rglob("journal.log"))


def _tune(out: Path, url: str) -> None:
    open_study(SPEC, open_storage(url, out))
    Worker(TuningJob(SPEC, TRIALS, url, out, 2**30)).run()
