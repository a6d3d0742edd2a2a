"""What else the device did while something was measured, and how fast its clocks ran.

The rule: nothing here names a process, a user or a path; a figure that the system does not give is None.
"""

import csv
import os
import subprocess
from collections.abc import Callable
from typing import Any

GPU_FIELDS = (
    "name", "driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "temperature.gpu", "power.draw",
    "utilization.gpu",
)  # fmt: skip
GPU_SECONDS = 10

Ask = Callable[[list[str]], str]
"""Arguments of nvidia-smi to what it prints."""


class Neighbours:
    """Watches the processors from when it is made: how much of them other processes took."""

    def __init__(self) -> None:
        self.began = _processor_seconds()

    def taken(self) -> float | None:
        """Share (0..1) of all processor time since then that neither this process used nor was idle.

        Child processes that have ended count as this one.
        """
        now = _processor_seconds()
        if self.began is None or now is None:
            return None
        whole, busy, own = (after - before for after, before in zip(now, self.began, strict=True))
        return min(1.0, max(0.0, (busy - own) / whole)) if whole > 0 else None


def _processor_seconds() -> tuple[float, float, float] | None:
    """Seconds of all processors together, those of them not idle, and those of this process and its ended children."""
    import psutil

    times = psutil.cpu_times()._asdict()
    # The kernel counts the time of guests in user time, too.
    whole = sum(seconds for kind, seconds in times.items() if not kind.startswith("guest"))
    idle = times["idle"] + times.get("iowait", 0.0)
    own = sum(os.times()[:4])
    return whole, whole - idle, own


def moment(device: str) -> dict[str, Any]:
    """Load of the last minute, the processors' clock in MHz, and the GPU's state where that is the device."""
    import psutil

    try:
        clock = psutil.cpu_freq()
    except (OSError, NotImplementedError, RuntimeError):
        clock = None
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    mhz = clock.current if clock else None
    return {"load": load, "clock_mhz": mhz, "gpu": gpu(_gpu_id()) if device == "cuda" else None}


def _gpu_id() -> str:
    """As nvidia-smi counts, which is not as torch counts where some GPUs are hidden."""
    import torch

    return f"GPU-{torch.cuda.get_device_properties().uuid}"


def gpu(which: str, ask: "Ask | None" = None) -> dict[str, Any] | None:
    """Clocks and other users of a GPU, as nvidia-smi says; None where it does not answer."""
    import psutil

    ask = ask or _nvidia_smi
    form = ["--format=csv,noheader,nounits", f"--id={which}"]
    try:
        values = next(csv.reader([ask([f"--query-gpu={','.join(GPU_FIELDS)}", *form])], skipinitialspace=True))
        users = ask(["--query-compute-apps=pid", *form]).split()
    except (OSError, subprocess.SubprocessError):
        return None
    own = {str(process.pid) for process in (psutil.Process(), *psutil.Process().children(recursive=True))}
    others = [pid for pid in users if pid not in own]
    return dict(zip(GPU_FIELDS, values, strict=True)) | {"other_processes": len(others)}


def _nvidia_smi(words: list[str]) -> str:
    done = subprocess.run(["nvidia-smi", *words], capture_output=True, text=True, check=True, timeout=GPU_SECONDS)
    return done.stdout.strip()
