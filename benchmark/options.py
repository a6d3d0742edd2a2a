"""How the values of options that several commands share are read."""

import json
from typing import Any

from dazle.errors import InputError


def names(text: str) -> tuple[str, ...]:
    """`A,B` as names."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def overrides(pairs: list[str]) -> dict[str, Any]:
    """`KEY=VALUE` pairs; a value is read as JSON (numbers, true, false), else it is a string."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"--set {pair!r} is not KEY=VALUE, for example training.epochs=10")
        try:
            found[key] = json.loads(text)
        except json.JSONDecodeError:
            found[key] = text
    return found
