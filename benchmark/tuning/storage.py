"""Where studies are kept: a journal file of the output folder, or any database that Optuna can open.

Two things are added to Optuna's journal. Its lock is one that the system lets go of when its holder dies, so that a
kill does not stop the others; and whoever takes it first cuts off a line that a killed writer left unfinished, keeping
a copy: an append after such a line would make the whole journal unreadable.
"""

import json
import shutil
import time
import warnings
from pathlib import Path

import optuna
from filelock import FileLock
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, ProgrammingError, SQLAlchemyError

from dazle.errors import InputError

# A database is told so often that a trial is alive, and takes it for dead after so long a silence.
HEARTBEAT_SECONDS, SILENCE_SECONDS = 10, 30
OPENINGS = 4
# A trial that was killed is tried again so often; one that kills its worker each time must not do so for ever.
RETRIES = 2

# What is experimental of Optuna here is what the tests of this folder are for.
warnings.filterwarnings("ignore", category=ExperimentalWarning)
retry = RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)


def open_storage(url: str | None, out: Path) -> BaseStorage:
    """The database at `url`, or the journal of `out` where that is None. Raises InputError, without any password."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return _journal(out / "journal.log") if url is None else _database(url)


def _journal(path: Path) -> BaseStorage:
    lock = JournalLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        lock.release()
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged in the middle ({error}); take a copy of it, or another --out") from None
    except OSError as error:
        raise InputError(f"--out {path.parent} cannot be written ({error.strerror}); choose another folder") from None


def _database(url: str) -> BaseStorage:
    try:
        shown = make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        raise InputError(
            f"--storage {url!r} is no storage URL; write it as postgresql+psycopg://USER@HOST/DATABASE or "
            "sqlite:///FILE, or leave it out for a journal in --out"
        ) from None
    try:
        return _opened(url, OPENINGS)
    except (SQLAlchemyError, ImportError, RuntimeError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise InputError(f"--storage {shown} cannot be opened: {reason}") from None


def _opened(url: str, attempts: int) -> RDBStorage:
    try:
        return RDBStorage(
            url,
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=SILENCE_SECONDS,
            heartbeat_stale_trial_callback=retry,
        )
    except (IntegrityError, ProgrammingError):
        # Two that open an empty database at once both make its tables; the second finds them the next time.
        if attempts == 1:
            raise
        time.sleep(0.5)
        return _opened(url, attempts - 1)


class JournalLock(BaseJournalFileLock):
    """The lock that Optuna takes around every append to the journal at `path`."""

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, FileLock(f"{path}.flock")

    def acquire(self) -> bool:
        self.lock.acquire()
        repair(self.path)
        return True

    def release(self) -> None:
        self.lock.release()


def repair(path: Path) -> Path | None:
    """Cuts a last line off that is not whole, and returns the copy of the journal as it was; None where it is whole.

    The caller holds the journal's lock.
    """
    if not path.exists() or not (whole := _torn_from(path)) < path.stat().st_size:
        return None
    taken = {each.name for each in path.parent.glob(f"{path.name}.torn-*")}
    copy = path.with_name(f"{path.name}.torn-{len(taken) + 1}")
    shutil.copy2(path, copy)
    with path.open("r+b") as file:
        file.truncate(whole)
    return copy


def _torn_from(path: Path) -> int:
    """Where the last line starts if it is not a whole one, else the size of the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = size
        while start > 0:
            start = max(0, start - 4096)
            file.seek(start)
            _, line_end, last = file.read(size - start).removesuffix(b"\n").rpartition(b"\n")
            if line_end or not start:
                break
        file.seek(max(0, size - 1))
        ends = file.read() == b"\n"
    return size if size == 0 or (ends and _is_json(last)) else size - len(last) - ends


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
