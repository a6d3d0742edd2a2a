"""`python -m benchmark data`: bring features in, say what is there, check that it is whole.

Prepared features live in one folder as NAME.h5. Everything heavy is imported inside the commands, so that
`--help` answers at once. Bad input is an InputError; the main command line makes it one line and exit code 2.
"""

import difflib
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.progress import progress
from dazle.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from dazle.features.feature_set import FeatureSet

app = typer.Typer(help="Bring features in, look at them, check them.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--data", envvar="DAZLE_DATA", help="Folder of the prepared features.")]
Prepared = Annotated[str | None, typer.Argument(help="A prepared dataset; all of them where none is named.")]


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="HDF5 in the layout DAZLE, MSDN and TransZero share.")],
    name: Annotated[str, typer.Option(help="What to call it: a-z, 0-9, - and _.")],
    preset: Annotated[str, typer.Option(help="Whose settings to train with: cub, sun, awa2 or deepfashion.")],
    data: Folder = Path("data"),
    semantics: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE.npy", help="Attribute vectors (A, d). Repeatable.")
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="Where the file's name does not say it.")] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Attributes without a vector start from zero.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace features of the same name.")] = False,
) -> None:
    """Turn a file of region features into NAME.h5 and say what was found."""
    from dazle.datasets.import_reference import import_reference
    from dazle.features.feature_file import check_identity

    check_identity(name, preset, "real")
    target = free_target(data, name, overwrite)
    started = time.monotonic()
    with progress(name) as update:
        features = import_reference(
            file, target, name=name, preset=preset, backbone=backbone,
            semantics=_named_files(semantics or []), allow_missing=allow_missing, progress=partial(update, "importing"),
        )  # fmt: skip
    print(summary(features))
    seconds, size = time.monotonic() - started, target.stat().st_size / 1e6
    print(f"  written to {target}: {size:,.0f} MB in {seconds:.0f} s")


@app.command("add-semantics")
def add_semantics(
    name: Annotated[str, typer.Argument(help="The prepared dataset that gets the vectors.")],
    semantics: Annotated[
        list[str], typer.Option(metavar="NAME=FILE", help="A .npy file (A, d), or word vectors (word2vec or GloVe).")
    ],
    data: Folder = Path("data"),
    combine: Annotated[str, typer.Option(help="The words of an attribute's name: sum or average.")] = "sum",
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Attributes without a vector start from zero.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace vectors of the same name.")] = False,
) -> None:
    """Give a prepared dataset further attribute vectors, for `--set model.semantics=NAME` and rows such as `glove`."""
    from dazle.features.added_semantics import add, side_file
    from dazle.features.feature_file import check_semantics_name, open_features

    [path] = _prepared(data, name)
    features = open_features(path, added=False)
    for key, file in _named_files(semantics).items():
        check_semantics_name(key)
        if key in features.semantics:
            raise InputError(f"{path}: has {key} of its own; give the vectors of {file} another name")
        if side_file(path, key).exists() and not overwrite:
            raise InputError(f"{side_file(path, key)}: exists already; add --overwrite to replace it")
        with progress(file.name) as update:
            vectors, about = attribute_vectors_of(
                features.attribute_names, file, combine, allow_missing, partial(update, "reading")
            )
        written = add(path, features, key, vectors, about)
        print(f"{name}: {key}, {vectors.shape[0]} attributes x {vectors.shape[1]}, written to {written}")
        print("\n".join(f"  {what.replace('_', ' ')}: {value}" for what, value in about.items()))


def free_target(data: Path, name: str, overwrite: bool) -> Path:
    """Where the features of that name are to be written. InputError where something is there that would be lost."""
    from dazle.features.added_semantics import side_files

    target = data / f"{name}.h5"
    if target.exists() and not overwrite:
        raise InputError(f"{target}: exists already; add --overwrite to replace it, or use another --name")
    added = side_files(target)
    if added:
        raise InputError(
            f"{added[0]}: was added to the features that this replaces; move it away, and add it again afterwards"
        )
    return target


def attribute_vectors_of(
    names: Sequence[str], file: Path, combine: str, allow_missing: bool, progress: Callable[[int, int], object]
) -> "tuple[np.ndarray, dict[str, str]]":
    """(A, d) float32 of a .npy file or from word vectors, and where they come from."""
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


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(help="cub, sun, awa2 or deepfashion; all where left out.")] = "",
    full: Annotated[bool, typer.Option("--full", help="Write NAME-full.h5, of the real dataset's exact size.")] = False,
    data: Folder = Path("data"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what has that name.")] = False,
) -> None:
    """Say what the simulated datasets are; with --full write one as large as the real one."""
    from dazle.config import DATASETS
    from dazle.datasets.simulated import simulate as small

    if full:
        _simulate_full(name, data, overwrite)
        return
    if name and name not in DATASETS:
        raise InputError(f"simulate {name!r}: there are {', '.join(DATASETS)}")
    print("simulated datasets are made on the fly by `run`; nothing is written (--full writes one of the real size)")
    for each in (name,) if name else DATASETS:
        print(summary(small(each)))


def _simulate_full(name: str, data: Path, overwrite: bool) -> None:
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


@app.command()
def info(name: Prepared = None, data: Folder = Path("data")) -> None:
    """Say what is prepared: sizes, splits, where it comes from."""
    from dazle.features.feature_file import open_features

    _each(data, name, lambda path: print(summary(open_features(path))))


@app.command("verify")
def verify_files(name: Prepared = None, data: Folder = Path("data")) -> None:
    """Read prepared features completely: checksums, fingerprint, unit lengths, splits."""
    from dazle.features.feature_file import verify

    def check(path: Path) -> None:
        with progress(path.stem) as update:
            features = verify(path, partial(update, "verifying"))
        print(f"{path.stem}: ok, {len(features.labels):,} images, fingerprint {features.fingerprint[:12]}")

    _each(data, name, check)


def summary(features: "FeatureSet") -> str:
    """A few lines for a person: what the features are, their counts beside the published ones, folds."""
    from dazle.datasets.published_counts import PUBLISHED, counts, has_published_counts
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
    elif features.source == "real":
        published = ", ".join(f"{key} {number:,}" for key, number in PUBLISHED[features.preset].items())
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


def _named_files(pairs: list[str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for pair in pairs:
        name, equals, file = pair.partition("=")
        if not equals or not file:
            raise InputError(f"--semantics {pair}: write NAME=FILE")
        if name in files:
            raise InputError(f"--semantics {pair}: {name} is given twice; use another name")
        files[name] = Path(file)
    return files


def _each(data: Path, name: str | None, action: Callable[[Path], None]) -> None:
    """Do it for one or all prepared files; a bad file is one line on stderr, and in the end exit code 2."""
    bad = False
    for path in _prepared(data, name):
        try:
            action(path)
        except InputError as error:
            print(error, file=sys.stderr)
            bad = True
    if bad:
        raise typer.Exit(2)


def _prepared(data: Path, name: str | None) -> list[Path]:
    found = sorted(path for path in data.glob("*.h5") if not path.name.startswith("."))
    if not found:
        raise InputError(f"{data}: no prepared features; bring some in with `data import`, or give --data")
    if name is None:
        return found
    names = [path.stem for path in found]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(names)}"
        raise InputError(f"{data}: no features named {name!r}; {hint}")
    return [found[names.index(name)]]
