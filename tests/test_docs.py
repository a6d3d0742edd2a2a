"""The files and modules that README.md, docs/ and docstrings name exist."""

import ast
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")
PACKAGES = ("ablations", "benchmark", "dazle", "reports", "tests")
FOLDERS = (*PACKAGES, "docs", ".github", ".ci")
# The name of a source file without its folder.
SOURCE = re.compile(r"[\w*]+\.py")


def missing(page: Path, text: str) -> Iterator[str]:
    """The links, paths, files and modules in a page that do not exist."""
    for link in LINK.findall(text):
        path = link.partition("#")[0]
        if path and "://" not in path and not (page.parent / path).exists():
            yield link
    for block, span in CODE.findall(text):
        for word in (block + span).split():
            name = word.strip("'\",;:").partition("::")[0]
            if (is_path(name) and not any(ROOT.glob(name.rstrip("/")))) or (is_module(name) and not imports(name)):
                yield name
            if SOURCE.fullmatch(name) and not any(any((ROOT / folder).rglob(name)) for folder in PACKAGES):
                yield name


def is_path(name: str) -> bool:
    return "/" in name and name.partition("/")[0] in FOLDERS


def is_module(name: str) -> bool:
    return re.fullmatch(rf"(?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+", name) is not None


def imports(name: str) -> bool:
    """Whether `name` is a module, or an attribute of one."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_exists(page: Path) -> None:
    assert list(missing(page, page.read_text(encoding="utf-8"))) == []


def docstrings(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_and_paths_in_docstrings_exist(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        text = "\n\n".join(docstrings(path.read_text(encoding="utf-8")))
        # The files of other projects have no folder.
        names = [name for name in missing(path, text) if not SOURCE.fullmatch(name)]
        assert names == [], path


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[tables](docs/table.md)", "docs/table.md"),
        ("[tables](docs/reports.md#top), see `dazle/methods/model.py`", "dazle/methods/model.py"),
        ("`pytest tests/benchmarks --benchmark-enable`", "tests/benchmarks"),
        ("`tests/crash/test_*s_together_.py`", "tests/crash/test_*s_together_.py"),
        ("`dazle.step` is `dazle.training.step.Step`", "dazle.step"),
        ("`dazle.training.step.Steps`", "dazle.training.step.Steps"),
        ("`refrence.py`", "refrence.py"),
        (
            "```bash\npython -m benchmark check runs/a --against benchmark/accepted/a.json\n```",
            "benchmark/accepted/a.json",
        ),
    ],
)
def test_a_name_that_does_not_exist_is_found(text: str, name: str) -> None:
    assert list(missing(ROOT / "README.md", text)) == [name]


def test_names_that_exist_and_those_of_others_are_left_alone() -> None:
    text = "`tests/crash/test_*.py`, `reference.py`, `dazle/`, `runs/throughput`, `python -m benchmark list`, `torch.compile`"
    assert list(missing(ROOT / "README.md", text)) == []
