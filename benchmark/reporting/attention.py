"""From a saved model and an image to what its attention figure shows.

The rule a caller must know: a model file is no more than numbers; what they belong to is in the record of its cell, and
both are checked against the features before anything is computed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cells import folder as store
from benchmark.cells.datasets import data_folder, feature_path
from benchmark.cells.records import Point, Record, read_record
from dazle.errors import InputError, suggestion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dazle.config import Settings
    from dazle.features.feature_set import FeatureSet
    from dazle.method.model import Model
    from reports.figures.attention import AttributeMap
    from reports.figures.style import Picture


@dataclass(frozen=True)
class Question:
    """What `attention` was asked."""

    out: Path
    dataset: str
    image: str  # an index, or the name of a file
    variant: str = "dazle"
    seed: int = 0
    top: int = 6
    images: Path | None = None
    data: Path | None = None


def answer(question: Question) -> "Picture":
    """The figure. Raises InputError for whatever is not there or does not belong together."""
    from dazle.config import Settings
    from reports.figures.attention import attention
    from reports.figures.style import style
    from reports.table import slug

    if question.top < 1:
        raise InputError(f"--top {question.top}: at least one attribute has to be shown")
    record = _record(question)
    settings = Settings().changed(record.identity["settings"])
    if settings.model.region_attention == "uniform":
        raise InputError(f"--variant {question.variant}: its attention is uniform and points nowhere")
    features = _features(question, record)
    image = image_index(features, question.image)
    photograph = None if question.images is None else _photograph(features, image, question.images)
    model, point = _model(question, record, features)
    maps, best = _maps(model, features, image, settings, point.margin, question.top)
    name = features.image_files[image] if features.image_files else f"image {image}"
    title = f"{features.name}, {name}: {question.variant}, seed {question.seed}"
    caption = _caption(features, image, best, point, record)
    stem = slug("attention", features.name, str(image), question.variant)
    with style():
        return attention(maps, photograph, stem, title, caption, features.source)


def _record(question: Question) -> Record:
    manifest = store.read_manifest(question.out)
    cells = {(cell.dataset, cell.variant, cell.seed): cell.id for cell in manifest.cells}
    datasets = list(dict.fromkeys(cell.dataset for cell in manifest.cells))
    variants = list(dict.fromkeys(cell.variant for cell in manifest.cells if cell.dataset == question.dataset))
    for option, asked, there in (
        ("--dataset", question.dataset, datasets),
        ("--variant", question.variant, variants),
    ):
        if asked not in there:
            raise InputError(f"{option} {asked!r} is not in {question.out}; {suggestion(asked, there)}")
    cell = cells.get((question.dataset, question.variant, question.seed))
    if cell is None:
        seeds = ", ".join(str(seed) for data, row, seed in cells if (data, row) == (question.dataset, question.variant))
        raise InputError(f"--seed {question.seed} is not in {question.out}; it has {seeds}")
    path = store.record_path(question.out, cell)
    if not path.is_file() or not store.model_path(question.out, cell).is_file():
        raise InputError(
            f"{question.out} holds no model of {question.variant} on {question.dataset}, seed {question.seed}; "
            "run it into another --out with --save-models"
        )
    return read_record(path)


def _features(question: Question, record: Record) -> "FeatureSet":
    from benchmark.cells.datasets import load_features

    path = feature_path(data_folder(question.data), question.dataset)
    features = load_features(question.dataset, path if path.is_file() else None, 0)
    if features.fingerprint != record.identity["features"]:
        raise InputError(f"{question.dataset}: not the features that {question.out} was trained on; give their --data")
    return features


def image_index(features: "FeatureSet", asked: str) -> int:
    """The image with that index or file name. InputError names the range, or the nearest name."""
    count = len(features.labels)
    if asked.isdecimal():
        if int(asked) < count:
            return int(asked)
        raise InputError(f"--image {asked}: {features.name} has images 0 to {count - 1}")
    if asked in features.image_files:
        return features.image_files.index(asked)
    if not features.image_files:
        raise InputError(f"--image {asked!r}: {features.name} has no file names; give an index, 0 to {count - 1}")
    raise InputError(f"--image {asked!r} is not in {features.name}; {suggestion(asked, features.image_files)}")


def _photograph(features: "FeatureSet", image: int, folder: Path) -> "NDArray[np.floating]":
    """(size, size, 3) in 0..1, prepared as the backbone saw it, so that the grid lies where it belongs."""
    import numpy as np

    from dazle.extraction.images import read_image
    from dazle.extraction.preparation import REFERENCE, STRETCHED

    known = {preparation.name: preparation for preparation in (REFERENCE, STRETCHED)}
    preparation = known.get(str(features.provenance.get("preparation")))
    if not features.image_files or preparation is None:
        raise InputError(
            f"--images {folder}: the features of {features.name} do not say which files they are of and how these were "
            "prepared (`data prepare` keeps both); leave it out"
        )
    path = folder / features.image_files[image]
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path}: lies outside of {folder}")
    prepared = preparation(read_image(path)).permute(1, 2, 0).numpy()
    return np.clip(prepared * preparation.std + preparation.mean, 0, 1)


def _model(question: Question, record: Record, features: "FeatureSet") -> "tuple[Model, Point]":
    """The trained model, and the point of the test curve at which it was kept."""
    from safetensors import SafetensorError, safe_open

    from dazle.config import Settings
    from dazle.features.splits import final_phase
    from dazle.training.fit import build

    identity = record.identity
    seed = (identity["base_seed"], features.name, record.seed)
    model = build(features, final_phase(features), Settings().changed(identity["settings"]), *seed)
    path = store.model_path(question.out, record.id)
    try:
        with safe_open(path, "pt") as file:
            known = file.metadata() or {}
            model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118  no mapping
        if known.get("cell") != record.id or record.test is None:
            raise ValueError(f"it names cell {known.get('cell')}")
        return model.eval(), record.test.curve[int(known["point"])]
    except (SafetensorError, RuntimeError, ValueError, LookupError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: is not the model of cell {record.id} ({reason}); train it again") from None


def _maps(
    model: "Model", features: "FeatureSet", image: int, settings: "Settings", margin: float, top: int
) -> "tuple[list[AttributeMap], int]":
    """The attributes that speak most for the predicted class, and that class: its place in the label space."""
    import numpy as np
    import torch

    from dazle.features.splits import final_phase
    from dazle.training.fit import DTYPES
    from reports.figures.attention import AttributeMap

    regions = features.regions.read(np.array([image])).astype(np.float32)
    if not settings.model.normalise_regions:
        regions *= features.regions.read_norms(np.array([image]))[..., None]
    with torch.inference_mode():
        made = model.maps(torch.from_numpy(regions).to(DTYPES[settings.training.precision]))
    alpha, evidence = (each[0].numpy() for each in made)
    shares = model.class_attributes.numpy() * evidence
    signs = np.where(final_phase(features).seen, -1, 1)
    best = int((shares.sum(axis=1) + margin * signs).argmax())
    names = features.attribute_names or tuple(f"attribute {number}" for number in range(len(evidence)))
    maps = [
        AttributeMap(names[a], float(shares[best, a]), alpha[a].reshape(features.grid), _places(features, image, a))
        for a in np.argsort(-shares[best], kind="stable")[:top].tolist()
    ]
    return maps, best


def _places(features: "FeatureSet", image: int, attribute: int) -> list[tuple[int, int]]:
    """(row, column) of the regions where a present attribute is; none where it is not present, or nobody knows."""
    places = features.places
    if places is None or not places.present[image, attribute]:
        return []
    regions = places.part_regions[image][places.attribute_parts[attribute]]
    return sorted({divmod(region, features.grid[1]) for region in regions.tolist() if region >= 0})


def _caption(features: "FeatureSet", image: int, best: int, point: Point, record: Record) -> str:
    from dazle.features.splits import final_phase

    label, answered = int(features.labels[image]), int(final_phase(features).classes[best])
    seen = "seen" if label in features.seen_classes else "unseen"
    split = next((name for name in ("trainval", "test_seen", "test_unseen") if image in getattr(features, name)), None)
    source = "SIMULATED features" if features.source == "simulated" else f"{features.backbone} features"
    return (
        f"{source}; {split or 'no split'}; true class {_class(features, label)} ({seen}), predicted "
        f"{_class(features, answered)} (margin {point.margin:g}). Above each map: the attribute, what it adds to the "
        "score of the predicted class, and the highest weight of a region. A square: the part that the attribute is "
        f"about, where that is known and the attribute present. Epoch {point.epoch:g} of cell {record.id}."
    )


def _class(features: "FeatureSet", label: int) -> str:
    return features.class_names[label] if features.class_names else f"class {label}"
