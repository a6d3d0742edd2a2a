"""Atomic writing of files: a reader sees the old content or the new content, never a part of it."""

import glob
import os
import tempfile
from pathlib import Path


def write_atomic(path: Path, content: str | bytes) -> None:
    """Writes `content` (text as UTF-8) to a temporary file, flushes it to disk, and renames it to `path`.

    A process that is killed meanwhile leaves a file that ends in `.tmp`. An OSError names `path`, or the part of it
    that is no folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        error.filename = str(path)
        raise


def remove_unfinished(path: Path) -> None:
    """Removes the temporary files of killed writers of `path`. No process may be writing `path` meanwhile."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        temporary.unlink(missing_ok=True)
