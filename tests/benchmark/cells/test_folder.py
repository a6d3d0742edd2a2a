"""Manifests that contradict themselves are one line, and two runners that begin at once lose no cell."""

import json
import threading
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from ablations.variants import VARIANTS
from benchmark.cells import folder as store
from benchmark.cells.folder import enter, make_manifest, merged, read_manifest, write_manifest
from benchmark.run.plan import RunOptions, plan
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


@pytest.mark.parametrize("locked", [True, False])
def test_runners_that_begin_at_once_lose_no_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: bool) -> None:
    """All read before any writes, unless a lock keeps them apart: without it this test would see cells lost."""
    names = ["dazle", "uniform", "dense-gated-uncalibrated"]
    together = threading.Barrier(len(names), timeout=0.5)

    def slowly(out: Path, found: store.Manifest, write=store.write_manifest) -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait()
        write(out, found)

    if not locked:
        monkeypatch.setattr(store, "manifest_lock", lambda out: nullcontext())
    enter(tmp_path, manifest("dazle"))
    monkeypatch.setattr(store, "write_manifest", slowly)
    runners = [threading.Thread(target=enter, args=(tmp_path, manifest(name))) for name in names]
    for each in runners:
        each.start()
    for each in runners:
        each.join()
    kept = {cell.variant for cell in read_manifest(tmp_path).cells}
    assert (kept == set(names)) == locked


def test_a_manifest_lock_that_is_never_let_go_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.cells.locks.MANIFEST_PATIENCE_SECONDS", 0.1)
    with store.manifest_lock(tmp_path), pytest.raises(InputError, match=r"manifest\.lock is held by another run"):
        enter(tmp_path, manifest("dazle"))


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
    assert [each.variant for each in read_manifest(tmp_path).cells] == list(VARIANTS)
