"""AWA2: values that annotators left out are 0, names of attributes are `predicates.txt`."""

from pathlib import Path

import numpy as np
import pytest

from dazle.datasets.specs import awa2
from dazle.errors import InputError
from tests.dazle.datasets.archives import make_archive


def test_negative_values_are_0_and_said(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, "awa2")
    raw = awa2.read(archive.images, archive.splits, name="awa2")
    assert raw.attributes[4, 2] == 0 and raw.original_attributes is not None and raw.original_attributes[4, 2] == -1
    np.testing.assert_allclose(np.linalg.norm(raw.attributes, axis=1), 1, rtol=1e-6)
    assert raw.provenance["negative_attributes_set_to_0"] == 1
    assert any("1 negative values of att set to 0, as the reference does" in note for note in raw.notes)
    assert raw.attribute_names == ("black", "white", "blue", "new world", "domestic")
    assert raw.preset == "awa2" and raw.key_points is None


def test_predicates_of_another_archive_are_refused(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, "awa2")
    (archive.images / "predicates.txt").write_text("1\tblack\n")
    with pytest.raises(InputError, match=r"predicates\.txt: names 1 attributes, att has 5"):
        awa2.read(archive.images, archive.splits, name="awa2")
