"""CI judges by tox environments alone, and every one that it names is there."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
LOCAL = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def environments() -> set[str]:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    return {"py"} | {name.removeprefix("testenv:") for name in tox.sections() if name.startswith("testenv:")}


def test_the_workflow_judges_by_environments_that_are_there() -> None:
    named = set(re.findall(r"tox run -e ([\w-]+)", WORKFLOW))
    matrix = re.search(r"environment: \[([\w, -]+)\]", WORKFLOW)
    assert matrix is not None
    assert named | set(matrix[1].split(", ")) == {"py", "lint", "browser", "gate", "wheel", "audit"}
    assert named | set(matrix[1].split(", ")) <= environments()


def test_the_workflow_runs_nothing_but_tox_and_what_it_needs() -> None:
    commands = re.findall(r"^\s*(?:- )?run: (.+)$", WORKFLOW, re.MULTILINE)
    prepares = ("tox run -e ", "pip install -c constraints.txt tox", "apt-get update", "cat runs/gate/")
    assert len(commands) >= 6
    assert [command for command in commands if not command.startswith(prepares)] == []


def test_the_local_run_has_the_same_gate_and_nothing_slow() -> None:
    named = set(re.findall(r"tox run -e ([\w-]+)", LOCAL))
    assert {"lint", "browser", "gate"} <= named <= environments()
    assert not re.search(r"-e slow|-m slow", LOCAL)
