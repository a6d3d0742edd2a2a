"""A study in a real PostgreSQL server, which the test starts."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmark.tuning.studies import tune_study

# In the folder of Debian's package, which is not on the path.
SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


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


@pytest.mark.slow
def test_a_study_runs_in_postgresql_and_goes_on_after_an_interrupt(database: str, tmp_path: Path) -> None:
    values = iter([10.0, 20.0])

    def interrupted(params: dict[str, Any], repetition: int, fold: int) -> float:
        value = next(values, None)
        if value is None:
            raise KeyboardInterrupt
        return value

    with pytest.raises(KeyboardInterrupt):
        tune_study(tmp_path, 5, interrupted, storage=database)
    outcome = tune_study(tmp_path, 5, storage=database)
    assert outcome.budget == 5
    assert [trial.value for trial in outcome.trials] == [10.0, 20.0, None, 50.0, 50.0, 50.0]
    assert [trial.counts for trial in outcome.trials] == [True, True, False, True, True, True]
    assert outcome.trials[2].params == outcome.trials[3].params
    assert sum(trial.default for trial in outcome.trials) == 1
    assert len({tuple(trial.params.values()) for trial in outcome.trials}) == 5
    assert not list(tmp_path.iterdir())
