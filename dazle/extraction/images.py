"""Safe reading of image files from unknown sources: every file becomes RGB or an InputError with its path.

Only the formats of datasets are decoded, and no image that would need gigabytes of memory.
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
LARGEST_PIXELS = 2**30 // 12  # above it PIL warns of a decompression bomb
LONGEST_RATIO = 64  # longer side / shorter side; above it, resizing the shorter side could need gigabytes
AHEAD = 256  # images decoded ahead of their use
NAMED = 10

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_image(path: Path) -> Image.Image:
    """The image in RGB: grey, CMYK, palette and 16-bit images are converted, transparency is dropped.

    EXIF orientation is ignored: key points and the reference's features refer to pixels as stored. Raises InputError
    for a file that is missing, truncated, not an image, or too large.
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
    except Exception as error:  # the errors of decoders are not documented
        reason = " ".join(str(error).replace(str(path), "file").split())
        raise InputError(f"{path}: {reason or type(error).__name__}") from error


def _check_size(width: int, height: int) -> None:
    if width * height > LARGEST_PIXELS or max(width, height) > LONGEST_RATIO * min(width, height):
        raise InputError(f"{width} x {height} pixels are too many or too thin for a photograph")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        # PIL would clip values at 255, which gives a white image.
        values = np.asarray(image)
        if image.mode == "F" or values.min() < 0 or values.max() >= 2**16:
            raise InputError(f"values {values.min():g}..{values.max():g} have no known range; convert it to 8 bits")
        image = Image.fromarray((values // 257).astype(np.uint8))
    return image.convert("RGB")


@dataclass(frozen=True, eq=False)
class Survey:
    """The sizes of all images and the broken images among them."""

    sizes: np.ndarray  # (N, 2) int64 width, height; (0, 0) of a broken image
    broken: dict[int, str]  # image -> the reason why it cannot be used

    def complaint(self, names: Sequence[str]) -> str:
        """The first ten broken images with their reasons, and the number of others."""
        named = [f"{names[image]} ({reason})" for image, reason in islice(self.broken.items(), NAMED)]
        others = len(self.broken) - len(named)
        return ", ".join(named) + (f" and {others} more" if others else "")


def survey(files: Sequence[Path], cache: Path, progress: Callable[[int, int], object]) -> Survey:
    """The sizes of all images and the broken ones, by decoding each image once.

    They are stored in the file `cache`, and read from it if no image file has changed.
    """
    identity = file_states(files)
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):  # missing or damaged: decode again
        stored = json.loads(cache.read_text(encoding="utf-8"))
        if stored["identity"] == identity:
            return Survey(np.array(stored["sizes"]), {int(image): reason for image, reason in stored["broken"].items()})
    sizes, broken = np.zeros((len(files), 2), np.int64), {}
    progress(0, len(files))
    for image, size in enumerate(in_order(_size, files)):
        if isinstance(size, str):
            broken[image] = size
        else:
            sizes[image] = size
        progress(image + 1, len(files))
    stored = {"identity": identity, "sizes": sizes.tolist(), "broken": broken}
    with suppress(OSError):  # without the cache the next run decodes again
        cache.write_text(json.dumps(stored), encoding="utf-8")
    return Survey(sizes, broken)


def _size(path: Path) -> tuple[int, int] | str:
    try:
        return read_image(path).size
    except InputError as error:
        return str(error).removeprefix(f"{path}: ")


def file_states(files: Sequence[Path]) -> str:
    """Hex sha256 of the paths, sizes and modification times of files; it changes if a file is changed."""
    states = [_state(path) for path in files]
    return hashlib.sha256(json.dumps(states).encode()).hexdigest()


def _state(path: Path) -> tuple[str, int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return os.fsdecode(path), -1, 0
    return os.fsdecode(path), status.st_size, status.st_mtime_ns


def in_order(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Like `map`, with threads that work at most `AHEAD` items ahead of the caller, so that memory stays small."""
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        futures: deque[Future[Result]] = deque()
        remaining = iter(items)
        try:
            for item in islice(remaining, AHEAD):
                futures.append(pool.submit(function, item))
            while futures:
                yield futures.popleft().result()
                for item in islice(remaining, 1):
                    futures.append(pool.submit(function, item))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
