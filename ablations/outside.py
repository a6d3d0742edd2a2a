"""Variants, methods and suites from outside the package: files of `--include`, and entry points of installed packages.

Included code runs: it has all rights of the user who names it. A method from outside carries `code` in the identity of
its cells: the hash of its file and of the modules beside it that it imports, or what was installed. A variant carries
none, since its settings are its identity. A worker includes the same files, and refuses one that has changed.
"""

import hashlib
import importlib.metadata
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from modulefinder import ModuleFinder
from pathlib import Path

from ablations.methods import METHODS
from dazle.errors import InputError, cannot_read

GROUP = "dazle_benchmark"
# A file and the hash of its code.
Included = tuple[Path, str]


def include(files: Sequence[Path]) -> list[Included]:
    """Runs each file once in this process, and returns it with the hash of its code.

    Raises InputError, naming file and line, for a file that is missing or that raises, as for a name that is taken.
    """
    included = [(path, code_hash(path)) for path in dict.fromkeys(file.absolute() for file in files)]
    for path, code in included:
        _include(path, code)
    return included


def include_again(included: Sequence[Included]) -> None:
    """The same files in a worker. Raises InputError if one has changed since the run began."""
    for path, code in included:
        if code_hash(path) != code:
            raise InputError(f"--include {path} changed during the run; start it again")
        _include(path, code)


def code_hash(path: Path) -> str:
    """The hash of a file and of all modules in its folder that it imports, directly or through each other."""
    finder = ModuleFinder(path=[str(path.parent)])
    try:
        path.read_bytes()
        finder.run_script(str(path))
    except OSError as error:
        raise cannot_read(path, error, "give the file with --include") from None
    except SyntaxError as error:
        raise InputError(f"--include {error.filename or path}:{error.lineno}: {error.msg}") from None
    names = (getattr(module, "__file__", None) for module in finder.modules.values())
    files = sorted({Path(name) for name in names if name})
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.name if file == path else file.relative_to(path.parent)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:20]


def load_entry_points() -> None:
    """Loads the modules that installed packages name under `dazle_benchmark`, once in a process.

    Raises InputError, naming the package, if one raises.
    """
    for point in importlib.metadata.entry_points(group=GROUP):
        package = point.dist.name if point.dist is not None else "?"
        if point.module in sys.modules:
            continue
        with _methods_with_code(_installed_code(point)):
            try:
                point.load()
            except Exception as error:
                sys.modules.pop(point.module, None)
                raise InputError(
                    f"entry point {point.name} ({point.module}) of the package {package}: "
                    f"{type(error).__name__}: {error}; mend or uninstall it"
                ) from None


def _include(path: Path, code: str) -> None:
    name = f"included_{path.stem}_{code}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"--include {path} is no Python file; its name ends in .py")
    module = importlib.util.module_from_spec(spec)
    # At the end: a module beside the file cannot take the place of an installed one.
    sys.path.append(str(path.parent))
    sys.modules[name] = module
    with _methods_with_code(code):
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise InputError(f"--include {_place(error, path)}: {type(error).__name__}: {error}") from None


def _place(error: Exception, path: Path) -> str:
    """file:line of the last frame of the error in the folder of the file."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if Path(frame.filename).is_relative_to(path.parent)]
    return f"{inside[-1].filename}:{inside[-1].lineno}" if inside else str(path)


@contextmanager
def _methods_with_code(code: str) -> Iterator[None]:
    """Gives `code` to the methods that are registered meanwhile."""
    before = set(METHODS)
    yield
    for name in set(METHODS) - before:
        METHODS[name] = replace(METHODS[name], code=code)


def _installed_code(point: importlib.metadata.EntryPoint) -> str:
    """What was installed: the distribution, its version, and a hash of its RECORD, which has a hash of each file."""
    if point.dist is None:
        return point.module
    record = point.dist.read_text("RECORD") or ""
    return f"{point.dist.name} {point.dist.version} {hashlib.sha256(record.encode()).hexdigest()[:20]}"
