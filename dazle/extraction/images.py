"""Image files as somebody else made them: each becomes RGB or is named as one that cannot be used.

Only formats that datasets come in are decoded, and nothing that would grow beyond all measure in memory.
"""

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from dazle.errors import InputError

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
LARGEST_PIXELS = 2**30 // 12  # beyond this PIL warns of a decompression bomb
LONGEST_RATIO = 64  # resizing the shorter side of a longer strip would make an image of gigabytes
AHEAD = 256  # images asked for before they are needed
NAMED = 10

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_image(path: Path) -> Image.Image:
    """The image in RGB: grey, CMYK, palette and 16 bits are converted, transparency is dropped.

    Orientation marks are not obeyed: key points and the reference's features count pixels as they are stored.
    Raises InputError for a file that is missing, cut short, no image, or too large to be one.
    """
    try:
        if not path.is_file():
            raise InputError("no such file")
        with Image.open(path, formats=FORMATS) as image:
            _check_size(*image.size)
            image.load()
            return _rgb(image)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # decoders raise almost anything
        said = " ".join(str(error).replace(str(path), "file").split())
        raise InputError(f"{path}: {said or type(error).__name__}") from error


def _check_size(width: int, height: int) -> None:
    if width * height > LARGEST_PIXELS or max(width, height) > LONGEST_RATIO * min(width, height):
        raise InputError(f"{width} x {height} pixels are too many or too thin for a photograph")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        # PIL would clip these at 255 and leave a white image.
        values = np.asarray(image)
        if image.mode == "F" or values.min() < 0 or values.max() >= 2**16:
            raise InputError(f"values {values.min():g}..{values.max():g} have no known range; convert it to 8 bits")
        image = Image.fromarray((values // 257).astype(np.uint8))
    return image.convert("RGB")


@dataclass(frozen=True, eq=False)
class Survey:
    """What a look at every image found; broken images have size (0, 0)."""

    sizes: np.ndarray  # (N, 2) int64 width, height
    broken: dict[int, str]  # image -> why it cannot be used

    def complaint(self, names: Sequence[str]) -> str:
        """The broken images by name, up to ten and a count."""
        shown = [f"{names[image]} ({why})" for image, why in islice(self.broken.items(), NAMED)]
        more = len(self.broken) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more else "")


def survey(files: Sequence[Path], kept: Path, progress: Callable[[int, int], object]) -> Survey:
    """Decode every image once. What was found is kept in `kept`, for as long as no file changes."""
    identity = file_states(files)
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):  # not there, or not whole: look again
        found = json.loads(kept.read_text(encoding="utf-8"))
        if found["identity"] == identity:
            return Survey(np.array(found["sizes"]), {int(image): why for image, why in found["broken"].items()})
    sizes, broken = np.zeros((len(files), 2), np.int64), {}
    progress(0, len(files))
    for image, size in enumerate(in_order(_size, files)):
        if isinstance(size, str):
            broken[image] = size
        else:
            sizes[image] = size
        progress(image + 1, len(files))
    found = {"identity": identity, "sizes": sizes.tolist(), "broken": broken}
    with suppress(OSError):  # to look again would only take time
        kept.write_text(json.dumps(found), encoding="utf-8")
    return Survey(sizes, broken)


def _size(path: Path) -> tuple[int, int] | str:
    try:
        return read_image(path).size
    except InputError as error:
        return str(error).removeprefix(f"{path}: ")


def file_states(files: Sequence[Path]) -> str:
    """Hex sha256 of the paths, sizes and times of change: who reads the same files again finds the same."""
    states = [_state(path) for path in files]
    return hashlib.sha256(json.dumps(states).encode()).hexdigest()


def _state(path: Path) -> tuple[str, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return os.fsdecode(path), -1, 0
    return os.fsdecode(path), found.st_size, found.st_mtime_ns


def in_order(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """`map` by threads that stay a little ahead of the caller, so that memory stays small."""
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        waiting: deque[Future[Result]] = deque()
        rest = iter(items)
        try:
            for item in islice(rest, AHEAD):
                waiting.append(pool.submit(function, item))
            while waiting:
                yield waiting.popleft().result()
                for item in islice(rest, 1):
                    waiting.append(pool.submit(function, item))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
