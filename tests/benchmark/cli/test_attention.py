"""`attention` on a small run: its figure, and one line for an input that is missing or does not match."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ablations import variants
from benchmark.cells.datasets import resolve
from benchmark.cells.folder import model_path, record_path
from benchmark.cells.manifest import make_manifest, manifest_path, read_manifest, write_manifest
from benchmark.cells.matrix import Conditions, expand, identity_hash
from benchmark.reporting.attention import attention_picture, image_index
from benchmark.reporting.options import AttentionOptions
from dazle.config import Settings
from dazle.datasets.simulated import simulate
from dazle.errors import InputError
from dazle.features.splits import final_phase
from dazle.method import reference
from reports.figures import attention as drawing
from reports.figures.style import Picture
from tests.benchmark.example_run import train_here


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished cells with their models, trained in this process."""
    out = tmp_path_factory.mktemp("attention") / "out"
    rows = [variants.find(name) for name in ("dazle", "uniform", "max-region")]
    datasets, _ = resolve(("cub",), ("cub",), "simulated", out)
    conditions = Conditions({"training.epochs": 2}, 214, 1, False, torch.get_num_threads(), "cpu")
    cells = expand(rows, datasets, 1, conditions)
    write_manifest(out, make_manifest("smoke", cells, conditions, []))
    assert {record.status for record in train_here(out, cells, save_models=True)} == {"done"}
    return out


def picture(run: Path, **options: object) -> Picture:
    values = {"out": run, "dataset": "cub", "image": "1500"} | options
    return attention_picture(AttentionOptions(**values))  # type: ignore[arg-type]


def test_the_picture_says_what_it_shows(run: Path) -> None:
    first, again = picture(run), picture(run)
    assert (first.svg, first.png) == (again.svg, again.png)
    assert first.name == "attention-cub-1500-dazle"
    features = simulate("cub")
    assert f"true class class {features.labels[1500]} (unseen)" in first.caption
    assert "SIMULATED" in first.caption and "<!-- SIMULATED -->" in first.svg


def test_contributions_are_the_models_own(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them together are the score of the predicted class, by the plain notation."""
    maps = []
    monkeypatch.setattr(drawing, "attention", lambda figure_maps, *rest: maps.extend(figure_maps))
    picture(run, top=1000)
    features = simulate("cub")
    [entry] = [cell for cell in read_manifest(run).cells if cell.variant == "dazle"]
    state = load_file(model_path(run, entry.id))
    regions = torch.from_numpy(features.regions.read(np.array([1500]))).float()
    Z = torch.from_numpy(features.attributes[final_phase(features).classes])
    scores = reference.scores(state, Z, regions, Settings.preset("cub").model)[0]
    margin = torch.where(torch.from_numpy(final_phase(features).seen), -1.0, 1.0)
    assert sum(attribute.contribution for attribute in maps) == pytest.approx(
        scores[(scores + margin).argmax()].item(), rel=1e-4
    )
    contributions = [attribute.contribution for attribute in maps]
    assert contributions == sorted(contributions, reverse=True)
    assert all(attribute.weights.sum() == pytest.approx(1, abs=1e-5) for attribute in maps)
    for attribute in maps:
        number = int(attribute.name.rsplit(" ", 1)[-1])
        assert bool(attribute.places) == bool(features.places.present[1500, number])


def test_one_region_carries_all_the_weight_of_max(run: Path) -> None:
    assert "peak 1.00" in picture(run, variant="max-region").svg


@pytest.mark.parametrize(
    "options, message",
    [
        ({"dataset": "cup"}, "--dataset 'cup' is not in .*; the nearest is 'cub'"),
        ({"variant": "dazzle"}, "--variant 'dazzle' is not in .*; the nearest is 'dazle'"),
        ({"variant": "uniform"}, "its attention is uniform and points nowhere"),
        ({"seed": 3}, "--seed 3 is not in .*; it has 0"),
        ({"image": "99999"}, "--image 99999: cub has images 0 to 1547"),
        ({"image": "bird.jpg"}, "cub has no file names; give an index, 0 to 1547"),
        ({"top": 0}, "--top 0 is less than 1"),
        ({"images": Path("nowhere")}, "do not say which files they are of"),
    ],
)
def test_what_is_not_there_is_one_line(run: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        picture(run, **options)
    assert "\n" not in str(error.value)


def test_names_of_files_are_found() -> None:
    features = replace(simulate("cub"), image_files=tuple(f"{n}.jpg" for n in range(1548)))
    assert image_index(features, "7.jpg") == 7
    with pytest.raises(InputError, match=r"the nearest is '7\.jpg'"):
        image_index(features, "7.jpeg")


def test_a_model_that_is_not_the_cells_is_refused(run: Path, tmp_path: Path) -> None:
    broken = tmp_path / "out"
    shutil.copytree(run, broken)
    [cell] = [cell.id for cell in read_manifest(run).cells if cell.variant == "dazle"]
    path = model_path(broken, cell)
    whole = path.read_bytes()
    other = {name: value[:1] for name, value in load_file(path).items()}
    for spoil in (
        lambda: path.write_bytes(whole[:-100]),
        lambda: path.write_bytes(b"not a model"),
        lambda: save_file(load_file(model_path(run, cell)), path, metadata={"cell": "0" * 20, "point": "0"}),
        lambda: save_file(load_file(model_path(run, cell)), path, metadata={"cell": cell, "point": "99"}),
        lambda: save_file(load_file(model_path(run, cell)), path),
        lambda: save_file(other, path, metadata={"cell": cell, "point": "0"}),
    ):
        path.unlink()  # the file that was read before may still be mapped
        spoil()
        with pytest.raises(InputError, match=r"is not the model of cell .*train it again"):
            picture(broken)
    path.unlink()
    with pytest.raises(InputError, match=r"holds no model of dazle on cub, seed 0; .*--save-models"):
        picture(broken)


def test_other_features_are_refused(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "out"
    shutil.copytree(run, other)
    manifest = json.loads(manifest_path(other).read_text())
    [entry] = [cell for cell in manifest["cells"] if cell["variant"] == "dazle"]
    record = json.loads(record_path(other, entry["id"]).read_text())
    record["identity"]["features"] = "0" * 64
    record["id"] = entry["id"] = identity_hash(record["identity"])
    record_path(other, entry["id"]).write_text(json.dumps(record))
    manifest_path(other).write_text(json.dumps(manifest))
    shutil.copy(next((other / "models").iterdir()), model_path(other, entry["id"]))
    with pytest.raises(InputError, match=r"not the features that .* was trained on"):
        picture(other)
