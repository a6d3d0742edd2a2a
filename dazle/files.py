"""Writing so that no half-written file is ever read as whole."""

import glob
import os
import tempfile
from pathlib import Path


def write_atomic(path: Path, content: str | bytes) -> None:
    """Writes `content` (text as UTF-8) beside `path`, flushes it to the disk, and renames it over `path`.

    Whoever reads sees the old file or the new one. A process that dies in between leaves a file ending in `.tmp`.
    An OSError of the system names `path`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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
    """Removes what writers of `path` left that died; for whoever knows that nobody else writes it now."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        temporary.unlink(missing_ok=True)
