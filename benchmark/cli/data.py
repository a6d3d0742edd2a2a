"""The commands of `data`: prepare, import, simulate, list and check features, and add attribute vectors.

Prepared features are the files DATA/NAME.h5.

Packages that load slowly are imported inside the commands, so that `--help` answers at once.
"""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from benchmark.cells.datasets import data_folder, prepared_files
from benchmark.cells.options import Data, Option, read_grid
from benchmark.cli.options import Group, register
from benchmark.progress import progress
from dazle.config import DATASETS
from dazle.datasets.spec import names
from dazle.errors import InputError, suggestion, unknown

if TYPE_CHECKING:
    import numpy as np

    from dazle.features.feature_set import FeatureSet

app = typer.Typer(
    cls=Group,
    help="Prepare, import and simulate features, add attribute vectors, list and check features.",
    rich_markup_mode=None,
)

# Literal needs constants for mypy; the names are those of the files in dazle/datasets/specs.
if TYPE_CHECKING:
    DatasetName = str
else:
    DatasetName = Literal[names()]
Prepared = Annotated[str | None, Option("Prepared dataset.", positional=True, default_text="all of them")]
AllowMissing = Annotated[bool, Option("Accept attributes without a vector; their vectors are zero.")]
Combine = Annotated[Literal["sum", "average"], Option("Sum or average of the word vectors of an attribute's name.")]
Overwrite = Annotated[bool, Option("Replace features of the same name.")]


@register(app, "import")
def import_file(
    file: Annotated[Path, Option("HDF5 file in the layout that DAZLE, MSDN and TransZero share.", positional=True)],
    name: Annotated[str, Option("Name of the dataset here: a-z, 0-9, - and _.", "NAME")],
    preset: Annotated[
        DatasetName, Option("Dataset whose settings are used in training; own: the defaults of each method.")
    ],
    data: Data = None,
    semantics: Annotated[
        Sequence[str],
        Option("Attribute vectors (A, d) under a name. Repeatable.", "NAME=FILE.npy", repeatable=True),
    ] = (),
    backbone: Annotated[str | None, Option("Backbone, if the file's name does not contain it.", "NAME")] = None,
    grid: Annotated[
        tuple[int, int] | None,
        Option("Rows and columns of the regions, if the file does not contain them.", "HxW", read=read_grid),
    ] = None,
    allow_missing: AllowMissing = False,
    overwrite: Overwrite = False,
) -> None:
    """Turn a file of region features into NAME.h5."""
    from dazle.datasets.import_reference import import_reference
    from dazle.features.feature_file import check_identity

    check_identity(name, preset, "real")
    target = free_target(data, name, overwrite)
    started = time.monotonic()
    with progress(name) as update:
        features = import_reference(
            file, target, name=name, preset=preset, backbone=backbone, grid=grid,
            semantics=named_files("--semantics", semantics), allow_missing=allow_missing,
            progress=partial(update, "importing"),
        )  # fmt: skip
    print(summary(features))
    seconds, size = time.monotonic() - started, target.stat().st_size / 1e6
    print(f"  written to {target}: {size:,.0f} MB in {seconds:.0f} s")


@register(app, "add-semantics")
def add_semantics(
    name: Annotated[str, Option("Prepared dataset that gets the vectors.", positional=True)],
    semantics: Annotated[
        Sequence[str],
        Option("A .npy file (A, d), or word vectors (word2vec or GloVe). Repeatable.", "NAME=FILE", repeatable=True),
    ],
    data: Data = None,
    combine: Combine = "sum",
    allow_missing: AllowMissing = False,
    overwrite: Annotated[bool, Option("Replace vectors of the same name.")] = False,
) -> None:
    """Add attribute vectors to a prepared dataset. `--set model.semantics=NAME` and variants like `glove` use them."""
    from dazle.features.added_semantics import add, side_file
    from dazle.features.feature_file import check_semantics_name, open_features

    [path] = prepared(data, name)
    features = open_features(path, added=False)
    for key, file in named_files("--semantics", semantics).items():
        check_semantics_name(key)
        if key in features.semantics:
            raise InputError(f"{path}: has {key} of its own; give the vectors of {file} another name")
        if side_file(path, key).exists() and not overwrite:
            raise InputError(f"{side_file(path, key)}: exists already; add --overwrite to replace it")
        with progress(file.name) as update:
            vectors, facts = attribute_vectors_of(
                features.attribute_names, file, combine, allow_missing, partial(update, "reading")
            )
        written = add(path, features, key, vectors, facts)
        print(f"{name}: {key}, {vectors.shape[0]} attributes x {vectors.shape[1]}, written to {written}")
        print("\n".join(f"  {fact.replace('_', ' ')}: {value}" for fact, value in facts.items()))


