"""The attention figure of one image: from a saved model, its record and the features to maps with a caption.

A model file holds numbers alone. The record of its cell holds their settings, and both are checked against the features
before anything is computed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cells.datasets import data_folder, feature_path
from benchmark.cells.folder import OutputFolder, model_path
from benchmark.cells.records import Point, Record
from benchmark.reporting.options import AttentionOptions
from dazle.errors import InputError, suggestion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dazle.config import Settings
    from dazle.features.feature_set import FeatureSet
    from dazle.method.model import Model
    from reports.figures.attention import AttributeMap
    from reports.figures.style import Picture


def attention_picture(options: AttentionOptions) -> "Picture":
    """The figure. Raises InputError if the run, dataset, row, model or image is missing, or if they do not match."""
    from dazle.config import Settings
    from reports.figures.attention import attention
    from reports.figures.style import style
    from reports.table import slug

    record = _record(options)
    settings = Settings().changed(record.identity["settings"])
    if settings.model.region_attention == "uniform":
        raise InputError(f"--variant {options.variant}: its attention is uniform and points nowhere")
    features = _features(options, record)
    image = image_index(features, options.image)
    photograph = None if options.images is None else _photograph(features, image, options.images)
    model, point = _model(options, record, features)
    maps, position = _maps(model, features, image, settings, point.margin, options.top)
    name = features.image_files[image] if features.image_files else f"image {image}"
    title = f"{features.name}, {name}: {options.variant}, seed {options.seed}"
    caption = _caption(features, image, position, point, record)
    stem = slug("attention", features.name, str(image), options.variant)
    with style():
        return attention(maps, photograph, stem, title, caption, features.source)


def _record(options: AttentionOptions) -> Record:
    folder = OutputFolder.read(options.out)
    cells = {cell.place: cell.id for cell in folder.manifest.cells}
    datasets = list(dict.fromkeys(dataset for _, dataset, _ in cells))
    variants = list(dict.fromkeys(variant for variant, dataset, _ in cells if dataset == options.dataset))
    for option, name, names in (
        ("--dataset", options.dataset, datasets),
        ("--variant", options.variant, variants),
    ):
        if name not in names:
            raise InputError(f"{option} {name!r} is not in {options.out}; {suggestion(name, names)}")
    cell = cells.get((options.variant, options.dataset, options.seed))
    if cell is None:
        seeds = ", ".join(str(seed) for *row, seed in cells if row == [options.variant, options.dataset])
        raise InputError(f"--seed {options.seed} is not in {options.out}; it has {seeds}")
    state = folder.states[cell]
    if state.status == "missing" and state.reason is not None:
        raise InputError(state.reason)
    if state.record is None or not model_path(options.out, cell).is_file():
        raise InputError(
            f"{options.out} holds no model of {options.variant} on {options.dataset}, seed {options.seed}; "
            "run it into another --out with --save-models"
        )
    return state.record


def _features(options: AttentionOptions, record: Record) -> "FeatureSet":
    from benchmark.cells.datasets import load_features

    path = feature_path(data_folder(options.data), options.dataset)
    features = load_features(options.dataset, path if path.is_file() else None, 0)
    if features.fingerprint != record.identity["features"]:
        raise InputError(f"{options.dataset}: not the features that {options.out} was trained on; give their --data")
    return features


def image_index(features: "FeatureSet", image: str) -> int:
    """The index of the image with that index or file name. InputError names the range, or the nearest name."""
    count = len(features.labels)
    if image.isdecimal():
        if int(image) < count:
            return int(image)
        raise InputError(f"--image {image}: {features.name} has images 0 to {count - 1}")
    if image in features.image_files:
        return features.image_files.index(image)
    if not features.image_files:
        raise InputError(f"--image {image!r}: {features.name} has no file names; give an index, 0 to {count - 1}")
    raise InputError(f"--image {image!r} is not in {features.name}; {suggestion(image, features.image_files)}")


def _photograph(features: "FeatureSet", image: int, folder: Path) -> "NDArray[np.floating]":
    """(size, size, 3) in 0..1, resized and cropped as for the backbone, so that the grid of regions fits it."""
    import numpy as np

    from dazle.extraction.images import read_image
    from dazle.extraction.preparation import Preparation

    preparation = Preparation.named(str(features.provenance.get("preparation")))
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


def _model(options: AttentionOptions, record: Record, features: "FeatureSet") -> "tuple[Model, Point]":
    """The trained model, and the point of the test curve at which its weights were saved."""
    import torch
    from safetensors import SafetensorError, safe_open

    from dazle.config import Settings
    from dazle.features.splits import final_phase
    from dazle.training.dazle import build
    from dazle.training.task import task_of

    if record.method != "dazle":
        raise InputError(f"{record.variant} is of the method {record.method}, which has no attention maps; use another")
    identity = record.identity
    seed = (identity["base_seed"], features.name, record.seed)
    task = task_of(features, final_phase(features), seed, torch.device("cpu"))
    model = build(task, Settings().changed(identity["settings"]))
    path = model_path(options.out, record.id)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118  no mapping
        if metadata.get("cell") != record.id or record.test is None:
            raise ValueError(f"it names cell {metadata.get('cell')}")
        return model.eval(), record.test.curve[int(metadata["point"])]
    except (SafetensorError, RuntimeError, ValueError, LookupError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: is not the model of cell {record.id} ({reason}); train it again") from None


def _maps(
    model: "Model", features: "FeatureSet", image: int, settings: "Settings", margin: float, top: int
) -> "tuple[list[AttributeMap], int]":
    """The attributes that add most to the score of the predicted class, and the position of that class in the label
    space."""
    import numpy as np
    import torch

    from dazle.features.splits import final_phase
    from dazle.training.task import DTYPES
    from reports.figures.attention import AttributeMap

    regions = features.regions.read(np.array([image])).astype(np.float32)
    if not settings.model.normalise_regions:
        regions *= features.regions.read_norms(np.array([image]))[..., None]
    with torch.inference_mode():
        maps = model.maps(torch.from_numpy(regions).to(DTYPES[settings.training.precision]))
    alpha, evidence = (values[0].numpy() for values in maps)
    contributions = model.class_attributes.numpy() * evidence
    signs = np.where(final_phase(features).seen, -1, 1)
    position = int((contributions.sum(axis=1) + margin * signs).argmax())
    names = features.attribute_names or tuple(f"attribute {number}" for number in range(len(evidence)))
    top_attributes = np.argsort(-contributions[position], kind="stable")[:top].tolist()
    attribute_maps = [
        AttributeMap(
            names[a], float(contributions[position, a]), alpha[a].reshape(features.grid), _places(features, image, a)
        )
        for a in top_attributes
    ]
    return attribute_maps, position


def _places(features: "FeatureSet", image: int, attribute: int) -> list[tuple[int, int]]:
    """(row, column) of the regions that show a present attribute; none if it is absent, or without places."""
    places = features.places
    if places is None or not places.present[image, attribute]:
        return []
    regions = places.part_regions[image][places.attribute_parts[attribute]]
    return sorted({divmod(region, features.grid[1]) for region in regions.tolist() if region >= 0})


def _caption(features: "FeatureSet", image: int, position: int, point: Point, record: Record) -> str:
    from dazle.features.splits import final_phase

    label, predicted = int(features.labels[image]), int(final_phase(features).classes[position])
    seen = "seen" if label in features.seen_classes else "unseen"
    split = next((name for name in ("trainval", "test_seen", "test_unseen") if image in getattr(features, name)), None)
    source = "SIMULATED features" if features.source == "simulated" else f"{features.backbone} features"
    return (
        f"{source}; {split or 'no split'}; true class {_class(features, label)} ({seen}), predicted "
        f"{_class(features, predicted)} (margin {point.margin:g}). Above each map: the attribute, what it adds to the "
        "score of the predicted class, and the highest weight of a region. A square: the part that the attribute is "
        f"about, where that is known and the attribute present. Epoch {point.epoch:g} of cell {record.id}."
    )


def _class(features: "FeatureSet", label: int) -> str:
    return features.class_names[label] if features.class_names else f"class {label}"
