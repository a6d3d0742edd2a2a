import errno
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core.core_schema import ErrorType

from dazle.config import Settings
from dazle.errors import LONGEST, REASONS, InputError, cannot_read, nearest, problem, unknown


def test_what_is_quoted_from_a_file_cannot_break_the_line_or_drive_the_terminal() -> None:
    error = InputError("file.h5: 'a\nb\r\x1b[2J\u2028\x00' is Größe 漢字")
    assert str(error) == r"file.h5: 'a\nb\r\x1b[2J\u2028\x00' is Größe 漢字"


def test_a_long_line_keeps_its_place_and_its_remedy() -> None:
    line = str(InputError(f"file.h5: {'x' * 10**6}; fetch it again"))
    assert len(line) < LONGEST + 10
    assert line.startswith("file.h5: xx")
    assert line.endswith("xx; fetch it again")


DATASETS = ("cub", "sun", "awa2", "deepfashion")
SETTINGS = tuple(Settings().flat())


@pytest.mark.parametrize(
    ("name", "names", "near"),
    [
        ("CUB", DATASETS, "cub"),
        ("AWA2", DATASETS, "awa2"),
        ("cubs", DATASETS, "cub"),
        ("../cub", DATASETS, "cub"),
        ("DAZLE", ("validated-margin", "dazle", "glove"), "dazle"),
        ("smoke", ("SMOKE", "supplement"), "SMOKE"),
        ("lr", SETTINGS, "training.learning_rate"),
        ("LR", SETTINGS, "training.learning_rate"),
        ("training.lr", SETTINGS, "training.learning_rate"),
        ("learning_rate", SETTINGS, "training.learning_rate"),
        ("epoch", SETTINGS, "training.epochs"),
        ("Training.Epochs", SETTINGS, "training.epochs"),
        ("loss.lr", SETTINGS, "loss.lambda"),
        ("7.jpeg", ("jpg", "6.png", "7.jpg"), "7.jpg"),
        ("bird", ("1.jpg", "2.jpg"), None),
        ("imagenet", DATASETS, None),
        ("", DATASETS, None),
        ("cub", (), None),
    ],
)
def test_the_nearest_name_is_one_that_a_person_would_take_for_it(
    name: str, names: tuple[str, ...], near: str | None
) -> None:
    assert nearest(name, names) == near


def test_an_unknown_name_is_answered_with_the_nearest_or_else_with_all() -> None:
    assert str(unknown("dataset", "CUB", DATASETS)) == "unknown dataset 'CUB'; the nearest is 'cub'"
    assert str(unknown("dataset", "imagenet", DATASETS, "folder data")) == (
        "unknown dataset 'imagenet'; there are cub, sun, awa2, deepfashion (folder data)"
    )
    assert str(unknown("image", "x", map(str, range(10000)))).endswith("9, 10, 11, .. (10000 in all)")
    assert str(unknown("dataset", "x", ())) == "unknown dataset 'x'; there are none"
    assert str(unknown("option", "--data", ["--help"])) == "unknown option '--data'; there is only --help"


class File(BaseModel):
    version: int
    rows: dict[str, list[float] | None] = {}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"version": "x" * 1000}, r"version is not valid: 'x{50,80} is not a whole number$"),
        ({"version": 1, "rows": {"dazle": [1, None]}}, r"rows\.dazle\.1 is not valid: None is not a number$"),
        ({}, "version is not valid: it is missing$"),
        (3, "the file is not valid: 3 is not an object with keys$"),
    ],
)
def test_what_pydantic_refuses_is_one_text_with_key_reason_and_value(content: object, line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        File.model_validate(content)
    assert re.match(line, problem(caught.value))


def test_the_members_of_a_union_are_no_part_of_the_key() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"loss": {"test_margin": "best"}})
    assert problem(caught.value, depth=2) == (
        "loss.test_margin is not valid: 'best' is not a number and it is not one of 'validated'"
    )


def test_the_reasons_are_of_errors_that_pydantic_has() -> None:
    assert set(REASONS) - {"path_type"} <= set(get_args(ErrorType))


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (errno.EACCES, "a.json may not be read; check its permissions"),
        (errno.EISDIR, "a.json is a folder, not a file; fetch it again"),
        (errno.EAGAIN, "a.json is open for writing in another program; end that program, or wait for it"),
        (errno.EIO, "a.json cannot be read (the cause); fetch it again"),
    ],
)
def test_a_file_that_cannot_be_read_has_its_cause_in_words(number: int, line: str) -> None:
    assert str(cannot_read(Path("a.json"), OSError(number, "the cause"), "fetch it again")) == line
