"""The output of nvidia-smi is read, and processor time of other processes is kept apart from that of this one."""

import os
import subprocess
import sys
import time

import pytest

from benchmark.throughput import system_state as module
from benchmark.throughput.system_state import OtherProcesses, ProcessorTimes, gpu_state, processor_times, system_state

NVIDIA_SMI_LINE = "NVIDIA H100 80GB HBM3, 550.54.15, 1980, 1980, 2619, 41, 312.50, 97"


def test_the_gpu_s_clocks_and_other_users() -> None:
    calls: list[list[str]] = []

    def nvidia_smi(arguments: list[str]) -> str:
        calls.append(arguments)
        return NVIDIA_SMI_LINE if arguments[0].startswith("--query-gpu") else f"{os.getpid()}\n4711\n"

    state = gpu_state("GPU-0", nvidia_smi)
    assert state is not None
    assert (state["name"], state["clocks.sm"], state["power.draw"]) == ("NVIDIA H100 80GB HBM3", "1980", "312.50")
    assert state["other_processes"] == 1
    assert len(calls) == 2
    assert all("--id=GPU-0" in arguments for arguments in calls)


@pytest.mark.parametrize("error", [FileNotFoundError(), subprocess.CalledProcessError(9, "nvidia-smi")])
def test_without_nvidia_smi_nothing_is_claimed(error: Exception) -> None:
    def nvidia_smi(arguments: list[str]) -> str:
        raise error

    assert gpu_state("GPU-0", nvidia_smi) is None


@pytest.mark.parametrize(
    ("end", "share"),
    [
        (ProcessorTimes(110, 25, 3), 0.3),  # of 10 s, 5 busy, 2 of them by this process
        (ProcessorTimes(110, 25, 6), 0.0),
        (ProcessorTimes(110, 25, 7), 0.0),  # clocks of two kinds may disagree a little
        (ProcessorTimes(100, 20, 1), None),
    ],
)
def test_the_share_of_other_processes_is_without_this_one(
    end: ProcessorTimes, share: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([ProcessorTimes(100, 20, 1), end])
    monkeypatch.setattr(module, "processor_times", lambda: next(times))
    assert OtherProcesses().share() == share


def test_a_busy_process_beside_this_one_is_seen() -> None:
    """It asks for a whole processor, so of n it takes up to 1 / n; others can only add to that."""
    code = "import time; print(flush=True); end = time.monotonic() + 0.6\nwhile time.monotonic() < end: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as busy:
        assert busy.stdout is not None
        busy.stdout.readline()
        others = OtherProcesses()
        time.sleep(0.5)
        share = others.share()
    assert share is not None
    assert share > 0.4 / (os.cpu_count() or 1)


def test_the_time_of_this_process_is_its_own() -> None:
    before = processor_times()
    while sum(os.times()[:4]) < before.own + 0.05:
        pass
    assert processor_times().own >= before.own + 0.05


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_gpu_is_looked_at_if_it_is_measured(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5, 2.0, 3.0))
    monkeypatch.setattr(module, "_gpu_id", lambda: "GPU-0")
    monkeypatch.setattr(module, "gpu_state", lambda gpu_id: {"id": gpu_id})
    state = system_state(device)
    assert state["load"] == 1.5
    assert state["clock_mhz"] is None or state["clock_mhz"] > 0
    assert state["gpu"] == (None if device == "cpu" else {"id": "GPU-0"})
