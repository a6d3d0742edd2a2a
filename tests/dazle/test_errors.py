import re

import pytest
from pydantic import BaseModel, ValidationError

from dazle.config import Settings
from dazle.errors import LONGEST, InputError, nearest, problem, unknown


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


class File(BaseModel):
    version: int
    rows: dict[str, list[float] | None] = {}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"version": "x" * 1000}, r"version is not valid: Input should be a valid integer, .*; it is 'x{50,80}$"),
        ({"version": 1, "rows": {"dazle": [1, None]}}, r"rows\.dazle\.1 is not valid: Input should be .*; it is None$"),
        ({}, "version is not valid: Field required$"),
        (3, "the file is not valid: Input should be .*; it is 3$"),
    ],
)
def test_what_pydantic_refuses_is_one_text_with_key_reason_and_value(content: object, line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        File.model_validate(content)
    assert re.match(line, problem(caught.value))


def test_the_members_of_a_union_are_no_part_of_the_key() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"loss": {"test_margin": "best"}})
    assert problem(caught.value, depth=2).startswith("loss.test_margin is not valid: ")
