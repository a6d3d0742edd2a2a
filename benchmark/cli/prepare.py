"""The command `data prepare`: from the original archives of a dataset to a feature file."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from benchmark.cells.options import POSITIVE, CommandOptions, Data, Option, read_grid
from benchmark.cli.data import (
    AllowMissing,
    Combine,
    DatasetName,
    Overwrite,
    attribute_vectors_of,
    free_target,
    named_files,
    summary,
)
from benchmark.machine import Device
from benchmark.progress import Progress, progress
from dazle.datasets.spec import DatasetSpec, names, spec
from dazle.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dazle.datasets.raw import RawDataset


# The options that only some datasets have; each is an argument of their readers.
OF_READERS = ("splits", "annotations", "split", "class_vectors", "attributes", "draw_unseen")


@dataclass(frozen=True)
class PrepareOptions(CommandOptions):
    """The archives of a dataset, the backbone, and where the features go."""

    dataset: Annotated[DatasetName, Option(f"{', '.join(names())}.", positional=True)]
    images: Annotated[Path, Option("Folder of the original images.", "FOLDER")]
    splits: Annotated[
        Path | None,
        Option(
            "Folder of the xlsa17 archive, required for cub, sun and awa2; or, for own, a CSV file with the split of "
            "each image or class.",
            "PATH",
        ),
    ] = None
    attributes: Annotated[
        Path | None, Option("CSV file with the attributes of each class; required for own.", "FILE.csv")
    ] = None
    draw_unseen: Annotated[
        int | None,
        Option(
            "Number of unseen classes that are drawn; own without --splits.",
            "N",
            default_text="three tenths of the classes",
            limits=POSITIVE,
        ),
    ] = None
    annotations: Annotated[Path | None, Option("Folder of the text files; required for deepfashion.", "FOLDER")] = None
    name: Annotated[
        str | None, Option("Name of the prepared dataset.", "NAME", default_text="the name of the dataset")
    ] = None
    split: Annotated[
        Literal["proposed", "standard"] | None,
        Option(
            "Division of the classes of cub; in `standard` no seen class is tested, so there is no S and no H.",
            default_text="proposed",
        ),
    ] = None
    class_vectors: Annotated[
        Literal["train-only", "paper"] | None,
        Option(
            "Images that a class vector of deepfashion averages; train-only: training images (of unseen classes all "
            "images); paper: all images of the class, test images included.",
            default_text="train-only",
        ),
    ] = None
    word_vectors: Annotated[
        Sequence[str],
        Option(
            "Word vectors, or a .npy file (A, d); without a NAME they are word2vec. Repeatable.",
            "[NAME=]FILE",
            repeatable=True,
        ),
    ] = ()
    combine: Combine = "sum"
    allow_missing: AllowMissing = False
    backbone: Annotated[
        str, Option("Network: a name of torchvision, timm:NAME, or efficientnet-lite0; see `list backbones`.", "NAME")
    ] = "resnet101"
    weights: Annotated[
        Path | None,
        Option("Weights of the backbone, as safetensors or as torch saves them.", "FILE", default_text="downloaded"),
    ] = None
    grid: Annotated[
        tuple[int, int] | None,
        Option(
            "Rows and columns of the regions, averages of the backbone's finer grid.",
            "HxW",
            default_text="the backbone's",
            read=read_grid,
        ),
    ] = None
    image_size: Annotated[
        int | None,
        Option("Side of the prepared image in pixels.", "N", default_text="the backbone's", limits=POSITIVE),
    ] = None
    skip_broken: Annotated[bool, Option("Leave out images that cannot be read.")] = False
    data: Data = None
    overwrite: Overwrite = False
    device: Annotated[Device, Option("Device to extract on; auto: a GPU if there is one, else the CPU.")] = "auto"
    batch: Annotated[int, Option("Number of images in one step.", "N", limits=POSITIVE)] = 32


def prepare(options: PrepareOptions) -> None:
    """Extract the features of a dataset from its archives. Checks the archives, and writes NAME.h5.

    If it is interrupted, the same command continues.
    """
    from benchmark.machine import choose_device
    from dazle.datasets.prepare import prepare as write_features
    from dazle.extraction.backbones import load_backbone
    from dazle.features.feature_file import check_identity

    reader_options = _reader_options(spec(options.dataset), options)
    name = options.name or options.dataset
    check_identity(name, options.dataset, "real")
    target = free_target(options.data, name, options.overwrite)
    device = choose_device(options.device)
    with progress(name) as update:
        extraction = _Extraction(update)
        raw = _read(options, name, reader_options, extraction)
        # The weights may have to be downloaded, so the archives are checked before.
        network = load_backbone(
            options.backbone, options.weights, device, grid=options.grid, image_size=options.image_size
        )
        features = write_features(
            raw, network, target, skip_broken=options.skip_broken, batch=options.batch, progress=extraction
        )
    if rate := extraction.rate():
        print(rate)
    print(summary(features))
    print(f"  written to {target}: {target.stat().st_size / 1e6:,.0f} MB")


def _reader_options(dataset: DatasetSpec, options: PrepareOptions) -> dict[str, Any]:
    """The options of the dataset's reader, without those that are absent; options of others are refused."""
    values = {key: getattr(options, key) for key in OF_READERS}
    for key, value in values.items():
        if value is not None and key not in (*dataset.needs, *dataset.takes):
            raise InputError(f"--{key.replace('_', '-')} {value}: is not for {dataset.name}; leave it out")
    for key, text in dataset.needs.items():
        if values[key] is None:
            raise InputError(f"{dataset.name}: --{key.replace('_', '-')} is missing; give {text}")
    return {key: value for key, value in values.items() if value is not None}


