"""CI runs tox environments alone. They exist, the local run has no others, and the paths in their commands exist."""

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = (".github/workflows/ci.yml", ".ci/run", "tox.ini")
WORKFLOW, LOCAL, TOX = ((ROOT / name).read_text(encoding="utf-8") for name in FILES)
ROOMS = ("ablations", "benchmark", "dazle", "reports", "tests", "docs", "data")


def tox() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(TOX)
    return parser


def environments(text: str) -> set[str]:
    """The tox environments that a workflow or a script runs."""
    names = set(re.findall(r"tox run -e ([\w-]+)", text))
    matrix = re.search(r"environment: \[([\w, -]+)\]", text)
    return names | (set(matrix[1].split(", ")) if matrix else set())


def test_every_environment_of_the_workflow_exists() -> None:
    sections = {name.removeprefix("testenv:") for name in tox().sections() if name.startswith("testenv:")}
    assert environments(WORKFLOW) <= {"py"} | sections


def test_the_workflow_runs_what_tox_runs_by_default_and_what_the_local_run_does() -> None:
    default = set(tox()["tox"]["env_list"].split(", "))
    local = environments(LOCAL)
    assert default and local
    assert default | local <= environments(WORKFLOW)


def test_the_workflow_runs_nothing_but_tox_and_what_it_needs() -> None:
    commands = re.findall(r"^\s*(?:- )?run: (.+)$", WORKFLOW, re.MULTILINE)
    prefixes = ("tox run -e ", "pip install -c constraints.txt tox", "apt-get update", "cat runs/gate/")
    assert len(commands) >= 6
    assert [command for command in commands if not command.startswith(prefixes)] == []


def test_every_job_of_the_workflow_runs_tox() -> None:
    jobs = re.split(r"^  \w+:\n    runs-on", WORKFLOW, flags=re.MULTILINE)[1:]
    assert len(jobs) > 2
    assert all("tox run -e" in job for job in jobs)


@pytest.mark.parametrize("text", [WORKFLOW, LOCAL], ids=FILES[:2])
def test_ci_runs_nothing_slow(text: str) -> None:
    assert "slow" not in environments(text)
    assert "-m slow" not in text


@pytest.mark.parametrize("text", [WORKFLOW, LOCAL, TOX], ids=FILES)
def test_the_paths_in_commands_exist(text: str) -> None:
    paths = re.findall(rf"(?<![\w.-])(?:{'|'.join(ROOMS)})/[\w./-]*\w", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_workflow_uploads_what_the_gate_writes() -> None:
    folder = tox()["testenv:gate"]["env_tmp_dir"].removeprefix("{tox_root}/")
    paths = re.findall(r"\bruns/\S+", WORKFLOW)
    assert len(paths) > 5
    assert [path for path in paths if not path.startswith(f"{folder}/*/")] == []
