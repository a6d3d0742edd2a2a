"""Finding images that a file names by the absolute paths of another machine.

All of them are found the same way: with the same number of leading folders taken away, as few as possible.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from dazle.errors import InputError

ARCHIVE_FOLDERS = ("images", "JPEGImages")
SAMPLE = 64


def check_paths(where: Path, named: Sequence[str]) -> None:
    """Raise InputError, beginning with the file that names them, where one is no path or leads upwards."""
    wrong = [name for name in named if ".." in _parts(name) or not _parts(name)]
    if wrong:
        raise InputError(
            f"{where}: image_files has {wrong[0]!r}, not the path of an image; take the archive's own file"
        )


def find_images(folder: Path, named: Sequence[str]) -> tuple[Path, ...]:
    """The file of each name, by the longest trailing part of the names that exists under `folder`.

    An image that is missing is found out where all are looked at. Raises InputError where none is there, or two names
    lead to one file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the one that the image archive was unpacked into")
    parts = [_parts(name) for name in named]
    found = Counter(
        drop for each in parts[:: max(1, len(parts) // SAMPLE)] if (drop := _drop(folder, each)) is not None
    )
    if not found:
        raise InputError(
            f"{folder}: none of the {len(named):,} images is there, the first is {'/'.join(parts[0][-3:])}; "
            "give the folder that the image archive was unpacked into"
        )
    (drop, _), *_ = found.most_common()
    files = [folder.joinpath(*each[drop:]) for each in parts]
    if len(set(files)) < len(files):
        ((file, times), *_) = Counter(files).most_common()
        raise InputError(f"{file}: {times} images of the list lead to this one file; keep the folders of the archive")
    return tuple(files)


def stored_name(named: str) -> str:
    """What is kept of an image's path: everything below the archive's own folder of images."""
    parts = _parts(named)
    places = [place for place, part in enumerate(parts[:-1]) if part in ARCHIVE_FOLDERS]
    return "/".join(parts[places[-1] + 1 :] if places else parts)


def spelled_classes(named: Sequence[str], class_names: Sequence[str]) -> list[int | None]:
    """For each image the class whose name its folders spell, None where they spell none.

    SUN has folders in folders, `b/basketball_court/outdoor` for `basketball_court_outdoor`: the longest name wins.
    """
    places = {plain(name): place for place, name in enumerate(class_names)}

    @cache
    def spelled(folders: tuple[str, ...]) -> int | None:
        joined = ("_".join(folders[start:]) for start in range(len(folders)))
        return next((places[name] for name in map(plain, joined) if name in places), None)

    return [spelled(tuple(_parts(name)[:-1])) for name in named]


def plain(name: str) -> str:
    """A class name without what copies of an archive spell differently: case, and what separates words."""
    return "".join(letter if letter.isalnum() else "_" for letter in name.strip().casefold())


def _parts(named: str) -> list[str]:
    return [part for part in named.replace("\\", "/").split("/") if part not in ("", ".")]


def _drop(folder: Path, parts: Sequence[str]) -> int | None:
    return next((drop for drop in range(len(parts)) if folder.joinpath(*parts[drop:]).is_file()), None)
