"""How the values of options that several commands share are read."""

import json
from typing import Any

from dazle.errors import InputError


def names(option: str, text: str | None) -> tuple[str, ...]:
    """`A,B` as names, none where the option is left out. InputError where it is there and names nothing: not all."""
    found = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    if text is not None and not found:
        raise InputError(f"{option} {text!r} names nothing; give names with commas between, or leave the option out")
    return found


def protocol_name(text: str) -> str:
    """The name of a protocol; InputError for another word."""
    from reports.analysis.protocols import PROTOCOLS

    if text not in PROTOCOLS:
        raise InputError(f"--protocol {text!r} is not one of {', '.join(PROTOCOLS)}")
    return text


def overrides(pairs: list[str]) -> dict[str, Any]:
    """`KEY=VALUE` pairs; a value is read as JSON (numbers, true, false), else it is a string."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"--set {pair!r} is not KEY=VALUE, for example training.epochs=10")
        try:
            found[key] = json.loads(text)
        except (ValueError, RecursionError):
            found[key] = text
    return found
