"""What nvidia-smi says is read; what other processes take is told from what this one takes."""

import os
import subprocess
import sys
import time

import pytest

from benchmark.throughput.neighbours import Neighbours, gpu, moment

SAID = "NVIDIA H100 80GB HBM3, 550.54.15, 1980, 1980, 2619, 41, 312.50, 97"


def test_the_gpu_s_clocks_and_other_users() -> None:
    asked: list[list[str]] = []

    def ask(words: list[str]) -> str:
        asked.append(words)
        return SAID if words[0].startswith("--query-gpu") else f"{os.getpid()}\n4711\n"

    found = gpu("GPU-0", ask)
    assert found is not None
    assert (found["name"], found["clocks.sm"], found["power.draw"]) == ("NVIDIA H100 80GB HBM3", "1980", "312.50")
    assert found["other_processes"] == 1
    assert all("--id=GPU-0" in words for words in asked)


@pytest.mark.parametrize("error", [FileNotFoundError(), subprocess.CalledProcessError(9, "nvidia-smi")])
def test_without_nvidia_smi_nothing_is_claimed(error: Exception) -> None:
    def ask(words: list[str]) -> str:
        raise error

    assert gpu("GPU-0", ask) is None


def test_a_busy_process_beside_this_one_is_seen() -> None:
    """It asks for a whole processor, so of n it takes up to 1 / n; others can only add to that."""
    code = "import time; print(flush=True); end = time.monotonic() + 0.6\nwhile time.monotonic() < end: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as busy:
        assert busy.stdout is not None
        busy.stdout.readline()
        watch = Neighbours()
        time.sleep(0.5)
        taken = watch.taken()
    assert taken is not None
    assert taken > 0.4 / (os.cpu_count() or 1)


def test_a_moment_on_a_cpu() -> None:
    now = moment("cpu")
    assert now["gpu"] is None
    assert now["load"] >= 0
