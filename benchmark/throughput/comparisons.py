"""What is compared on the full model's training step, two ways of doing it in turns.

To add one, add an entry: its two pieces of work must train on the same inputs, and `gain` says how many times the
images of the first one the second one's call is worth.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmark.throughput.shapes import Shape
from benchmark.throughput.timing import Work
from benchmark.throughput.workloads import ReferenceStep, Workbench, compiled_step
from dazle.config import Settings

Pair = tuple[Work, Work]
TOGETHER = 8


@dataclass(frozen=True)
class Comparison:
    """`about`: what the ratio says, second over first; `precisions` and `devices`: those it makes sense in."""

    about: str
    make: Callable[[Shape, Settings, str], Pair]
    precisions: tuple[str, ...] = ("float32", "tf32", "bf16")
    devices: tuple[str, ...] = ("cpu", "cuda")
    gain: int = 1


def _reference(shape: Shape, settings: Settings, device: str) -> Pair:
    return ReferenceStep(Workbench(shape, settings, device)), Workbench(shape, settings, device).step


def _bf16(shape: Shape, settings: Settings, device: str) -> Pair:
    half = settings.changed({"training.precision": "bf16"})
    return Workbench(shape, settings, device).step, Workbench(shape, half, device).step


def _compile(shape: Shape, settings: Settings, device: str) -> Pair:
    # Only so many compilations of one function are allowed before it runs as it is, without a word.
    torch.compiler.reset()
    return Workbench(shape, settings, device).step, compiled_step(Workbench(shape, settings, device))


def _together(shape: Shape, settings: Settings, device: str) -> Pair:
    return Workbench(shape, settings, device).step, Workbench(shape, settings, device, TOGETHER).step


def _graph(shape: Shape, settings: Settings, device: str) -> Pair:
    return Workbench(shape, settings, device).ungraphed_step, Workbench(shape, settings, device).step


COMPARISONS = {
    "reference": Comparison("fast form over dazle/method/reference.py", _reference, precisions=("float32", "tf32")),
    "bf16": Comparison("bf16 over float32", _bf16, precisions=("float32",)),
    "compile": Comparison("torch.compile over eager", _compile),
    "together": Comparison(f"{TOGETHER} seeds in one step over each alone", _together, gain=TOGETHER),
    "graph": Comparison("one CUDA graph over single launches", _graph, devices=("cuda",)),
}
