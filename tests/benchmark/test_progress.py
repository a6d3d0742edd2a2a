"""Long work shows how far it is, also where nobody watches a terminal."""

import pytest

from benchmark import progress as module
from benchmark.progress import progress


def test_lines_where_output_goes_to_a_file(capsys, monkeypatch):
    monkeypatch.setattr(module, "PLAIN_EVERY_SECONDS", -1.0)
    with progress("birds") as update:
        for done in range(0, 1001, 250):
            update("extracting", done, 1000)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert lines[-1].startswith("extracting birds: 1,000 of 1,000, ")
    assert lines[-1].endswith("/s, 0 s left")


@pytest.mark.parametrize("seconds, lines", [(0.0, 0), (11.0, 1)])
def test_no_more_than_a_line_every_ten_seconds(capsys, monkeypatch, seconds, lines):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with progress("birds") as update:
        now[0] += seconds
        update("reading", 1, 10)
        update("reading", 2, 10)
    assert len(capsys.readouterr().err.splitlines()) == lines
