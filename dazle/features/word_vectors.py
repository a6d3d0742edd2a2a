"""Attribute vectors from a file of word vectors that the user brings: word2vec (binary or text) or GloVe, plain or .gz.

The file may be larger than memory: it streams by once, and of its words only those in the names of attributes are kept.
The words of a name are summed, as the reference does, or averaged. Which words have no vector is always said.
"""

import gzip
import io
import re
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dazle.errors import InputError

CHUNK = 2**20
LONGEST_WORD, LARGEST_DIMENSION = 10_000, 10_000  # bytes; more means that the file is not what it seems
LONGEST_LINE = LONGEST_WORD + 32 * LARGEST_DIMENSION
Progress = Callable[[int, int], object]  # is told how many bytes of the file are read, and how many there are
Vectors = dict[bytes, np.ndarray]

# What the reference writes in place of words that are no words, or rare ones.
SPELLINGS = {
    "chewteeth": "chew teeth", "grey": "gray", "longleg": "long leg", "meatteeth": "meat teeth",
    "nestspot": "nest spot", "newworld": "new world", "oldworld": "old world", "quadrapedal": "quadrupedal",
    "spatulate": "broad", "strainteeth": "strain teeth", "toughskin": "tough skin", "upperparts": "upper parts",
}  # fmt: skip


def words_of(name: str) -> list[str]:
    """The words of an attribute's name: `has_bill_shape::curved_(up_or_down)` is bill, shape, curved.

    A leading `has_` and what follows a bracket are dropped, and SPELLINGS are replaced, as in the reference's script of
    CUB. A word is a run of letters and digits with a letter in it: `80s` is one, the digits of `3/4 sleeve` are none.
    The reference's other scripts differ: SUN's keeps brackets, joins `far-away` to one word and looks `man-made` up
    whole; DeepFashion's splits at spaces alone.
    """
    words = [word for word in re.findall(r"[^\W_]+", name.removeprefix("has_").split("(")[0]) if not word.isdecimal()]
    return [part for word in words for part in SPELLINGS.get(word.lower(), word).split()]


def attribute_vectors(
    names: Sequence[str],
    file: Path,
    combine: str = "sum",
    allow_missing: bool = False,
    progress: Progress = lambda done, size: None,
) -> tuple[np.ndarray, list[str]]:
    """(A, d) float32, not normalised, and the words that have no vector; `combine` is `sum` or `average`.

    A word is looked up as it is written, then in lower case, then with a capital. An attribute without any known word
    is an InputError; with `allow_missing` its vector is zero: such an attribute starts with score 0 and no attention of
    its own, and is trained from there (where semantics are not trained, it stays out).
    """
    if combine not in ("sum", "average"):
        raise InputError(f"combine {combine!r}: use sum or average")
    words = [words_of(name) for name in names]
    forms = {word: _forms(word) for word in dict.fromkeys(word for of in words for word in of)}
    known, dimension = read_vectors(file, {form for of in forms.values() for form in of}, progress)
    found = {word: next(known[form] for form in of if form in known) for word, of in forms.items() if known.keys() & of}
    vectors = np.zeros((len(names), dimension))
    for row, of in zip(vectors, words, strict=True):
        parts = [found[word] for word in of if word in found]
        row += np.sum(parts, axis=0, dtype=float) / (len(parts) if combine == "average" else 1) if parts else 0
    check_missing(vectors, names, file, allow_missing)
    return vectors.astype(np.float32), [word for word in forms if word not in found]


def check_missing(vectors: np.ndarray, names: Sequence[str], where: Path | str, allow_missing: bool) -> None:
    """Raise InputError where an attribute's vector is all zero, unless that is allowed."""
    zero = without_vector(vectors, names)
    if zero and not allow_missing:
        which = ", ".join(zero[:3]) + (", .." if len(zero) > 3 else "")
        raise InputError(
            f"{where}: no vector for {len(zero)} of {len(vectors)} attributes ({which}); use other vectors, or let "
            "them start from zero with --allow-missing"
        )


def without_vector(vectors: np.ndarray, names: Sequence[str] = ()) -> list[str]:
    """The attributes whose vector is all zero: their names, or where these are not known their numbers from 0."""
    return [repr(names[a]) if names else str(a) for a in np.flatnonzero(~vectors.any(axis=1)).tolist()]


def _forms(word: str) -> list[bytes]:
    return [form.encode() for form in dict.fromkeys((word, word.lower(), word.capitalize()))]


def read_vectors(
    file: Path, wanted: Collection[bytes], progress: Progress = lambda done, size: None
) -> tuple[Vectors, int]:
    """The wanted words that the file has, (d,) float32 each, and d; the first of equal words counts, as in gensim.

    Raises InputError, one line with the file, for a file that is not of these formats, cut short, or not finite.
    """
    count, dimension, binary = _layout(file)
    with _opened(file, progress) as stream:
        if count is not None:
            stream.readline(LONGEST_LINE)
        if binary and count is not None:
            found = _read_binary(stream, count, dimension, wanted, file)
        else:
            found = _read_text(stream, count, dimension, wanted, file)
    for word, values in found.items():
        if not np.isfinite(values).all():
            raise InputError(f"{file}: the vector of {_text(word)} is not finite; fetch the file again")
    return found, dimension


