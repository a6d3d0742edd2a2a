"""The exception for bad input, and texts for its line: on an unknown name, a value that is not valid, and a file.

The rule: InputError means that the input is wrong. The command line prints its one line and exits with code 2. Every
other exception is a fault of this project; it shows its traceback and exits with code 70.
"""

import errno
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

# A longer line is cut in its middle: it begins with the place and ends with the remedy.
LONGEST = 2000
LONGEST_VALUE = 80
MOST_NAMES = 12

# Type of an error of pydantic -> the end of the sentence that begins with the value.
REASONS = {
    **dict.fromkeys(["int_parsing", "int_type", "int_from_float", "int_parsing_size"], "is not a whole number"),
    **dict.fromkeys(["float_parsing", "float_type"], "is not a number"),
    **dict.fromkeys(["bool_parsing", "bool_type"], "is not true or false"),
    "finite_number": "is not a finite number",
    "greater_than": "is not more than {gt:g}",
    "greater_than_equal": "is less than {ge:g}",
    "less_than": "is not less than {lt:g}",
    "less_than_equal": "is more than {le:g}",
    "literal_error": "is not one of {expected}",
    "string_type": "is not a text",
    "string_pattern_mismatch": "does not match the pattern {pattern}",
    **dict.fromkeys(["list_type", "tuple_type"], "is not a list"),
    **dict.fromkeys(["dict_type", "model_type", "model_attributes_type"], "is not an object with keys"),
    "too_short": "has {actual_length} items, fewer than {min_length}",
    "too_long": "has more than {max_length} items",
    "path_type": "is not a path",
    "missing": "is missing",
    "extra_forbidden": "is not a known key",
    "json_invalid": "is not JSON ({error})",
    "value_error": "{error}",
}
# These begin with the key: it has no value, or the value does not matter.
WITHOUT_VALUE = ("missing", "extra_forbidden", "json_invalid", "value_error")


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
    if len(names) == 1:
        return f"there is only {names[0]}"
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


def reason(error: "ErrorDetails", subject: str | None = None) -> str:
    """A plain sentence on one error of pydantic. It begins with `subject`, by default the value if that is short."""
    value, kind = error["input"], error["type"]
    if subject is None:
        short = kind not in WITHOUT_VALUE and (value is None or isinstance(value, str | int | float))
        subject = f"{value!r:.{LONGEST_VALUE}}" if short else "it"
    context: dict[str, Any] = error.get("ctx", {})
    words = REASONS[kind].format(**context) if kind in REASONS else f"is refused ({error['msg']})"
    # The text of a ValueError of this project is a sentence of its own.
    return words if kind == "value_error" else f"{subject} {words}"


def problem(error: "ValidationError", whole: str = "the file", depth: int | None = None) -> str:
    """The first thing that pydantic refused: its key, the reason, and its value if that is short.

    `whole`: what is named if the key is empty. `depth`: how many parts of the key are the user's names; pydantic adds
    the members of unions, whose reasons are joined.
    """
    errors = error.errors(include_url=False)
    place = errors[0]["loc"][:depth]
    same = [other for other in errors if other["loc"][:depth] == place] if depth else errors[:1]
    key = ".".join(map(str, place)) or whole
    reasons = dict.fromkeys([reason(same[0]), *(reason(other, "it") for other in same[1:])])
    return f"{key} is not valid: {' and '.join(reasons)}"


def cannot_read(path: Path, error: OSError, remedy: str) -> InputError:
    """The error for a file or folder that the system does not let us read; `remedy` if the cause is another one."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return InputError(f"{path} may not be read; check its permissions")
    if error.errno == errno.EISDIR:
        return InputError(f"{path} is a folder, not a file; {remedy}")
    if error.errno == errno.EAGAIN:
        return InputError(f"{path} is open for writing in another program; end that program, or wait for it")
    return InputError(f"{path} cannot be read ({error.strerror or error}); {remedy}")
