"""Several runners on one output folder: each cell is trained once, by one of them, and every runner ends with all."""

from collections import Counter
from pathlib import Path

import pytest

from benchmark.cells.manifest import read_manifest
from tests.crash.runs import CELLS, SUITE, assert_equal, start


def train_together(out: Path, runners: int, counts: Path, *options: tuple[str, ...], **faults: str) -> Counter[str]:
    """The number of times that each cell was trained, by runners that start at once; `options` of each runner."""
    processes = [
        start(*SUITE, "--workers", "1", "--out", out, *more, TRAININGS=str(counts), SLOW="0.3", **faults)
        for more in options or ((),) * runners
    ]
    for runner in processes:
        _, stderr = runner.communicate(timeout=300)
        assert runner.returncode == 0, stderr
    return Counter(counts.read_text().split())


@pytest.mark.slow
@pytest.mark.parametrize("runners", [2, 4])
def test_every_cell_is_trained_exactly_once(undisturbed: Path, tmp_path: Path, runners: int) -> None:
    trained = train_together(tmp_path / "out", runners, tmp_path / "counts")
    assert set(trained.values()) == {1}
    assert len(trained) == CELLS
    assert_equal(tmp_path / "out", undisturbed)


@pytest.mark.slow
def test_without_locks_the_count_would_show_it(tmp_path: Path) -> None:
    trained = train_together(tmp_path / "out", 2, tmp_path / "counts", NO_LOCKS="1")
    assert max(trained.values()) == 2


@pytest.mark.slow
def test_runners_that_ask_for_different_rows_make_one_table(undisturbed: Path, tmp_path: Path) -> None:
    rows = [("--variants", name) for name in ("dazle", "uniform", "dense-gated-uncalibrated,dazle")]
    trained = train_together(tmp_path / "out", 3, tmp_path / "counts", *rows)
    assert set(trained.values()) == {1}
    assert len(read_manifest(tmp_path / "out").cells) == len(trained) == CELLS
