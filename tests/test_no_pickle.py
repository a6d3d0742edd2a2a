"""No input can make the project run code: it has no pickle and no eval, and a pickle disguised as an input is refused.

The pickled payload creates a file if it is run; the last test shows that it does.
"""

import ast
import io
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch

from benchmark.cli.main import main
from tests.dazle.datasets.archives import make_archive
from tests.dazle.features.small_features import small, write_reference

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("ablations", "benchmark", "dazle", "reports")
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "jsonpickle"}
BUILT_IN = {"eval", "exec", "compile", "__import__"}
CALLS = {"read_pickle", "to_pickle", "system", "popen", "unsafe_load"}


def faults(tree: ast.Module) -> Iterator[str]:
    """The imports and calls of a module that could run code from a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            names = {name.name for name in node.names}
            harmless = isinstance(node, ast.ImportFrom) and names == {"UnpicklingError"}
            yield from (name for name in modules if name.split(".")[0] in MODULES and not harmless)
        if isinstance(node, ast.Call):
            yield from _call(node)


def _call(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    last = called.rpartition(".")[2]
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if last in CALLS or called in BUILT_IN:
        yield called
    if called == "torch.load" and options.get("weights_only") != "True":
        yield called
    if called in ("np.load", "numpy.load") and options.get("allow_pickle") != "False":
        yield called
    if options.get("shell") == "True":
        yield f"{called} with a shell"


def test_no_code_of_the_project_can_run_what_a_file_says() -> None:
    paths = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert len(paths) > 60
    faults_by_file = {str(path): list(faults(ast.parse(path.read_text("utf-8")))) for path in paths}
    assert {path: names for path, names in faults_by_file.items() if names} == {}


@pytest.mark.parametrize(
    "line",
    ["import pickle", "from pickle import loads", "import joblib", "eval(x)", "pd.read_pickle(x)", "torch.load(x)",
     "torch.load(x, weights_only=False)", "np.load(x)", "np.load(x, allow_pickle=True)", "os.system(x)",
     "subprocess.run(x, shell=True)", "__import__(x)"],
)  # fmt: skip
def test_the_search_finds_a_line_that_could_run_code(line: str) -> None:
    assert list(faults(ast.parse(line)))


class Payload:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.canary,)


def plain(payload: Payload) -> bytes:
    return pickle.dumps(payload)


def array(payload: Payload) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([payload], object), allow_pickle=True)
    return stream.getvalue()


def saved(payload: Payload) -> bytes:
    stream = io.BytesIO()
    torch.save({"weight": payload}, stream)
    return stream.getvalue()


def archive(payload: Payload) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("data.pkl", pickle.dumps(payload))
        file.writestr("att.npy", array(payload))
    return stream.getvalue()


def matlab(payload: Payload) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, {"att": np.frombuffer(pickle.dumps(payload), "u1"), "allclasses_names": "x"})
    return stream.getvalue()


def hdf5(payload: Payload) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for key in ("feature_map", "regions", "labels"):
            file[key] = np.void(pickle.dumps(payload))
        file.attrs["provenance"] = np.void(pickle.dumps(payload))
    return stream.getvalue()


DISGUISES = (plain, array, saved, archive, matlab, hdf5)


def features(folder: Path) -> None:
    from dazle.features.feature_file import write

    write(folder / "data" / "small.h5", small(attribute_names=tuple("abcde")))


def reference(folder: Path) -> None:
    write_reference(folder / "a_ResNet_101.hdf5")


def archive_of_cub(folder: Path) -> None:
    np.save(make_archive(folder, "cub").splits / "w2v.npy", np.ones((5, 2), np.float32))


IMPORT = "data import {} --name x --preset cub --data {folder}/out"
# The file that is a pickle, the command that reads it, and a function that writes the other files it needs.
INPUTS: dict[str, tuple[str, str, Callable[[Path], None] | None]] = {
    "features to import": ("a.hdf5", IMPORT, None),
    "vectors to import": (
        "v.npy",
        "data import {folder}/a_ResNet_101.hdf5 --name x --preset cub --semantics g={} --data {folder}/out",
        reference,
    ),
    "vectors to add": ("v.npy", "data add-semantics small --semantics glove={} --data {folder}/data", features),
    "word vectors": ("v.bin", "data add-semantics small --semantics glove={} --data {folder}/data", features),
    "prepared features": ("data/small.h5", "data verify --data {folder}/data", None),
    "vectors beside features": ("data/small.semantics-glove.safetensors", "data info --data {folder}/data", features),
    "weights": (
        "w.pth",
        "data prepare cub --images {folder}/CUB_200_2011 --splits {folder}/xlsa17/data/CUB --data {folder}/out --name x "
        "--backbone efficientnet-lite0 --weights {}",
        archive_of_cub,
    ),
    "manifest": ("run/manifest.json", "status {folder}/run", None),
    "manifest to report": ("run/manifest.json", "report {folder}/run", None),
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("kind", INPUTS)
def test_a_pickle_in_disguise_is_refused_and_not_run(
    kind: str, disguise: Callable[[Payload], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    name, command, write_others = INPUTS[kind]
    if write_others is not None:
        (tmp_path / "data").mkdir(exist_ok=True)
        write_others(tmp_path)
    path, canary = tmp_path / name, tmp_path / "canary"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(disguise(Payload(canary)))
    monkeypatch.setattr("sys.argv", ["benchmark", *(word.format(path, folder=tmp_path) for word in command.split())])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert not canary.exists()
    stderr = capsys.readouterr().err
    assert stderr.count("\n") == 1
    assert path.name in stderr


@pytest.mark.parametrize("disguise", DISGUISES)
def test_archives_and_records_too(disguise: Callable[[Payload], bytes], tmp_path: Path) -> None:
    from benchmark.cells.records import read_record
    from dazle.datasets.npy_semantics import find_word2vec
    from dazle.datasets.xlsa17_splits import read_splits
    from dazle.errors import InputError
    from dazle.extraction.images import read_image
    from dazle.extraction.weights import read_state

    canary = tmp_path / "canary"
    content = disguise(Payload(canary))
    for name in ("att_splits.mat", "w2v.npy", "00000000000000000000.json", "image.jpg", "weights.pth"):
        (tmp_path / name).write_bytes(content)
    for attempt in (
        lambda: read_splits(tmp_path),
        lambda: find_word2vec([tmp_path], 5),
        lambda: read_record(tmp_path / "00000000000000000000.json"),
        lambda: read_image(tmp_path / "image.jpg"),
        lambda: read_state(tmp_path / "weights.pth"),  # without the hash, which would refuse it
    ):  # fmt: skip
        with pytest.raises(InputError) as error:
            attempt()
        assert str(error.value).isprintable()
    assert not canary.exists()


@pytest.mark.parametrize(
    "read",
    [
        lambda content: pickle.loads(content(plain)),  # noqa: S301
        lambda content: np.load(io.BytesIO(content(array)), allow_pickle=True),
        lambda content: torch.load(io.BytesIO(content(saved)), weights_only=False),
    ],
    ids=["pickle", "numpy", "torch"],
)
def test_the_payload_would_run(read: Callable[[Callable[..., bytes]], object], tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    read(lambda disguise: disguise(Payload(canary)))
    assert canary.exists()
