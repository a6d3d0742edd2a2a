"""The storage of studies: a journal file in the output folder, or any database that Optuna can open.

One process at a time owns a study (`benchmark/tuning/owner.py`), but a journal may hold several studies. Its lock is
the system's, which ends with its process. Before an append, a last line that a killed process left unfinished is cut
off, after a copy of the file is saved: an append after such a line would make the whole journal unreadable.
"""

import json
import shutil
import time
import warnings
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, ProgrammingError, SQLAlchemyError

from dazle.errors import InputError

OPENINGS = 4
# An append to a journal takes milliseconds.
JOURNAL_SECONDS = 30

# Parts of Optuna used here are experimental; the tests of this room cover them.
warnings.filterwarnings("ignore", category=ExperimentalWarning)


def open_storage(url: str | None, out: Path) -> BaseStorage:
    """The database at `url`, or the journal of `out` if that is None. Raises InputError, without any password."""
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
        parsed = make_url(url)
    except ArgumentError:
        raise InputError(
            f"--storage {url!r} is no storage URL; write it as postgresql+psycopg://USER@HOST/DATABASE or "
            "sqlite:///FILE, or leave it out for a journal in --out"
        ) from None
    shown = parsed.render_as_string(hide_password=True)
    if _is_in_memory(parsed):
        raise InputError(f"--storage {shown} is lost when the command ends; write it as sqlite:///FILE")
    try:
        return _connect(url, OPENINGS)
    except (SQLAlchemyError, ImportError, RuntimeError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise InputError(f"--storage {shown} cannot be opened: {reason}") from None


def _is_in_memory(url: URL) -> bool:
    """SQLite without a file."""
    database = url.database or ":memory:"
    return url.get_backend_name() == "sqlite" and (":memory:" in database or url.query.get("mode") == "memory")


def _connect(url: str, attempts: int) -> RDBStorage:
    try:
        return RDBStorage(url)
    except (IntegrityError, ProgrammingError):
        # Two processes that open an empty database at once both create its tables; the second one tries again.
        if attempts == 1:
            raise
        time.sleep(0.5)
        return _connect(url, attempts - 1)


class JournalLock(JournalFileOpenLock):
    """The lock around every append to the journal at `path`; repairs the journal when it is acquired."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path, self.lock = path, FileLock(f"{path}.flock", timeout=JOURNAL_SECONDS)

    def acquire(self) -> bool:
        """Raises InputError if another process holds it for long."""
        try:
            self.lock.acquire()
        except Timeout:
            raise InputError(f"{self.path} is locked by another process that does nothing; end that one") from None
        repair(self.path)
        return True

    def release(self) -> None:
        self.lock.release()


def repair(path: Path) -> Path | None:
    """Cuts off an unfinished last line and returns the path of a copy of the journal before; None if it is whole.

    The caller holds the journal's lock.
    """
    if not path.exists() or not (size := _whole_size(path)) < path.stat().st_size:
        return None
    copies = list(path.parent.glob(f"{path.name}.torn-*"))
    copy = path.with_name(f"{path.name}.torn-{len(copies) + 1}")
    shutil.copy2(path, copy)
    with path.open("r+b") as file:
        file.truncate(size)
    return copy


def _whole_size(path: Path) -> int:
    """The size of the file without its last line if that is unfinished."""
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
        has_end = file.read() == b"\n"
    return size if size == 0 or (has_end and _is_json(last)) else size - len(last) - has_end


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
