from pathlib import Path

import pytest

from tests.crash.runs import SUITE, finish


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    code, stderr = finish(*SUITE, "--out", out)
    assert code == 0, stderr
    return out
