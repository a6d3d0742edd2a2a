"""The options of a run: those that are marked to change a result do, and the others do not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.run.options import CHANGES_RESULT, ONLY_RUNNING, RunOptions
from benchmark.run.plan import plan

BASE = RunOptions("smoke", datasets=["cub"], seeds=1, source="simulated", device="cpu")
# Another value for each option.
OTHER: dict[str, Any] = {
    "suite": "supplement",
    "variants": ["dazle"],
    "datasets": ["sun"],
    "seeds": 2,
    "threads": 2,
    "device": "cuda",
    "overrides": {"training.epochs": 3},
    "base_seed": 1,
    "folds": 3,
    "validation": False,
    "out": Path("elsewhere"),
    "workers": 3,
    "memory": 2**33,
    "dry_run": True,
    "fail_fast": True,
    "retry_failed": True,
    "save_models": True,
    "timeout": 5.0,
    "check": Path("accepted.json"),
    "rows": "present",
}
# They need features, studies or code on the disk.
NEED_FILES = {"source", "data", "tuned", "include"}


def test_every_option_of_a_run_is_in_one_of_the_two_lists() -> None:
    names = set(RunOptions.declarations)
    assert not CHANGES_RESULT & ONLY_RUNNING
    assert names == CHANGES_RESULT | ONLY_RUNNING
    assert names - NEED_FILES == set(OTHER), "give each option another value above, so that the test below tries it"


@pytest.mark.parametrize("name", OTHER)
def test_an_option_changes_the_cells_if_and_only_if_it_is_marked_to(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.run.plan.choose_device", lambda device: device)
    ids = {cell.id for cell in plan(BASE).cells}
    others = {cell.id for cell in plan(replace(BASE, **{name: OTHER[name]})).cells}
    assert (ids != others) is (name in CHANGES_RESULT)


def test_a_value_that_is_not_valid_is_refused_in_python_too() -> None:
    from dazle.errors import InputError

    with pytest.raises(InputError, match=r"^--source 'fake' is not one of auto, real, simulated$"):
        RunOptions("smoke", source="fake")  # type: ignore[arg-type]
