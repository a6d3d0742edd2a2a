"""Manifests that contradict themselves are one line."""

import json
from pathlib import Path

import pytest

from benchmark.runner import RunOptions, plan
from benchmark.store import make_manifest, merged, read_manifest, write_manifest
from dazle.errors import InputError


def manifest(*variants: str):
    chosen = plan(RunOptions("smoke", variants=variants, seeds=1, source="simulated"))
    return make_manifest("smoke", chosen.cells, chosen.conditions, [f"note of {variants[0]}"])


@pytest.mark.parametrize("change", [{"cells": []}, {"datasets": []}, {"conditions": {}}, "twice"])
def test_a_manifest_that_contradicts_itself_is_one_line(tmp_path: Path, change: dict | str) -> None:
    write_manifest(tmp_path, manifest("dazle"))
    path = tmp_path / "manifest.json"
    content = json.loads(path.read_text())
    content |= {"cells": content["cells"] * 2} if change == "twice" else change
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"manifest\.json.*use another --out"):
        read_manifest(tmp_path)


def test_widening_keeps_the_order_of_the_suite_and_all_notes(tmp_path: Path) -> None:
    both = merged(manifest("dense-gated-uncalibrated"), manifest("dazle", "uniform"), tmp_path)
    assert [cell.variant for cell in both.cells] == ["dazle", "uniform", "dense-gated-uncalibrated"]
    assert both.notes == ["note of dense-gated-uncalibrated", "note of dazle"]
