"""The declaration of a command's options: once, as `name: Annotated[type, Option(...)] = default`.

The command line (`benchmark/cli/options.py`), the check of the values, and the list of the options that change a result
derive from it. A class of options inherits from `CommandOptions`.
The file is in this room, not in `cli`, because `run`, `tuning` and `throughput` declare their options with it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

from benchmark.machine import Device
from dazle.errors import InputError, reason

POSITIVE = {"ge": 1}
ABOVE_ZERO = {"gt": 0, "allow_inf_nan": False}
# A test compares it with `dazle.features.splits.FOLDS`; importing that would make `--help` wait for numpy.
CLASS_FOLDS = 3


@dataclass(frozen=True, eq=False)
class Option:
    """Everything about an option that its type and its default do not contain."""

    help: str
    metavar: str | None = None  # the value in `--help`; None for flags, and for choices, which are listed
    changes_result: bool | None = None
    flag: str | None = None  # on the command line, if it is not the name of the field
    positional: bool = False
    repeatable: bool = False
    default_text: str | None = None  # in `--help`, if None or an empty default has a meaning
    limits: Mapping[str, Any] = field(default_factory=dict)  # arguments of pydantic's Field
    read: Callable[[str, Any], Any] | None = None  # from the flag and the text of the command line to the value


def declaration(name: str, annotation: Any) -> tuple[Option, Any, str]:
    """The option of an annotation, its type, and its flag. Raises TypeError if the annotation has no Option."""
    options = [part for part in get_args(annotation)[1:] if isinstance(part, Option)]
    if get_origin(annotation) is not Annotated or not options:
        raise TypeError(f"option {name}: declare it as Annotated[type, Option(...)]")
    return options[0], get_args(annotation)[0], options[0].flag or f"--{name.replace('_', '-')}"


def choices(kind: Any) -> tuple[str, ...]:
    """The words that a type allows; empty if it is no choice."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return next((words for part in get_args(kind) if (words := choices(part))), ())


def check(name: str, annotation: Any, value: Any) -> Any:
    """The value as the declared type. Raises InputError, which names the flag, the value, and what is allowed."""
    from pydantic import ValidationError

    option, kind, flag = declaration(name, annotation)
    place = name.upper() if option.positional else flag
    try:
        return _adapter(annotation).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "literal_error":
            raise InputError(f"{place} {first['input']!r} is not one of {', '.join(choices(kind))}") from None
        raise InputError(f"{place} {reason(first)}") from None


@cache
def _adapter(annotation: Any) -> Any:
    from pydantic import Field, TypeAdapter

    option, kind, _ = declaration("", annotation)
    limited: Any = Annotated[kind, Field(**option.limits)]
    return TypeAdapter(limited)


class CommandOptions:
    """Base of a frozen dataclass of options: each field has an Option, and each value is checked.

    `class RunOptions(CommandOptions, marked=True)`: each option has to state whether it changes a result.
    """

    declarations: ClassVar[dict[str, Any]]  # the annotation of each field

    def __init_subclass__(cls, marked: bool = False) -> None:
        cls.declarations = cls.__annotations__
        for name, annotation in cls.declarations.items():
            if declaration(name, annotation)[0].changes_result is None and marked:
                raise TypeError(
                    f"option {name}: state changes_result=True if it can change a number (then it must reach "
                    "Cell.identity), or changes_result=False if it only affects how, where or whether cells are run"
                )

    def __post_init__(self) -> None:
        for name, annotation in self.declarations.items():
            object.__setattr__(self, name, check(name, annotation, getattr(self, name)))

    @classmethod
    def changing_result(cls, changes: bool = True) -> frozenset[str]:
        """The names of the options that can change a result, or of those that cannot."""
        return frozenset(
            name
            for name, annotation in cls.declarations.items()
            if declaration(name, annotation)[0].changes_result is changes
        )


def read_names(flag: str, text: str) -> tuple[str, ...]:
    """`A,B` as names. Raises InputError if there is none: an empty list does not mean all."""
    words = tuple(name.strip() for name in text.split(",") if name.strip())
    if not words:
        raise InputError(f"{flag} {text!r} names nothing; give names with commas between, or leave the option out")
    return words


def read_paths(flag: str, texts: Sequence[str]) -> tuple[Path, ...]:
    """The files of an option that is given several times."""
    return tuple(map(Path, texts))


def read_overrides(flag: str, pairs: Sequence[str]) -> dict[str, Any]:
    """`KEY=VALUE` pairs; a value is read as JSON (numbers, true, false), else it is a string."""
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise InputError(f"{flag} {pair!r} is not KEY=VALUE, for example training.epochs=10")
        try:
            values[key] = json.loads(text)
        except (ValueError, RecursionError):
            values[key] = text
    return values


def read_grid(flag: str, text: str) -> tuple[int, int]:
    """Rows and columns of a grid such as 7x7."""
    rows, times, columns = text.lower().partition("x")
    if not times or not (rows.isdecimal() and columns.isdecimal()) or not (int(rows) and int(columns)):
        raise InputError(f"{flag} {text!r} is not ROWSxCOLUMNS, for example 7x7")
    return int(rows), int(columns)


def read_size(flag: str, text: str) -> int:
    """Bytes of a size such as 4GiB, 700MiB or 2.5GB."""
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        number = TypeAdapter(ByteSize).validate_python(text)
    except ValidationError:
        number = ByteSize(0)
    if number < 1:
        raise InputError(f"{flag} {text!r} is not a size; write it as 4GiB, 700MiB or 2.5GB")
    return number


# Options that several commands share.
Source = Annotated[
    Literal["auto", "real", "simulated"],
    Option("Source of the features; auto: real if any are prepared, else simulated.", changes_result=True),
]
# `benchmark.cells.datasets.data_folder` reads the variable.
Data = Annotated[
    Path | None,
    Option(
        "Folder of the prepared features.",
        metavar="FOLDER",
        changes_result=True,
        default_text="$DAZLE_DATA, else data",
    ),
]
Rows = Annotated[
    Literal["all", "present"],
    Option("Accepted rows that are compared: all rows of the file, or those present in the run.", changes_result=False),
]
Include = Annotated[
    Sequence[Path],
    Option(
        "Python file that registers variants, methods or suites; it is run. Repeatable.",
        metavar="FILE.py",
        changes_result=True,
        repeatable=True,
        read=read_paths,
    ),
]
DeviceOption = Annotated[
    Device, Option("Device to train on; auto: a GPU if there is one, else the CPU.", changes_result=True)
]
Threads = Annotated[int, Option("CPU threads of each training.", metavar="N", changes_result=True, limits=POSITIVE)]
BaseSeed = Annotated[int, Option("Number that all random streams derive from.", metavar="N", changes_result=True)]
Folds = Annotated[
    int,
    Option(
        f"Number of class folds that validation averages over, 1 to {CLASS_FOLDS}.",
        metavar="N",
        changes_result=True,
        limits=POSITIVE | {"le": CLASS_FOLDS},
    ),
]
