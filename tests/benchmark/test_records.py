import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmark.files import write_atomic
from benchmark.records import Record, read_record, write_record
from dazle.errors import InputError

ID = "0123456789abcdef0123"


def record(**changes: object) -> Record:
    fields = {
        "id": ID, "status": "failed", "variant": "dazle", "dataset": "cub", "seed": 0, "identity": {}, "features": {},
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
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, "new")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"
