"""Cells that are trained side by side leave the records that each leaves alone, and fail alone."""

import json
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmark.cells.locks import cell_lock
from benchmark.cells.matrix import Cell
from benchmark.run import pools as executors
from benchmark.run import train as cells_module
from benchmark.run.plan import RunOptions, plan
from benchmark.run.pools import Outcome, Processes, work_on
from benchmark.run.side_by_side import groups, side_by_side
from benchmark.run.train import Job, run_cells


def planned(**options: object) -> list[Cell]:
    settings = {"suite": "smoke", "datasets": ["cub"], "seeds": 4, "source": "simulated"} | options
    return plan(RunOptions(**settings, overrides={"training.epochs": 1})).cells  # type: ignore[arg-type]


def job(out: Path) -> Job:
    return Job(out, None, 2**30, save_model=True)


def test_a_group_differs_in_its_seeds_alone() -> None:
    cells = planned()
    found = groups(cells, workers=2)
    assert [cell for group in found for cell in group] == cells
    assert {(len(group), len({cell.variant.name for cell in group})) for group in found} == {(4, 1)}
    assert {len(group) for group in groups(cells, workers=2, most=3)} == {2}
    assert {len(group) for group in groups(cells, workers=1, most=1)} == {1}


def test_every_worker_gets_a_group() -> None:
    cells = planned(variants=["dazle"])
    assert [len(group) for group in groups(cells, workers=2)] == [2, 2]
    assert [len(group) for group in groups(cells[:1], workers=2)] == [1]
    assert len(groups(planned(), workers=8)) >= 8


def test_large_steps_several_threads_and_gpus_are_alone() -> None:
    cell = planned()[0]
    assert side_by_side(cell) > 6
    real = replace(cell, dataset=replace(cell.dataset, regions=(49, 2048), attributes=312))
    assert side_by_side(real) == 1
    assert side_by_side(replace(cell, identity={**cell.identity, "threads": 2})) == 1
    assert side_by_side(replace(cell, identity={**cell.identity, "device": "cuda"})) == 1


def test_records_and_models_are_those_of_cells_alone(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    cells = planned(variants=["dazle"])
    for name in ("together", "alone"):
        (tmp_path / name).mkdir()
    together = run_cells(cells, job(tmp_path / "together"))
    alone = [run_cells([cell], job(tmp_path / "alone"))[0] for cell in cells]
    for one, other in zip(together, alone, strict=True):
        assert (one.side_by_side, other.side_by_side) == (4, 1)
        assert [each.curve for each in one.validation] == [each.curve for each in other.validation]
        assert one.test is not None and other.test is not None
        assert one.test.curve == other.test.curve
        saved = [tmp_path / where / "models" / f"{one.id}.safetensors" for where in ("together", "alone")]
        kept, other_kept = (load_file(path) for path in saved)
        assert kept.keys() == other_kept.keys()
        assert all(torch.equal(kept[name], other_kept[name]) for name in kept)


def test_a_margin_that_validation_chose_is_that_of_its_own_seed(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    cells = planned(suite="ablations", variants=["validated-margin"])
    (tmp_path / "alone").mkdir()
    together = run_cells(cells, job(tmp_path))
    alone = [run_cells([cell], job(tmp_path / "alone"))[0] for cell in cells]
    assert {one.side_by_side for one in together} == {4}
    margins = [[point.margin for point in one.test.curve] for one in together if one.test]
    assert margins == [[point.margin for point in one.test.curve] for one in alone if one.test]
    assert len({str(each) for each in margins}) > 1


def test_what_fails_together_is_tried_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = planned(variants=["dazle"])[:3]
    train = cells_module._train

    def fails(group: list[Cell], what: Job) -> object:
        if any(cell.seed == 1 for cell in group):
            raise FloatingPointError("class scores are not finite")
        return train(group, what)

    monkeypatch.setattr(cells_module, "_train", fails)
    records = run_cells(cells, job(tmp_path))
    assert [record.status for record in records] == ["done", "failed", "done"]
    assert "not finite" in str(records[1].error)
    [alone] = run_cells(cells[1:2], job(tmp_path))
    assert alone.error == records[1].error


def test_of_a_group_another_runner_keeps_its_own_and_done_records_stand(tmp_path: Path) -> None:
    cells = planned(variants=["dazle"])[:3]
    [done] = work_on(cells[:1], job(tmp_path))
    with cell_lock(tmp_path, cells[1].id):
        first, second, third = work_on(cells, job(tmp_path))
    assert first == done
    assert second is None
    assert third is not None and third.status == "done"
    assert json.loads((tmp_path / "cells" / f"{third.id}.json").read_text())["side_by_side"] == 1


class DiesOfSeedOne:
    """A worker that dies of one cell, whatever else it was given with it."""

    def __init__(self, threads: int) -> None:
        self.killed = False

    def submit(self, cells: list[Cell], work: Job) -> "Future[Outcome]":
        future: Future[Outcome] = Future()
        if any(cell.seed == 1 for cell in cells):
            future.set_exception(BrokenProcessPool())
        else:
            future.set_result(list(run_cells(cells, work)))
        return future

    def forget(self) -> None: ...


def test_a_worker_that_dies_of_a_group_costs_only_the_guilty_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "Worker", DiesOfSeedOne)
    cells = planned(variants=["dazle"])[:3]
    ended = [one for one in Processes(1, 1).run([(cells, job(tmp_path))]) if one is not None and one.record]
    found = {one.cell.seed: one.record.status for one in ended if one.record}
    assert found == {0: "done", 1: "failed", 2: "done"}
