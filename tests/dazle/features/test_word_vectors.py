"""Word vectors in all their forms give the same attribute vectors; what is wrong is one line."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from dazle.errors import InputError
from dazle.features.word_vectors import attribute_vectors, attribute_words

WORDS = {"bill": [1.0, 2.0, 3.0], "shape": [0.5, 0.0, -1.0], "wing": [4.0, 4.0, 4.0], "New_York": [9.0, 9.0, 9.0]}
NAMES = ["has_bill_shape::curved_(up_or_down)", "has_wing_color::blue"]


def binary(path: Path, newline: bytes = b"") -> None:
    body = b"".join(word.encode() + b" " + np.array(v, "<f4").tobytes() + newline for word, v in WORDS.items())
    path.write_bytes(f"{len(WORDS)} 3\n".encode() + body)


def text(path: Path, header: bool) -> None:
    lines = [f"{word} " + " ".join(map(str, v)) for word, v in WORDS.items()]
    path.write_text("\n".join([f"{len(WORDS)} 3"] * header + lines) + "\n")


FORMATS = {
    "word2vec.bin": binary,
    "lines.bin": lambda path: binary(path, b"\n"),
    "word2vec.txt": lambda path: text(path, True),
    "glove.txt": lambda path: text(path, False),
}


def compress(path: Path) -> Path:
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("gz", [False, True])
def test_every_form_gives_the_same_vectors(tmp_path: Path, name: str, gz: bool) -> None:
    FORMATS[name](tmp_path / name)
    file = compress(tmp_path / name) if gz else tmp_path / name
    vectors, missing = attribute_vectors(NAMES, file)
    assert vectors.tolist() == [[1.5, 2, 2], [4, 4, 4]]
    assert missing == ["curved", "color", "blue"]
    assert attribute_vectors(NAMES, file, "average")[0].tolist() == [[0.75, 1, 1], [4, 4, 4]]


def test_words_of_names_as_the_reference_takes_them_apart() -> None:
    assert attribute_words("has_bill_shape::curved_(up_or_down)") == ["bill", "shape", "curved"]
    assert attribute_words("newworld") == ["new", "world"]


def test_an_attribute_without_a_vector_is_an_error_unless_allowed(tmp_path: Path) -> None:
    text(tmp_path / "v.txt", False)
    with pytest.raises(InputError, match=r"no vector for 1 of 2 attributes \('man-made'\)"):
        attribute_vectors(["wing", "man-made"], tmp_path / "v.txt")
    vectors, missing = attribute_vectors(["wing", "man-made"], tmp_path / "v.txt", allow_missing=True)
    assert vectors[1].tolist() == [0, 0, 0]
    assert missing == ["man", "made"]


@pytest.mark.parametrize("cut", [1, 5, 20, 40])
def test_a_binary_file_cut_short_is_one_line(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "v.bin"
    binary(file)
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(InputError) as error:
        attribute_vectors(NAMES, file)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello\n", b"4 3\nbill 1 2 3\n", b"bill 1 2 3\nwing 1 2\n", b"bill nan 1 2\n", b"PK\x03\x04zip", b"0 3\n"],
)
def test_malformed_files_are_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "v.txt"
    file.write_bytes(content)
    with pytest.raises(InputError) as error:
        attribute_vectors(["bill"], file)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


def test_the_rest_of_a_word_with_digits_is_never_looked_up() -> None:
    assert attribute_words("80s") == ["80s"] and attribute_words("3/4 sleeve") == ["sleeve"]
