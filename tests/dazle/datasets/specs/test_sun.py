"""SUN: classes in folders of folders, attribute names from another archive."""

from pathlib import Path

import pytest
import scipy.io

from dazle.datasets.specs import sun
from dazle.errors import InputError
from tests.dazle.datasets.archives import cells, make_archive


def test_nested_folders_spell_their_class(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, "sun")
    raw = sun.read(archive.images, archive.splits, name="sun")
    nested = raw.image_files.index("b/basketball_court/outdoor/image_0012.jpg")
    assert raw.class_names[raw.labels[nested]] == "basketball_court_outdoor"
    assert raw.attribute_names == ("sailing", "driving", "biking", "man-made", "dry")
    assert raw.preset == "sun" and raw.key_points is None


def test_attribute_names_may_be_absent_but_not_wrong(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, "sun")
    file = archive.images / "SUNAttributeDB" / "attributes.mat"
    scipy.io.savemat(file, {"attributes": cells(["sailing"])})
    with pytest.raises(InputError, match=r"attributes\.mat: names 1 attributes, att has 5"):
        sun.read(archive.images, archive.splits, name="sun")
    file.unlink()
    raw = sun.read(archive.images, archive.splits, name="sun")
    assert raw.attribute_names == () and any("attribute names: not found" in note for note in raw.notes)
