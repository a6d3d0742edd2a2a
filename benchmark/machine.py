"""The machine: its environment as records hold it, memory, devices, and the default number of workers."""

import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from dazle.errors import InputError

Device = Literal["auto", "cpu", "cuda"]

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
    """The commit of this code, with `+` if the work tree differs from it; None outside a checkout."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def processor() -> str:
    """The name of the processor; on other systems than Linux what Python knows of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def reset_peak_memory() -> None:
    """Starts a new measurement of the peak resident memory of this process.

    Linux only; on other systems the peak is that since the process started.
    """
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
    """Bytes that are free without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


def default_workers(device: str, threads: int) -> int:
    """One worker for every `threads` cores; one on a GPU."""
    if device == "cuda":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // threads)


def choose_device(choice: Device) -> str:
    """`cpu` or `cuda`; for `auto` the GPU if there is one. Raises InputError for `cuda` without a GPU."""
    if choice == "cpu" or (choice == "auto" and not has_gpu_driver()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if choice == "cuda":
        raise InputError("--device cuda: torch finds no GPU here; use --device cpu or install a CUDA build of torch")
    return "cpu"


def has_gpu_driver() -> bool:
    """Whether the machine may have a GPU: on Linux it has none without one of these. Importing torch takes long."""
    drivers = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
    return sys.platform != "linux" or any(Path(driver).exists() for driver in drivers)
