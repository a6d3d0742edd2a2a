"""`--help` of every command: placeholders of values, and no types of Python."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from benchmark.cli.main import app
from benchmark.run.options import RunOptions
from tests.command_line import benchmark


def paths(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from paths(child, *path, name)


@pytest.mark.parametrize("path", [*paths(get_command(app))], ids=lambda path: "-".join(path) or "benchmark")
def test_help_names_no_types(path: tuple[str, ...]) -> None:
    done = benchmark(*path, "--help")
    assert done.returncode == 0
    assert re.match(rf"Usage: .*{' '.join(['benchmark', *path])} \[OPTIONS\]", done.stdout), done.stdout
    assert not re.search(r"<\w+>|list\[|None\b|where left out", done.stdout), done.stdout
    assert "{" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_of_run_has_each_option_with_its_placeholder_choices_and_default() -> None:
    text = benchmark("run", "--help").stdout
    assert len(re.findall(r"^  --[a-z]", text, re.MULTILINE)) == len(RunOptions.declarations) + 1
    words = " ".join(text.split())
    assert "--seeds N Number of repetitions of each variant, 1 to 1000. [default: as in the suite]" in words
    assert "--source auto|real|simulated Source of the features" in words
    assert "--data FOLDER Folder of the prepared features. [default: $DAZLE_DATA, else data]" in words
    assert "--validation / --no-validation Train the validation phase" in words and "[default: on]" in words
    assert "--validation / --no-validation" in words
    assert "--fail-fast Stop at the first cell that fails." in words


@pytest.mark.parametrize("flag", ["--data", "--rows"])
def test_an_option_of_several_commands_has_one_declaration(flag: str) -> None:
    texts = {
        (parameter.help, parameter.default)
        for path in paths(get_command(app))
        for parameter in _command(*path).params
        if flag in parameter.opts
    }
    assert len(texts) == 1


def _command(*path: str) -> Any:
    command: Any = get_command(app)
    for name in path:
        command = command.commands[name]
    return command


@pytest.mark.parametrize("words", [("data", "info"), ("run", "--suite", "smoke", "--dry-run")], ids=["data", "run"])
def test_commands_read_the_folder_of_the_features_from_the_environment(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAZLE_DATA", str(tmp_path / "nowhere"))
    done = benchmark(*words)
    assert done.returncode == 2
    assert f"{tmp_path / 'nowhere'}" in done.stderr


def test_without_a_command_the_help_is_printed_and_the_exit_code_is_2() -> None:
    for path in ((), ("data",)):
        done = benchmark(*path)
        assert done.returncode == 2
        assert done.stdout.startswith("Usage:") and "Commands:" in done.stdout
        assert done.stderr == ""