def free_target(data: Path | None, name: str, overwrite: bool) -> Path:
    """The file for features of that name. Raises InputError if it would replace a file that is there."""
    from benchmark.cells.datasets import data_folder, feature_path
    from dazle.features.added_semantics import side_files

    target = feature_path(data_folder(data), name)
    if target.exists() and not overwrite:
        raise InputError(f"{target}: exists already; add --overwrite to replace it, or use another --name")
    vectors = side_files(target)
    if vectors:
        raise InputError(
            f"{vectors[0]}: was added to the features that this replaces; move it away, and add it again afterwards"
        )
    return target


def attribute_vectors_of(
    names: Sequence[str], file: Path, combine: str, allow_missing: bool, progress: Callable[[int, int], object]
) -> "tuple[np.ndarray, dict[str, str]]":
    """(A, d) float32 from a .npy file or a file of word vectors, and facts about their origin."""
    from dazle.datasets.npy_semantics import read_npy
    from dazle.features.word_vectors import attribute_vectors, check_missing

    if file.suffix == ".npy":
        vectors = read_npy(file)
        check_missing(vectors, names if len(names) == len(vectors) else (), file, allow_missing)
        return vectors, {"file": file.name}
    if not names:
        raise InputError(f"{file}: the names of the attributes are not known; give vectors as .npy (A, d)")
    vectors, unknown = attribute_vectors(names, file, combine, allow_missing, progress)
    return vectors, {"file": file.name, "combined_by": combine, "words_without_a_vector": ", ".join(unknown) or "none"}


@register(app)
def simulate(
    name: Annotated[
        str | None,
        Option("cub, sun, awa2 or deepfashion; --full needs one of them.", positional=True, default_text="all four"),
    ] = None,
    full: Annotated[bool, Option("Write NAME-full.h5, which has the exact size of the real dataset.")] = False,
    data: Data = None,
    overwrite: Overwrite = False,
) -> None:
    """Describe the simulated datasets. With --full, write one as large as the real dataset."""
    from dazle.datasets.simulated import SHAPES
    from dazle.datasets.simulated import simulate as simulated

    if name is not None and name not in SHAPES:
        raise unknown("simulated dataset", name, SHAPES)

    if full:
        _simulate_full(name, data, overwrite)
        return
    print("simulated datasets are made on the fly by `run`; nothing is written (--full writes one of the real size)")
    for dataset in (name,) if name else SHAPES:
        print(summary(simulated(dataset)))


def _simulate_full(name: str | None, data: Path | None, overwrite: bool) -> None:
    if name is None:
        raise InputError(f"simulate --full: name one of {', '.join(DATASETS)}")
    from dazle.datasets.full_size import full_size
    from dazle.features.feature_file import open_features, write

    features = full_size(name)
    target = free_target(data, features.name, overwrite)
    started = time.monotonic()
    with progress(features.name) as update:
        write(target, features, partial(update, "writing"))
    print(summary(open_features(target)))
    seconds, size = time.monotonic() - started, target.stat().st_size / 1e6
    print(f"  written to {target}: {size:,.0f} MB in {seconds:.0f} s")


