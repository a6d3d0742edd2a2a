"""Where a number came from: versions, commit, hardware; and the memory that a cell needed."""

import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from dazle.errors import InputError

PACKAGES = ("torch", "numpy", "scipy", "pandas", "h5py", "pydantic")


@cache
def describe(device: str) -> dict[str, Any]:
    """The environment of a process that trains on `device` (`cpu` or `cuda`), as records hold it; read once.

    `device` in the result is the name of the GPU, None on a CPU: to read the name initialises CUDA, which takes seconds
    and GPU memory in every worker.
    """
    import torch

    from benchmark import __version__

    return {
        "package": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "system": platform.platform(terse=True),
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "cuda": torch.version.cuda,
        "device": torch.cuda.get_device_name() if device == "cuda" else None,
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def commit() -> str | None:
    """The commit of this code, with `+` where the work tree differs from it; None outside a checkout."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=True).stdout.strip()


def processor() -> str:
    """The processor's name, as Linux states it where it does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def reset_peak_memory() -> None:
    """Starts a new measurement of the peak resident memory of this process; Linux only, elsewhere the peak is of
    the whole process."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory() -> int:
    """Peak resident memory in bytes since `reset_peak_memory`."""
    try:
        status = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def available_memory() -> int:
    """Bytes that can be taken without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


def default_workers(device: str, threads: int) -> int:
    """As many as the cores carry; one on a GPU."""
    if device == "cuda":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // threads)


def choose_device(choice: str) -> str:
    """`cpu` or `cuda`, what `auto` finds here. Raises InputError where there is no GPU, or for another word."""
    if choice not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {choice!r} is not one of auto, cpu, cuda")
    if choice == "cpu" or (choice == "auto" and not has_gpu_driver()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if choice == "cuda":
        raise InputError("--device cuda: torch finds no GPU here; use --device cpu or install a CUDA build of torch")
    return "cpu"


def has_gpu_driver() -> bool:
    """Whether torch has to be asked for a GPU: Linux has none without one of these, and torch loads for long."""
    drivers = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
    return sys.platform != "linux" or any(Path(driver).exists() for driver in drivers)
