"""Attribute vectors from a file of word vectors: word2vec (binary or text) or GloVe, plain or .gz.

The file may be larger than memory: it is streamed once, and only words of attribute names are kept. The vectors of a
name's words are summed, as in the reference code, or averaged. Words without a vector are returned to the caller.
"""

import gzip
import io
import re
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dazle.errors import InputError

CHUNK = 2**20
LONGEST_WORD, LARGEST_DIMENSION = 10_000, 10_000  # bytes and values; a file with more is not a file of word vectors
LONGEST_LINE = LONGEST_WORD + 32 * LARGEST_DIMENSION
Progress = Callable[[int, int], object]  # called with (bytes read, size of the file)
Vectors = dict[bytes, np.ndarray]

# The replacements of the reference code for compounds without spaces and for rare words.
REPLACEMENTS = {
    "chewteeth": "chew teeth", "grey": "gray", "longleg": "long leg", "meatteeth": "meat teeth",
    "nestspot": "nest spot", "newworld": "new world", "oldworld": "old world", "quadrapedal": "quadrupedal",
    "spatulate": "broad", "strainteeth": "strain teeth", "toughskin": "tough skin", "upperparts": "upper parts",
}  # fmt: skip


def attribute_words(name: str) -> list[str]:
    """The words of an attribute's name: `has_bill_shape::curved_(up_or_down)` gives bill, shape, curved.

    As in the reference code's script for CUB, a leading `has_` and everything from the first bracket on are dropped,
    and REPLACEMENTS apply. A word is a run of letters and digits with at least one letter: `80s`, but not the digits of
    `3/4 sleeve`. The reference's other scripts differ: SUN's keeps brackets, joins `far-away` to one word and looks up
    `man-made` as one; DeepFashion's splits at spaces only.
    """
    words = [word for word in re.findall(r"[^\W_]+", name.removeprefix("has_").split("(")[0]) if not word.isdecimal()]
    return [part for word in words for part in REPLACEMENTS.get(word.lower(), word).split()]


def attribute_vectors(
    names: Sequence[str],
    file: Path,
    combine: str = "sum",
    allow_missing: bool = False,
    progress: Progress = lambda done, size: None,
) -> tuple[np.ndarray, list[str]]:
    """(A, d) float32, not normalised, and the words without a vector; `combine` is `sum` or `average`.

    A word is looked up as written, then in lower case, then capitalised. Raises InputError if no word of an attribute
    has a vector; with `allow_missing` its vector is zero instead: its score starts at 0 and its attention uniform, and
    both change only if semantics are trained.
    """
    if combine not in ("sum", "average"):
        raise InputError(f"combine {combine!r}: use sum or average")
    words = [attribute_words(name) for name in names]
    spellings = {word: _spellings(word) for word in dict.fromkeys(chain.from_iterable(words))}
    by_spelling, dimension = read_vectors(file, set(chain.from_iterable(spellings.values())), progress)
    by_word = {
        word: next(by_spelling[spelling] for spelling in options if spelling in by_spelling)
        for word, options in spellings.items()
        if by_spelling.keys() & options
    }
    vectors = np.zeros((len(names), dimension))
    for row, name_words in zip(vectors, words, strict=True):
        parts = [by_word[word] for word in name_words if word in by_word]
        row += np.sum(parts, axis=0, dtype=float) / (len(parts) if combine == "average" else 1) if parts else 0
    check_missing(vectors, names, file, allow_missing)
    return vectors.astype(np.float32), [word for word in spellings if word not in by_word]


def check_missing(vectors: np.ndarray, names: Sequence[str], where: Path | str, allow_missing: bool) -> None:
    """Raise InputError if an attribute's vector is all zero, unless `allow_missing`."""
    zero = attributes_without_vector(vectors, names)
    if zero and not allow_missing:
        which = ", ".join(zero[:3]) + (", .." if len(zero) > 3 else "")
        raise InputError(
            f"{where}: no vector for {len(zero)} of {len(vectors)} attributes ({which}); use other vectors, or let "
            "them start from zero with --allow-missing"
        )


def attributes_without_vector(vectors: np.ndarray, names: Sequence[str] = ()) -> list[str]:
    """The attributes whose vector is all zero: their names, or their numbers from 0 if `names` is empty."""
    return [repr(names[a]) if names else str(a) for a in np.flatnonzero(~vectors.any(axis=1)).tolist()]


def _spellings(word: str) -> list[bytes]:
    return [spelling.encode() for spelling in dict.fromkeys((word, word.lower(), word.capitalize()))]


