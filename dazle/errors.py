"""The exception for bad input, and texts for its line: on an unknown name, and on a value that is not valid.

The rule: InputError means that the input is wrong. The command line prints its one line and exits with code 2. Every
other exception is a fault of this project; it shows its traceback and exits with code 70.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

# A longer line is cut in its middle: it begins with the place and ends with the remedy.
LONGEST = 2000
LONGEST_VALUE = 80
MOST_NAMES = 12


class InputError(Exception):
    """Bad input. `str()` is one line: the file or key, the value, and the remedy.

    A value may come from a hostile file: line ends and control characters are written as their escapes.
    """

    def __str__(self) -> str:
        line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in super().__str__())
        return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} [..] {line[-LONGEST // 2 :]}"


def unknown(kind: str, name: str, names: Iterable[str], remedy: str = "") -> InputError:
    """The error for a name that is not one of `names`: it gives the nearest one, and the remedy if there is one."""
    return InputError(f"unknown {kind} {name!r}; {suggestion(name, names)}" + (f" ({remedy})" if remedy else ""))


def suggestion(name: str, names: Iterable[str]) -> str:
    """The nearest of `names` as the end of an error's line; if none is alike, the first of them."""
    names = list(names)
    near = nearest(name, names)
    if near is not None:
        return f"the nearest is {near!r}"
    more = f", .. ({len(names)} in all)" if len(names) > MOST_NAMES else ""
    return f"there are {', '.join(names[:MOST_NAMES]) or 'none'}{more}"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is most like `name`, or None if none is alike. Upper and lower case are equal.

    A name without a dot is also compared with the last part of dotted names, and initials stand for the words of that
    part: both `lr` and `training.lr` give `training.learning_rate`.
    """
    name = name.casefold()
    forms: dict[str, str] = {}
    for other in names:
        group, dot, last = other.casefold().rpartition(".")
        initials = "".join(word[:1] for word in re.split("[-_ ]", last))
        forms[group + dot + last] = other
        if "." not in name:
            forms.setdefault(last, other)
        if len(initials) > 1 and name in (initials, f"{group}.{initials}"):
            forms[name] = other
    near = get_close_matches(name, forms, n=1)
    return forms[near[0]] if near else None


def problem(error: "ValidationError", whole: str = "the file", depth: int | None = None) -> str:
    """The first thing that pydantic refused: its key, the reason, and its value if that is short.

    `whole`: what is named if the key is empty. `depth`: how many parts of the key are the user's names; pydantic adds
    the members of unions.
    """
    first = error.errors(include_url=False)[0]
    key = ".".join(map(str, first["loc"][:depth])) or whole
    value = first["input"]
    short = value is None or isinstance(value, str | int | float)
    return f"{key} is not valid: {first['msg']}" + (f"; it is {value!r:.{LONGEST_VALUE}}" if short else "")