def _layout(file: Path) -> tuple[int | None, int, bool]:
    """Words (None where the file does not say), dimension, and whether vectors are binary: its first line tells."""
    with _opened(file) as stream:
        first, second = stream.readline(LONGEST_LINE), stream.readline(LONGEST_LINE)
    parts = first.split()
    if len(parts) == 2 and all(part.isdigit() for part in parts):
        count, dimension, binary = int(parts[0]), int(parts[1]), not _numbers(second, int(parts[1]))
    else:
        count, dimension, binary = None, len(parts) - 1, False
        if not _numbers(first, dimension):
            raise InputError(f"{file}: neither word2vec nor GloVe vectors; give a .bin or .txt file of one of them")
    if not 1 <= dimension <= LARGEST_DIMENSION or count == 0:
        raise InputError(f"{file}: declares {count} words of {dimension} dimensions; fetch the file again")
    return count, dimension, binary


def _numbers(line: bytes, dimension: int) -> bool:
    """Whether the line is a word and so many numbers."""
    parts = line.split()
    return len(parts) > dimension > 0 and all(map(_is_number, parts[-dimension:]))


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_binary(stream: BinaryIO, count: int, dimension: int, wanted: Collection[bytes], file: Path) -> Vectors:
    """Words and vectors as word2vec writes them: the word, a space, float32 values, perhaps a line end."""
    found: Vectors = {}
    rest, at, size = b"", 0, 4 * dimension
    for number in range(count):
        space = rest.find(b" ", at)
        if space < 0 or space + size >= len(rest):
            rest, at = rest[at:] + stream.read(CHUNK), 0
            space = rest.find(b" ")
            if 0 <= space <= LONGEST_WORD and space + size >= len(rest):
                raise InputError(f"{file}: ends after {number:,} of {count:,} words, cut short; fetch it again")
        if not 0 <= space - at <= LONGEST_WORD:
            raise InputError(f"{file}: no word where word {number + 1:,} should be; fetch the file again")
        word = rest[at:space].lstrip(b"\n")
        if word in wanted and word not in found:
            found[word] = np.frombuffer(rest, "<f4", dimension, space + 1).astype(np.float32)
        at = space + 1 + size
    if (rest[at:] + stream.read(2)).strip(b"\n"):
        raise InputError(f"{file}: goes on after the {count:,} words of {dimension} dimensions that it declares")
    return found


def _read_text(stream: BinaryIO, count: int | None, dimension: int, wanted: Collection[bytes], file: Path) -> Vectors:
    found: Vectors = {}
    number = 0
    for number, line in enumerate(iter(lambda: stream.readline(LONGEST_LINE), b""), 1):
        line = line.rstrip()
        spaces = line.count(b" ")
        word = line[: line.find(b" ")]
        # GloVe has a few words with spaces in them; a number after the first word is a vector that is too long.
        if spaces < dimension or (spaces > dimension and _is_number(line.split(b" ", 2)[1])):
            raise InputError(f"{file}: word {number:,} has {spaces} values, not {dimension}; fetch the file again")
        if word in wanted and word not in found and spaces == dimension:
            try:
                found[word] = np.array(line.split(b" ")[1:], np.float32)
            except ValueError:
                raise InputError(f"{file}: {_text(word)} has a value that is no number; fetch it again") from None
    if count is not None and number != count:
        raise InputError(f"{file}: has {number:,} words and declares {count:,}; fetch it again")
    return found


def _text(word: bytes) -> str:
    return repr(word.decode("utf-8", "replace"))


@contextmanager
def _opened(file: Path, progress: Progress = lambda done, size: None) -> Iterator[BinaryIO]:
    """The bytes of the file, unpacked where it is gzip, as they are read."""
    try:
        with open(file, "rb") as raw:
            kind = raw.read(4)
            raw.seek(0)
            if kind == b"PK\x03\x04":
                raise InputError(f"{file}: is a zip archive; unzip it and give the file inside")
            source = _Told(raw, file.stat().st_size, progress)
            packed = kind[:2] == b"\x1f\x8b"
            yield io.BufferedReader(gzip.GzipFile(fileobj=source) if packed else source, CHUNK)  # type: ignore[type-var]
    except (EOFError, zlib.error) as error:
        raise InputError(f"{file}: is cut short or damaged ({error}); fetch it again") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error}); give a file of word vectors") from error


class _Told(io.RawIOBase):
    """A file that tells how far it has been read."""

    def __init__(self, raw: BinaryIO, size: int, progress: Progress) -> None:
        self.raw, self.size, self.progress = raw, size, progress

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        count = self.raw.readinto(buffer)  # type: ignore[attr-defined]
        self.progress(self.raw.tell(), self.size)
        return int(count)