def read_vectors(
    file: Path, words: Collection[bytes], progress: Progress = lambda done, size: None
) -> tuple[Vectors, int]:
    """The vectors, (d,) float32, of those of `words` that the file has, and d. Of equal words the first counts.

    Raises InputError, one line with the file, for another format, a truncated file, or values that are not finite.
    """
    count, dimension, binary = _layout(file)
    with _open(file, progress) as stream:
        if count is not None:
            stream.readline(LONGEST_LINE)
        if binary and count is not None:
            vectors = _read_binary(stream, count, dimension, words, file)
        else:
            vectors = _read_text(stream, count, dimension, words, file)
    for word, values in vectors.items():
        if not np.isfinite(values).all():
            raise InputError(f"{file}: the vector of {_text(word)} is not finite; fetch the file again")
    return vectors, dimension


def _layout(file: Path) -> tuple[int | None, int, bool]:
    """Number of words (None if the file does not state it), dimension, and whether vectors are binary."""
    with _open(file) as stream:
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
    """Whether the line is a word followed by `dimension` numbers."""
    parts = line.split()
    return len(parts) > dimension > 0 and all(map(_is_number, parts[-dimension:]))


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_binary(stream: BinaryIO, count: int, dimension: int, words: Collection[bytes], file: Path) -> Vectors:
    """Reads word2vec's binary format: the word, a space, float32 values, and in some files a line end."""
    vectors: Vectors = {}
    buffer, position, size = b"", 0, 4 * dimension
    for number in range(count):
        space = buffer.find(b" ", position)
        if space < 0 or space + size >= len(buffer):
            buffer, position = buffer[position:] + stream.read(CHUNK), 0
            space = buffer.find(b" ")
            if 0 <= space <= LONGEST_WORD and space + size >= len(buffer):
                raise InputError(f"{file}: ends after {number:,} of {count:,} words, cut short; fetch it again")
        if not 0 <= space - position <= LONGEST_WORD:
            raise InputError(f"{file}: no word where word {number + 1:,} should be; fetch the file again")
        word = buffer[position:space].lstrip(b"\n")
        if word in words and word not in vectors:
            vectors[word] = np.frombuffer(buffer, "<f4", dimension, space + 1).astype(np.float32)
        position = space + 1 + size
    if (buffer[position:] + stream.read(2)).strip(b"\n"):
        raise InputError(f"{file}: goes on after the {count:,} words of {dimension} dimensions that it declares")
    return vectors


def _read_text(stream: BinaryIO, count: int | None, dimension: int, words: Collection[bytes], file: Path) -> Vectors:
    vectors: Vectors = {}
    number = 0
    for number, line in enumerate(iter(lambda: stream.readline(LONGEST_LINE), b""), 1):
        line = line.rstrip()
        spaces = line.count(b" ")
        word = line[: line.find(b" ")]
        # A few words of GloVe contain spaces. But a number after the first word means a vector that is too long.
        if spaces < dimension or (spaces > dimension and _is_number(line.split(b" ", 2)[1])):
            raise InputError(f"{file}: word {number:,} has {spaces} values, not {dimension}; fetch the file again")
        if word in words and word not in vectors and spaces == dimension:
            try:
                vectors[word] = np.array(line.split(b" ")[1:], np.float32)
            except ValueError:
                raise InputError(f"{file}: {_text(word)} has a value that is no number; fetch it again") from None
    if count is not None and number != count:
        raise InputError(f"{file}: has {number:,} words and declares {count:,}; fetch it again")
    return vectors


def _text(word: bytes) -> str:
    return repr(word.decode("utf-8", "replace"))


@contextmanager
def _open(file: Path, progress: Progress = lambda done, size: None) -> Iterator[BinaryIO]:
    """The content of the file, decompressed if it is gzip, as a stream."""
    try:
        with open(file, "rb") as raw:
            kind = raw.read(4)
            raw.seek(0)
            if kind == b"PK\x03\x04":
                raise InputError(f"{file}: is a zip archive; unzip it and give the file inside")
            source = _ProgressReader(raw, file.stat().st_size, progress)
            packed = kind[:2] == b"\x1f\x8b"
            yield io.BufferedReader(gzip.GzipFile(fileobj=source) if packed else source, CHUNK)  # type: ignore[type-var]
    except (EOFError, zlib.error) as error:
        raise InputError(f"{file}: is cut short or damaged ({error}); fetch it again") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error}); give a file of word vectors") from error


class _ProgressReader(io.RawIOBase):
    """A file that reports its position to `progress` after each read."""

    def __init__(self, raw: BinaryIO, size: int, progress: Progress) -> None:
        self.raw, self.size, self.progress = raw, size, progress

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        count = self.raw.readinto(buffer)  # type: ignore[attr-defined]
        self.progress(self.raw.tell(), self.size)
        return int(count)
