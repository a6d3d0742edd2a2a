"""`python -m benchmark data prepare`: from the archives as their owners distribute them to a feature file."""

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli import interrupts
from benchmark.cli.data import Folder, attribute_vectors_of, free_target, summary
from benchmark.cli.interrupts import INTERRUPTED
from benchmark.progress import Progress, progress
from dazle.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dazle.datasets.raw import RawDataset

# What each reader is given beside the images; the others' options are refused, not ignored.
OPTIONS = {
    "cub": ("splits", "split"),
    "sun": ("splits",),
    "awa2": ("splits",),
    "deepfashion": ("annotations", "class_vectors"),
}
REQUIRED = {
    "splits": "the folder of the xlsa17 archive with att_splits.mat",
    "annotations": "the folder with list_category_img.txt and the others",
}


def prepare(
    dataset: Annotated[str, typer.Argument(help="cub, sun, awa2 or deepfashion.")],
    images: Annotated[Path, typer.Option(help="Folder of the owners' images.")],
    splits: Annotated[Path | None, typer.Option(help="Folder of xlsa17 (not for deepfashion).")] = None,
    annotations: Annotated[Path | None, typer.Option(help="Folder of deepfashion's text files.")] = None,
    name: Annotated[str | None, typer.Option(help="What to call it; the dataset's name where left out.")] = None,
    split: Annotated[str | None, typer.Option(help="proposed or standard (cub, T1 only).")] = None,
    class_vectors: Annotated[str | None, typer.Option(help="train-only or paper (deepfashion).")] = None,
    word_vectors: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]FILE", help="Word vectors, or .npy (A, d); word2vec without a NAME. Repeatable."),
    ] = None,
    combine: Annotated[str, typer.Option(help="sum or average the words of an attribute's name.")] = "sum",
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Fill attributes without any vector.")] = False,
    backbone: Annotated[str, typer.Option(help="A torchvision classifier or efficientnet-lite0.")] = "resnet101",
    weights: Annotated[Path | None, typer.Option(help="Its weights, where nothing can be downloaded.")] = None,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave out images that are not readable.")] = False,
    data: Folder = Path("data"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace features of the same name.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Images at once.")] = 32,
) -> None:
    """Check a dataset's archives, extract its regions, and write NAME.h5; the same command continues."""
    from benchmark.machine import choose_device
    from dazle.datasets.prepare import prepare as write_features
    from dazle.extraction.backbones import load_backbone
    from dazle.features.feature_file import check_identity
    from dazle.features.word_vectors import check_missing

    given = {"splits": splits, "annotations": annotations, "split": split, "class_vectors": class_vectors}
    options = _options(dataset, given)
    name = name or dataset
    check_identity(name, dataset, "real")
    target = free_target(data, name, overwrite)
    chosen = choose_device(device)
    with progress(name) as update:
        told = _Extraction(update)
        if dataset == "deepfashion":  # its lists take minutes
            options["progress"] = partial(told, "reading lists of")
        raw: RawDataset = importlib.import_module(f"dazle.datasets.{dataset}").read(images, name=name, **options)
        for line in raw.notes:
            print(f"  {line}")
        raw = _with_vectors(
            raw,
            word_vectors or [],
            partial(
                attribute_vectors_of,
                combine=combine,
                allow_missing=allow_missing,
                progress=partial(told, "reading vectors for"),
            ),
        )
        for key in raw.semantics:
            check_missing(raw.semantics[key], raw.attribute_names, f"{name}, semantics {key}", allow_missing)
        # Weights may have to be downloaded: not before the archives are known to be right.
        network = load_backbone(backbone, weights, chosen)
        try:
            features = write_features(raw, network, target, skip_broken=skip_broken, batch=batch, progress=told)
        except KeyboardInterrupt:
            interrupts.say()
            raise typer.Exit(INTERRUPTED) from None
    if rate := told.rate():
        print(rate)
    print(summary(features))
    print(f"  written to {target}: {target.stat().st_size / 1e6:,.0f} MB")


def _options(dataset: str, given: dict[str, Any]) -> dict[str, Any]:
    """What the dataset's reader takes, without what was left out."""
    if dataset not in OPTIONS:
        raise InputError(f"dataset {dataset!r}: use one of {', '.join(OPTIONS)}")
    for key, value in given.items():
        if value is not None and key not in OPTIONS[dataset]:
            raise InputError(f"--{key.replace('_', '-')} {value}: is not for {dataset}; leave it out")
    for key in OPTIONS[dataset]:
        if key in REQUIRED and given[key] is None:
            raise InputError(f"{dataset}: --{key} is missing; give {REQUIRED[key]}")
    return {key: value for key, value in given.items() if value is not None}


def _with_vectors(
    raw: "RawDataset",
    words: Sequence[str],
    read: "Callable[[Sequence[str], Path], tuple[NDArray[Any], dict[str, str]]]",
) -> "RawDataset":
    """The dataset with attribute vectors from the user's files, and what they are in its provenance."""
    from benchmark import __version__

    brought: dict[str, NDArray[Any]] = {}
    described: dict[str, dict[str, str]] = {}
    for word in words:
        name, file = _named_file(word)
        if name in brought:
            raise InputError(f"--word-vectors {word}: {name} is given twice; write OTHERNAME={file}")
        brought[name], described[name] = read(raw.attribute_names, file)
        about = "; ".join(f"{key.replace('_', ' ')} {value}" for key, value in described[name].items())
        print(f"  semantics {name}: {about}" + ", in place of what lay beside" * (name in raw.semantics))
    semantics = raw.semantics | brought
    if not semantics:
        print("  no attribute vectors: only `random` and `one-hot` semantics will run; bring some with --word-vectors")
    made = {"word_vectors": described, "package": __version__}
    # What lay beside the archives, or did not, is not what the file has.
    overtaken = {"semantics"} if brought and raw.semantics.keys() <= brought.keys() else set()
    kept = {key: value for key, value in raw.provenance.items() if key not in overtaken}
    return replace(raw, semantics=semantics, provenance=kept | made)


def _named_file(word: str) -> tuple[str, Path]:
    """`glove=FILE`, or a file alone, which is `word2vec`."""
    from dazle.features.feature_file import check_semantics_name

    name, equals, file = word.partition("=")
    if not equals or Path(word).exists():
        return "word2vec", Path(word)
    check_semantics_name(name)
    return name, Path(file)


class _Extraction:
    """Passes progress on and remembers how fast images were extracted: a run that continues counts only its own."""

    def __init__(self, told: Progress) -> None:
        self.told = told
        self.seen: list[tuple[float, int]] = []

    def __call__(self, doing: str, done: int, of: int) -> None:
        if doing == "extracting":
            self.seen.append((time.monotonic(), done))
        self.told(doing, done, of)

    def rate(self) -> str | None:
        if not self.seen or self.seen[0][1] == self.seen[-1][1]:
            return None
        (started, first), (ended, last) = self.seen[0], self.seen[-1]
        seconds = ended - started
        return f"  extracted {last - first:,} images in {seconds:,.0f} s, {(last - first) / seconds:,.1f} images/s"
