"""Faults planted in the method are caught by name against the accepted results; rows they do not touch stay the same.

Cells are trained in this process, so that the patch reaches them. A split that leaks would raise H and pass any gate:
it is caught where splits are read (last test; for archives `tests/dazle/datasets/test_xlsa17.py`).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.cells.folder import OutputFolder
from benchmark.cells.manifest import make_manifest, write_manifest
from benchmark.cli.main import main
from benchmark.gate.accepted import read_accepted
from benchmark.gate.candidate import read_candidate
from benchmark.gate.verdicts import compare_rows, exit_code
from benchmark.run.plan import RunOptions, plan
from dazle.method import attention, losses, semantics
from tests.benchmark.example_run import train_here
from tests.dazle.features.small_features import TEST_SEEN, TEST_UNSEEN, TRAINVAL, small

ACCEPTED = Path(__file__).resolve().parents[3] / "benchmark" / "accepted" / "ablations-simulated.json"


def flipped_sign(patch: pytest.MonkeyPatch) -> None:
    right = losses.self_calibration
    patch.setattr(losses, "self_calibration", lambda *arguments: -right(*arguments))


def wrong_axis(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(attention.REGION_WEIGHTS, "dense", lambda logits: logits.softmax(dim=2))


def shuffled_semantics(patch: pytest.MonkeyPatch) -> None:
    right = semantics.initial_semantics

    def shuffled(*arguments) -> torch.Tensor:
        rows = right(*arguments)
        return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]

    patch.setattr(semantics, "initial_semantics", shuffled)


@pytest.mark.parametrize(
    ("fault", "concerned", "untouched"),
    [
        (flipped_sign, "dazle", "lambda-0"),
        (wrong_axis, "dense-calibrated", "uniform"),
        # Trained vectors find their way back, and rows of an identity have no order: this is who needs the right ones.
        (shuffled_semantics, "fixed-word-vectors", "one-hot"),
    ],
)
def test_a_planted_fault_is_named_and_nothing_else(
    fault: Callable[[pytest.MonkeyPatch], None],
    concerned: str,
    untouched: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault(monkeypatch)
    options = RunOptions("ablations", (concerned, untouched), ("cub",), source="simulated", out=tmp_path / "out")
    planned = plan(options)
    write_manifest(planned.out, make_manifest("ablations", planned.cells, planned.conditions, []))
    assert {record.status for record in train_here(planned.out, planned.cells)} == {"done"}
    candidate = read_candidate(OutputFolder.read(planned.out))
    verdicts = compare_rows(read_accepted(ACCEPTED), candidate, only_present=True)
    print([(verdict.variant, verdict.word, verdict.difference, verdict.p) for verdict in verdicts])
    assert {verdict.variant: verdict.word for verdict in verdicts} == {concerned: "regressed", untouched: "same"}
    assert exit_code(verdicts) == 1


@pytest.mark.parametrize("split", ["test_seen", "test_unseen"])
def test_a_feature_file_whose_splits_leak_ends_with_2_before_any_training(
    split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import h5py

    from dazle.features.feature_file import write

    path = tmp_path / "leaky.h5"
    write(path, small(name="leaky"))
    tests = {"test_seen": TEST_SEEN, "test_unseen": TEST_UNSEEN}[split]
    with h5py.File(path, "r+") as file:
        del file[f"splits/{split}"]
        file[f"splits/{split}"] = np.sort(np.append(tests, TRAINVAL[0]))
    words = ["benchmark", "run", "--suite", "smoke", "--datasets", "leaky", "--data", str(tmp_path)]
    monkeypatch.setattr("sys.argv", [*words, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert f"trainval and {split} share 1 images" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
