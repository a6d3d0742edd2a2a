"""CSV files of users: a header and lines of equally many cells, with commas, semicolons or tabs between them."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from dazle.errors import InputError

SEPARATORS = ",;\t"


@dataclass(frozen=True)
class CsvTable:
    """The header and the lines of a file; cells without spaces around them."""

    path: Path
    header: tuple[str, ...]
    lines: dict[int, tuple[str, ...]]  # number of the line in the file, from 1 -> its cells


def read_csv(path: Path, contents: str) -> CsvTable:
    """The table of a file; empty lines are left out. `contents` says in errors what the file should contain.

    Raises InputError, one line with the file and the line's number, for anything that is no table.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start}); save it as CSV in UTF-8") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give {contents}") from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    lines: dict[int, tuple[str, ...]] = {}
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                lines[reader.line_num] = tuple(cell.strip() for cell in row)
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num} is no line of a CSV file ({error}); correct it") from error
    if len(lines) < 2:
        raise InputError(f"{path}: has no lines below a header; give {contents}")
    header = lines.pop(next(iter(lines)))
    for number, cells in lines.items():
        if len(cells) != len(header):
            raise InputError(f"{path}: line {number} has {len(cells)} cells, the header has {len(header)}; correct it")
    return CsvTable(path, header, lines)


def _separator(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(SEPARATORS, key=first.count)
