import errno
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmark.cells.matrix import identity_hash
from benchmark.cells.records import Record, read_record, write_record
from dazle.errors import InputError
from dazle.files import write_atomic

IDENTITY = {"dataset": "cub", "seed": 0}
ID = identity_hash(IDENTITY)


def record(**changes: object) -> Record:
    fields = {
        "id": ID, "status": "failed", "variant": "dazle", "dataset": "cub", "seed": 0, "identity": IDENTITY, "features": {},
        "environment": {}, "started": "2000-01-01T00:00:00+00:00", "seconds": 1.0, "error": "Traceback: x",
    }  # fmt: skip
    return Record(**fields | changes)


def test_written_and_read_is_the_same(tmp_path: Path) -> None:
    write_record(tmp_path / f"{ID}.json", record())
    assert read_record(tmp_path / f"{ID}.json") == record()


@pytest.mark.parametrize("keep", [0, 1, 50])
def test_a_torn_record_is_never_read_as_whole(tmp_path: Path, keep: int) -> None:
    path = tmp_path / f"{ID}.json"
    path.write_text(record().model_dump_json()[:keep])
    with pytest.raises(InputError, match=f"{ID}.json.*remove the file and run again"):
        read_record(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("seconds", float("inf")), ("status", "perhaps"), ("seed", -1), ("extra", 1), ("id", "../x"), ("version", 2)],
)
def test_what_is_wrong_in_a_record_is_named(tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / f"{ID}.json"
    path.write_text(json.dumps(json.loads(record().model_dump_json()) | {key: value}))
    with pytest.raises(InputError, match=f"{key} is not valid"):
        read_record(path)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"identity": IDENTITY | {"source": "real"}}, "the id is not that of the identity"),
        ({"seed": 1}, "dataset and seed are not those of the identity"),
        ({"dataset": "sun"}, "dataset and seed are not those of the identity"),
        ({"method": "eszsl"}, "the method is not that of the identity"),
        ({"status": "done", "test": None}, "there is no test curve"),
    ],
)
def test_a_record_that_was_changed_is_not_the_cells_any_more(tmp_path: Path, changes: dict, line: str) -> None:
    path = tmp_path / f"{ID}.json"
    path.write_text(json.dumps(json.loads(record().model_dump_json()) | changes))
    with pytest.raises(InputError, match=line):
        read_record(path)


def test_a_record_under_another_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "aaaaaaaaaaaaaaaaaaaa.json"
    write_record(path, record())
    with pytest.raises(InputError, match=f"holds the record of cell {ID}"):
        read_record(path)


def test_values_that_are_not_finite_never_get_into_a_record() -> None:
    with pytest.raises(ValidationError):
        record(seconds=float("nan"))


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")

    def broken(*_: object) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(OSError, match="disk full") as error:
        write_atomic(path, "new")
    assert error.value.filename == str(path)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"