@register(app)
def info(name: Prepared = None, data: Data = None) -> int:
    """Show prepared features: sizes, splits, origin."""
    from dazle.features.feature_file import open_features

    return _for_prepared(data, name, lambda path: print(summary(open_features(path))))


@register(app, "verify")
def verify_files(name: Prepared = None, data: Data = None) -> int:
    """Check prepared features completely. Reads all: checksums, fingerprint, unit lengths, splits."""
    from dazle.features.feature_file import verify

    def check(path: Path) -> None:
        with progress(path.stem) as update:
            features = verify(path, partial(update, "verifying"))
        print(f"{path.stem}: ok, {len(features.labels):,} images, fingerprint {features.fingerprint[:12]}")

    return _for_prepared(data, name, check)


def summary(features: "FeatureSet") -> str:
    """A few lines on the features: source, sizes, counts beside the published ones, class folds, attribute vectors."""
    from dazle.datasets.published_counts import counts, has_published_counts, published_counts
    from dazle.features.word_vectors import attributes_without_vector

    rows, columns = features.grid
    lines = [
        f"{features.name}: {features.source} features, preset {features.preset}, {features.backbone}, "
        f"{rows} x {columns} regions of {features.regions.shape[2]:,} channels",
        "  " + ", ".join(f"{key} {number:,}" for key, number in counts(features).items()),
    ]
    if has_published_counts(features):
        lines.append("  exactly the published counts")
    elif not features.test_seen.size:
        lines.append("  no image of a seen class is tested: T1 and U are all there is")
    elif features.source == "real" and published_counts(features.preset):
        published = ", ".join(f"{key} {number:,}" for key, number in published_counts(features.preset).items())
        lines.append(f"  differs from the published counts (a subset?): {published}")
    sizes = ", ".join(f"{len(fold.train_classes)} + {len(fold.validation_classes)}" for fold in features.folds)
    lines.append(f"  class folds (train + validation classes): {sizes}")
    vectors = ", ".join(f"{name} ({array.shape[1]})" for name, array in features.semantics.items())
    lines.append(f"  semantics: {vectors or 'none'}; fingerprint {features.fingerprint[:12]}")
    for name, array in features.semantics.items():
        zero = attributes_without_vector(array, features.attribute_names)
        if zero:
            lines.append(f"  {name} has no vector for {len(zero)} attributes, which start from zero: {', '.join(zero)}")
    lines += [f"  {key.replace('_', ' ')}: {value}" for key, value in features.provenance.items() if value != {}]
    return "\n".join(lines)


def named_files(flag: str, words: Sequence[str], default: str | None = None) -> dict[str, Path]:
    """The files of `NAME=FILE` words by name; with `default`, a file without a name has that name."""
    files: dict[str, Path] = {}
    for word in words:
        name, equals, file = word.partition("=")
        if default is not None and (not equals or Path(word).exists()):
            name, file = default, word
        if not file:
            raise InputError(f"{flag} {word}: write NAME=FILE")
        if name in files:
            raise InputError(f"{flag} {word}: {name} is given twice; write OTHERNAME={file}")
        files[name] = Path(file)
    return files


def _for_prepared(data: Path | None, name: str | None, action: Callable[[Path], None]) -> int:
    """Does the action for one or all prepared files. A bad file is one line on stderr, and then the exit code is 2."""
    code = 0
    for path in prepared(data, name):
        try:
            action(path)
        except InputError as error:
            print(error, file=sys.stderr)
            code = 2
    return code


def prepared(data: Path | None, name: str | None) -> list[Path]:
    """The file of the prepared dataset of that name, or all files. Raises InputError if there is none."""
    folder = data_folder(data)
    paths = prepared_files(folder)
    if not paths:
        raise InputError(f"{folder}: no prepared features; import some with `data import`, or give --data")
    if name is None:
        return paths
    names = [path.stem for path in paths]
    if name not in names:
        raise InputError(f"{folder}: no features named {name!r}; {suggestion(name, names)}")
    return [paths[names.index(name)]]
