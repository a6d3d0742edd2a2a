"""Hypothesis strategies that damage a valid file: changed bytes, and JSON with wrong values, keys and nesting."""

import json
from typing import Any

from hypothesis import strategies as st

HOSTILE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=8).map(repr),
    st.sampled_from(
        [2**63, -(2**63) - 1, 10**400, 1e308, -0.0, float("nan"), float("inf"), "../../x", "/etc/passwd", "\x00", "x" * 10**5,
         "\ud800", "a\nb", "\x1b[2J", [], {}, [[[[]]]], {"": {"": None}}, "__import__('os').system('x')"]
    ),
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with bytes flipped, overwritten, cut off, inserted, removed or repeated."""
    broken = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(broken) - 1)))
        match draw(st.sampled_from(["flip", "overwrite", "cut", "insert", "remove", "repeat"])):
            case "flip" if broken:
                broken[at] ^= 1 << draw(st.integers(0, 7))
            case "overwrite":
                broken[at : at + 8] = draw(st.binary(min_size=1, max_size=8))
            case "cut":
                del broken[at:]
            case "insert":
                broken[at:at] = draw(st.one_of(st.binary(max_size=16), st.sampled_from([b"\xff\xfe", b"{" * 5000])))
            case "remove":
                del broken[at : at + draw(st.integers(1, 64))]
            case "repeat":
                broken[at:at] = broken[at : at + draw(st.integers(1, 64))]
    return bytes(broken)


@st.composite
def mistaken(draw: st.DrawFn, content: bytes) -> bytes:
    """The JSON with values replaced or moved, keys removed or given twice, longer lists, deep nesting, and wrong types."""
    tree = json.loads(content)
    for _ in range(draw(st.integers(1, 3))):
        all_places = list(places(tree))
        if not all_places:
            break
        place, key = draw(st.sampled_from(all_places))
        match draw(st.sampled_from(["replace", "remove", "rename", "move", "nest", "repeat"])):
            case "replace":
                place[key] = draw(HOSTILE)
            case "remove":
                del place[key]
            case "rename" if isinstance(place, dict):
                place[draw(st.text(max_size=10))] = place.pop(key)
            case "move":
                other, other_key = draw(st.sampled_from(all_places))
                place[key] = json.loads(json.dumps(other[other_key]))
            case "nest":
                for _ in range(draw(st.integers(1, 300))):
                    place[key] = [place[key]]
            case "repeat" if isinstance(place, list):
                place.append(place[key])
    text = json.dumps(tree)
    if draw(st.booleans()):
        return text.encode("utf-8", "surrogatepass")
    twice = json.dumps(draw(st.sampled_from(sorted(tree)))) if tree else '""'
    return f"{text[:-1].rstrip()}, {twice}: {json.dumps(draw(HOSTILE))}}}".encode("utf-8", "surrogatepass")


def places(tree: Any) -> Any:
    """Every (container, key) of a JSON value."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        yield from places(value)
