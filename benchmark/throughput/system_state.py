"""The state of the machine during a measurement: load, clock rates, GPU, and processor time of other processes.

The rule: no process, user or path is named here, and a value that the system does not give is None.
"""

import csv
import os
import subprocess
from collections.abc import Callable
from typing import Any, NamedTuple

GPU_FIELDS = (
    "name", "driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "temperature.gpu", "power.draw",
    "utilization.gpu",
)  # fmt: skip
NVIDIA_SMI_SECONDS = 10

NvidiaSmi = Callable[[list[str]], str]
"""From arguments of nvidia-smi to its output."""


class ProcessorTimes(NamedTuple):
    """Seconds of all processors: total, not idle, and used by this process and those of its children that ended."""

    total: float
    busy: float
    own: float


class OtherProcesses:
    """The processor time that other processes take, counted from when the object is created."""

    def __init__(self) -> None:
        self.start = processor_times()

    def share(self) -> float | None:
        """Share (0 to 1) of all processor time since the start that was neither idle nor used by this process.

        Child processes that have ended count as this process.
        """
        total, busy, own = (now - then for now, then in zip(processor_times(), self.start, strict=True))
        return min(1.0, max(0.0, (busy - own) / total)) if total > 0 else None


def processor_times() -> ProcessorTimes:
    """The times since the machine, and this process, started."""
    import psutil

    times = psutil.cpu_times()._asdict()
    # The kernel counts the time of guests in user time, too.
    total = sum(seconds for kind, seconds in times.items() if not kind.startswith("guest"))
    idle = times["idle"] + times.get("iowait", 0.0)
    return ProcessorTimes(total, total - idle, sum(os.times()[:4]))


def system_state(device: str) -> dict[str, Any]:
    """Load of the last minute, clock rate of the processors in MHz, and state of the GPU if `device` is `cuda`."""
    import psutil

    try:
        frequency = psutil.cpu_freq()
    except (OSError, NotImplementedError, RuntimeError):
        frequency = None
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    mhz = frequency.current if frequency else None
    return {"load": load, "clock_mhz": mhz, "gpu": gpu_state(_gpu_id()) if device == "cuda" else None}


def _gpu_id() -> str:
    """The id that nvidia-smi uses; torch numbers GPUs in another way if some are hidden from it."""
    import torch

    return f"GPU-{torch.cuda.get_device_properties().uuid}"


def gpu_state(gpu_id: str, nvidia_smi: NvidiaSmi | None = None) -> dict[str, Any] | None:
    """Clock rates of a GPU and number of other processes on it, from nvidia-smi; None if that fails."""
    import psutil

    nvidia_smi = nvidia_smi or _nvidia_smi
    form = ["--format=csv,noheader,nounits", f"--id={gpu_id}"]
    try:
        line = nvidia_smi([f"--query-gpu={','.join(GPU_FIELDS)}", *form])
        pids = nvidia_smi(["--query-compute-apps=pid", *form]).split()
    except (OSError, subprocess.SubprocessError):
        return None
    values = next(csv.reader([line], skipinitialspace=True))
    own = {str(process.pid) for process in (psutil.Process(), *psutil.Process().children(recursive=True))}
    others = [pid for pid in pids if pid not in own]
    return dict(zip(GPU_FIELDS, values, strict=True)) | {"other_processes": len(others)}


def _nvidia_smi(arguments: list[str]) -> str:
    process = subprocess.run(
        ["nvidia-smi", *arguments], capture_output=True, text=True, check=True, timeout=NVIDIA_SMI_SECONDS
    )
    return process.stdout.strip()
