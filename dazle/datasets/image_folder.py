"""Image paths: find images on this machine that a file lists by absolute paths of another machine.

The same number of leading folders is removed from all paths, as few as possible.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from dazle.errors import InputError

ARCHIVE_FOLDERS = ("images", "JPEGImages")
SAMPLE = 64  # images to look for


def check_paths(where: Path, names: Sequence[str]) -> None:
    """Raise InputError, beginning with `where`, for a name that is not a path or contains `..`."""
    invalid = [name for name in names if ".." in _parts(name) or not _parts(name)]
    if invalid:
        raise InputError(
            f"{where}: image_files has {invalid[0]!r}, not the path of an image; take the archive's own file"
        )


def find_images(folder: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """The path under `folder` of each name: its longest trailing part for which images exist there.

    A missing image is not an error here; it is found when all images are decoded. Raises InputError if no image
    exists, or if two names give one path.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the one that the image archive was unpacked into")
    parts = [_parts(name) for name in names]
    depths = Counter(
        drop for path in parts[:: max(1, len(parts) // SAMPLE)] if (drop := _leading_folders(folder, path)) is not None
    )
    if not depths:
        raise InputError(
            f"{folder}: none of the {len(names):,} images is there, the first is {'/'.join(parts[0][-3:])}; "
            "give the folder that the image archive was unpacked into"
        )
    (drop, _), *_ = depths.most_common()
    files = [folder.joinpath(*path[drop:]) for path in parts]
    if len(set(files)) < len(files):
        ((file, times), *_) = Counter(files).most_common()
        raise InputError(f"{file}: {times} images of the list lead to this one file; keep the folders of the archive")
    return tuple(files)


def stored_name(path: str) -> str:
    """The image's name in the feature file: its path below the archive's folder of images."""
    parts = _parts(path)
    places = [place for place, part in enumerate(parts[:-1]) if part in ARCHIVE_FOLDERS]
    return "/".join(parts[places[-1] + 1 :] if places else parts)


def folder_classes(names: Sequence[str], class_names: Sequence[str]) -> list[int | None]:
    """For each image the class whose name its folders form, or None.

    SUN has nested folders, `b/basketball_court/outdoor` for `basketball_court_outdoor`: the longest name counts.
    """
    places = {normalised(name): place for place, name in enumerate(class_names)}

    @cache
    def folder_class(folders: tuple[str, ...]) -> int | None:
        joined = ("_".join(folders[start:]) for start in range(len(folders)))
        return next((places[name] for name in map(normalised, joined) if name in places), None)

    return [folder_class(tuple(_parts(name)[:-1])) for name in names]


def normalised(name: str) -> str:
    """A class name in lower case with `_` between words, since copies of an archive differ in both."""
    return "".join(letter if letter.isalnum() else "_" for letter in name.strip().casefold())


def _parts(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]


def _leading_folders(folder: Path, parts: Sequence[str]) -> int | None:
    """The number of leading folders to remove, None if no trailing part exists under `folder`."""
    return next((drop for drop in range(len(parts)) if folder.joinpath(*parts[drop:]).is_file()), None)
