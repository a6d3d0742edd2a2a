"""The locks of an output folder that several runs share: one per cell, and one for the manifest.

They are the system's locks (flock), which it releases when their process dies in any way.
"""

from pathlib import Path

from filelock import FileLock, Timeout

# A manifest is read, merged and written in milliseconds; a process that holds the lock for so long is stuck.
MANIFEST_PATIENCE_SECONDS = 60.0


def cell_lock(out: Path, cell_id: str) -> FileLock:
    """Held while a process trains the cell or writes its record; raises Timeout at once if another process holds it."""
    return _lock(out, cell_id, timeout=0)


def manifest_lock(out: Path) -> FileLock:
    """Held while the manifest is read, merged and written: two runs that start at once must not lose cells."""
    return _lock(out, "manifest", timeout=MANIFEST_PATIENCE_SECONDS)


def _lock(out: Path, name: str, timeout: float) -> FileLock:
    path = _path(out, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path, timeout=timeout)


def _path(out: Path, name: str) -> Path:
    return out / "locks" / f"{name}.lock"


def is_running(out: Path, cell_id: str) -> bool:
    """Whether a process holds the cell's lock now."""
    if not _path(out, cell_id).exists():
        return False
    try:
        with cell_lock(out, cell_id):
            return False
    except Timeout:
        return True
    except OSError:  # a read-only folder: no process trains there
        return False
