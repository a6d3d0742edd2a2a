"""Manifests: one that contradicts itself is one line, and a wider run keeps order, notes and cells."""

import json
from pathlib import Path

import pytest

from ablations.variants import VARIANTS
from benchmark.cells.manifest import Manifest, MetricEntry, make_manifest, merge, read_manifest, write_manifest
from benchmark.cells.outcome import StudySummary
from benchmark.run.plan import RunOptions, plan
from dazle.errors import InputError

GAP = {"name": "gap", "digits": 1, "higher_is_better": False}
STUDY = StudySummary(
    study="study", variant="dazle", tuned="dazle-tuned", dataset="cub", objective="H", folds=3, trials=4, pruned=0,
    failed=0, best_trial=1, best_value=60.0, default_value=None, seconds=1.0,
).model_dump()  # fmt: skip


def manifest(*variants: str) -> Manifest:
    run_plan = plan(RunOptions("smoke", variants=variants, seeds=1, source="simulated"))
    return make_manifest("smoke", run_plan.cells, run_plan.conditions, [f"note of {variants[0]}"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cells": []}, "it names no cell"),
        ({"datasets": []}, "cells name datasets that it does not describe: cub"),
        ({"conditions": {}}, "conditions lack base_seed"),
        ({"studies": [STUDY | {"best_trial": None}]}, "a study of a tuned row has no best trial"),
        ({"metrics": [GAP, GAP]}, "it names a metric twice"),
        ({"metrics": [GAP | {"name": "variant"}]}, "metrics.0.name is not valid: metric 'variant': another column"),
        ({"metrics": [GAP | {"name": "<script>"}]}, "metrics.0.name is not valid"),
        ({"metrics": [GAP | {"digits": 400}]}, "metrics.0.digits is not valid"),
        ("twice", "it names a cell twice"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_one_line(tmp_path: Path, change: dict | str, reason: str) -> None:
    write_manifest(tmp_path, manifest("dazle"))
    path = tmp_path / "manifest.json"
    content = json.loads(path.read_text())
    content |= {"cells": content["cells"] * 2} if change == "twice" else change
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"manifest\.json.*{reason}.*run into another folder"):
        read_manifest(tmp_path)


def test_a_manifest_with_a_study_is_read_as_it_was_written(tmp_path: Path) -> None:
    content = json.loads(manifest("dazle").model_dump_json()) | {"studies": [STUDY]}
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    assert read_manifest(tmp_path).studies == [StudySummary(**STUDY)]


def test_a_folder_without_a_manifest_is_one_line_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"json is missing; give the folder that `run --out` wrote$"):
        read_manifest(tmp_path)
    (tmp_path / "studies").mkdir()
    with pytest.raises(
        InputError, match=r"it is a folder of `tune`, its table is tuning\.md, and the same `tune` command"
    ):
        read_manifest(tmp_path)


def test_widening_keeps_the_order_of_the_suite_and_all_notes() -> None:
    wider = merge(manifest("dense-gated-uncalibrated"), manifest("dazle", "uniform"))
    assert [cell.variant for cell in wider.cells] == ["dazle", "uniform", "dense-gated-uncalibrated"]
    assert wider.notes == ["note of dense-gated-uncalibrated", "note of dazle"]


def test_metrics_of_both_runs_stay_and_the_later_description_counts() -> None:
    old, new = manifest("dazle"), manifest("dazle", "uniform")
    assert old.metrics == []
    old = old.model_copy(update={"metrics": [MetricEntry(**GAP), MetricEntry(**GAP | {"name": "other"})]})
    new = new.model_copy(update={"metrics": [MetricEntry(**GAP | {"digits": 3})]})
    assert [(metric.name, metric.digits) for metric in merge(old, new).metrics] == [("gap", 3), ("other", 1)]


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "a\\b", "x\0", "x" * 65, "", ".", "..", "a\n"])
@pytest.mark.parametrize("key", ["dataset", "variant", "id"])
def test_names_in_a_manifest_cannot_become_paths(tmp_path: Path, name: str, key: str) -> None:
    content = json.loads(manifest("dazle").model_dump_json())
    content["cells"][0][key] = name
    content["datasets"][0]["name"] = content["cells"][0]["dataset"]
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"manifest\.json: (cells|datasets)\.0\.(name|id|variant) is not valid"):
        read_manifest(tmp_path)


def test_the_names_of_all_variants_are_allowed(tmp_path: Path) -> None:
    content = json.loads(manifest("dazle").model_dump_json())
    [cell] = content["cells"]
    content["cells"] = [cell | {"variant": name} for name in VARIANTS]
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    assert [cell.variant for cell in read_manifest(tmp_path).cells] == list(VARIANTS)
