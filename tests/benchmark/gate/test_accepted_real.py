"""The supplement on real photographs against its accepted results; `tox -e gate-real`, half an hour on two cores."""

from pathlib import Path

import pytest

from benchmark.cells.datasets import data_folder, feature_path
from benchmark.gate.accepted import read_accepted
from benchmark.run.plan import RunOptions
from benchmark.run.runner import run

ACCEPTED = Path(__file__).resolve().parents[3] / "benchmark" / "accepted" / "supplement-cub127.json"


@pytest.mark.slow
def test_real_photographs_still_give_what_was_accepted(tmp_path: Path) -> None:
    features = feature_path(data_folder(None), "cub127")
    if not features.is_file():
        pytest.skip(f"{features} is not there: prepare CUB127 and set DAZLE_DATA (docs/gate.md)")
    accepted = read_accepted(ACCEPTED)
    conditions = accepted.conditions
    options = RunOptions(
        suite=accepted.suite,
        variants=tuple(row.variant for row in accepted.rows),
        datasets=("cub127",),
        seeds=accepted.rows[0].repetitions,
        source="real",
        out=tmp_path / "out",
        device=conditions["device"],
        overrides=conditions["overrides"],
        base_seed=conditions["base_seed"],
        folds=conditions["folds"],
        check=ACCEPTED,
    )
    assert run(options) == 0
