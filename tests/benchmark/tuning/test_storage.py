"""A journal survives being cut anywhere; a storage that cannot be opened is one line without a password."""

from pathlib import Path

import pytest

from benchmark.tuning.storage import JournalLock, open_storage, repair
from benchmark.tuning.study import open_study
from dazle.errors import InputError
from tests.benchmark.tuning.studies import read_trials, spec, tune_study


def journal(out: Path) -> Path:
    """The journal of a study of three trials."""
    tune_study(out, 3)
    return out / "journal.log"


def test_a_journal_cut_at_any_byte_of_its_last_lines_opens_again(tmp_path: Path) -> None:
    path = journal(tmp_path / "whole")
    whole = path.read_bytes()
    last_lines = whole.rstrip(b"\n").rfind(b"\n", 0, len(whole) - 200) + 1
    out = tmp_path / "cut"
    out.mkdir()
    for cut in range(last_lines, len(whole) + 1):
        for old in out.iterdir():
            old.unlink()
        (out / "journal.log").write_bytes(whole[:cut])
        assert len(read_trials(out)) == 3
        repaired = (out / "journal.log").read_bytes()
        assert repaired == whole[: whole.rfind(b"\n", 0, cut) + 1]
        copies = [copy.read_bytes() for copy in out.glob("journal.log.torn-*")]
        assert copies == ([] if repaired == whole[:cut] else [whole[:cut]])


def test_a_study_goes_on_after_a_torn_line(tmp_path: Path) -> None:
    path = journal(tmp_path)
    with path.open("ab") as file:
        file.write(b'{"op_code":5,"worker_id":"killed-1","trial_')
    tune_study(tmp_path, 5)
    assert [trial.value for trial in read_trials(tmp_path)] == [50.0] * 5


def test_a_line_torn_while_another_process_has_the_journal_open_is_cut_before_it_appends(tmp_path: Path) -> None:
    """Otherwise the torn line and the next would be one, and the journal could not be read again."""
    path = journal(tmp_path)
    study = open_study(spec(), open_storage(None, tmp_path))
    with path.open("ab") as file:
        file.write(b'{"op_code":5,"wor')
    study.ask()
    assert len(read_trials(tmp_path)) == 4
    assert len(list(tmp_path.glob("journal.log.torn-*"))) == 1


@pytest.mark.parametrize("ending", [b"\0" * 9 + b"\n", b'{"op_code":\n', b"[]\n", b"\n"])
def test_a_last_line_that_is_no_entry_is_cut_too(tmp_path: Path, ending: bytes) -> None:
    path = journal(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + ending)
    assert len(read_trials(tmp_path)) == 3
    assert path.read_bytes() == whole


@pytest.mark.parametrize("content", [b"", b'{"a":1}\n', b'{"a":1}\n{"b":' + b" " * 9000 + b"2}\n"])
def test_a_whole_journal_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.log"
    path.write_bytes(content)
    assert repair(path) is None
    assert path.read_bytes() == content


def test_every_copy_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    copies = []
    for torn in (b"one", b"two"):
        path.write_bytes(torn)
        copies.append(repair(path))
    assert [copy.read_bytes() for copy in copies if copy] == [b"one", b"two"]
    assert repair(tmp_path / "none") is None


def test_a_lock_whose_holder_died_is_free(tmp_path: Path) -> None:
    """Optuna's own lock is a file that stays behind, for half a minute."""
    import multiprocessing

    holder = multiprocessing.get_context("fork").Process(target=_hold_and_die, args=(tmp_path,))
    holder.start()
    holder.join()
    assert holder.exitcode == -9
    assert JournalLock(tmp_path / "journal.log").acquire()


def test_a_journal_is_not_cut_while_another_process_appends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.tuning.storage.JOURNAL_SECONDS", 0.2)
    path = journal(tmp_path)
    lock = JournalLock(path)
    lock.acquire()
    with path.open("ab") as file:
        file.write(b'{"op_code":5,"wor')
    appending = path.read_bytes()
    with pytest.raises(InputError, match=r"journal\.log is locked by another process"):
        open_storage(None, tmp_path)
    assert path.read_bytes() == appending
    lock.release()


def _hold_and_die(folder: Path) -> None:
    import os
    import signal

    JournalLock(folder / "journal.log").acquire()
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_journal_damaged_in_the_middle_is_one_line(tmp_path: Path) -> None:
    path = journal(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"not an entry\n", *lines[4:]]))
    with pytest.raises(InputError, match=r"journal\.log is damaged in the middle"):
        open_storage(None, tmp_path)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("no url", "is no storage URL; write it as postgresql"),
        ("oracle99://u:secret@host/db", "cannot be opened"),
        ("postgresql+psycopg://u:secret@127.0.0.1:1/db", r"postgresql\+psycopg://u:\*\*\*@127.0.0.1:1/db cannot be"),
        ("sqlite:////nowhere/at/all.db", "unable to open database file"),
        ("sqlite://", "is lost when the command ends; write it as sqlite:///FILE"),
        ("sqlite:///:memory:", "is lost when the command ends; write it as sqlite:///FILE"),
        ("sqlite:///file:x?mode=memory&uri=true", "is lost when the command ends; write it as sqlite:///FILE"),
    ],
)
def test_bad_storage_is_one_line_without_a_password(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        open_storage(url, tmp_path)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)