def _read(
    options: PrepareOptions, name: str, reader_options: Mapping[str, Any], extraction: "_Extraction"
) -> "RawDataset":
    """The archives as read and checked, with the attribute vectors of the user."""
    from dazle.features.word_vectors import check_missing

    dataset = spec(options.dataset)
    reading = {"progress": partial(extraction, "reading lists of")} if "progress" in dataset.takes else {}
    raw: RawDataset = dataset.read(options.images, name=name, **reader_options, **reading)
    for line in raw.notes:
        print(f"  {line}")
    read_vectors = partial(
        attribute_vectors_of,
        combine=options.combine,
        allow_missing=options.allow_missing,
        progress=partial(extraction, "reading vectors for"),
    )
    raw = _with_vectors(raw, options.word_vectors, read_vectors)
    for key in raw.semantics:
        check_missing(raw.semantics[key], raw.attribute_names, f"{name}, semantics {key}", options.allow_missing)
    return raw


def _with_vectors(
    raw: "RawDataset",
    words: Sequence[str],
    read: "Callable[[Sequence[str], Path], tuple[NDArray[Any], dict[str, str]]]",
) -> "RawDataset":
    """The dataset with the attribute vectors of the user's files, and facts about them in its provenance."""
    from benchmark import __version__
    from dazle.features.feature_file import check_semantics_name

    vectors: dict[str, NDArray[Any]] = {}
    facts: dict[str, dict[str, str]] = {}
    for name, file in named_files("--word-vectors", words, default="word2vec").items():
        check_semantics_name(name)
        vectors[name], facts[name] = read(raw.attribute_names, file)
        about = "; ".join(f"{key.replace('_', ' ')} {value}" for key, value in facts[name].items())
        print(f"  semantics {name}: {about}" + ", instead of the vectors beside the archive" * (name in raw.semantics))
    semantics = raw.semantics | vectors
    if not semantics:
        print(
            "  no attribute vectors: only `random` and `one-hot` semantics will run; bring some with "
            "--word-vectors, or later with `data add-semantics`"
        )
    provenance = dict(raw.provenance)
    if vectors and raw.semantics.keys() <= vectors.keys():
        # It describes vectors beside the archive, and the file has none of them.
        provenance.pop("semantics", None)
    provenance |= {"word_vectors": facts, "package": __version__}
    return replace(raw, semantics=semantics, provenance=provenance)


class _Extraction:
    """Passes progress on and measures the rate of extraction; a run that continues counts only its own images."""

    def __init__(self, update: Progress) -> None:
        self.update = update
        self.times: list[tuple[float, int]] = []  # and images done by then

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage == "extracting":
            self.times.append((time.monotonic(), done))
        self.update(stage, done, total)

    def rate(self) -> str | None:
        if not self.times or self.times[0][1] == self.times[-1][1]:
            return None
        (started, first), (ended, last) = self.times[0], self.times[-1]
        seconds = ended - started
        return f"  extracted {last - first:,} images in {seconds:,.0f} s, {(last - first) / seconds:,.1f} images/s"
