"""The files of a report and the command that compares two runs, on records of real trainings."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from benchmark.cells.folder import OutputFolder
from benchmark.cli.folder_commands import compare, report
from benchmark.reporting.report import write_report
from dazle.errors import InputError
from tests.command_line import benchmark
from tests.reports.writers.test_hostile import compiled


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rows and two seeds of one epoch."""
    folder = tmp_path_factory.mktemp("reporting") / "out"
    done = benchmark(
        "run", "--suite", "smoke", "--variants", "dazle,uniform", "--seeds", "2", "--source", "simulated",
        "--set", "training.epochs=1", "--out", folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_a_report_is_written_in_all_its_forms(out: Path) -> None:
    names = {path.name for path in (out / "tables").iterdir()}
    tables = ("ablation-cub", "protocols-cub", "claims")
    assert names == {f"{table}.{kind}" for table in tables for kind in ("csv", "tex")} | {"numbers.tex"}
    tex = (out / "report.tex").read_text(encoding="utf-8")
    assert "SIMULATED" in tex and tex.count("\\begin{table}") == 3
    markdown = (out / "report.md").read_text(encoding="utf-8")
    results = pd.read_csv(out / "results.csv").query("protocol == 'honest' and variant == 'dazle'")
    mean = f"{results['H'].mean():.1f}"
    assert f"\\newcommand{{\\dazleSimulatedCubHhonest}}{{{mean}}}" in tex
    assert f"{mean} ± {results['H'].std():.1f}" in markdown
    table = pd.read_csv(out / "tables" / "ablation-cub.csv")
    assert set(table["source"]) == {"simulated"}
    assert table.set_index("variant").loc["dazle", "H"] == pytest.approx(results["H"].mean())


def test_the_other_protocols_can_be_printed(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    report(copy, "oracle")
    printed = capsys.readouterr().out
    assert "oracle protocol: the epoch with the best test H" in printed
    assert printed == (copy / "report.md").read_text(encoding="utf-8") + "\n"


def test_a_record_reaches_the_frame_with_what_statistics_and_comparisons_need(out: Path) -> None:
    frame = OutputFolder.read(out).frame()
    assert frame["identity"].map(lambda identity: identity["settings"]["training.epochs"]).eq(1).all()
    assert frame["environment"].map(lambda environment: "torch" in environment["versions"]).all()
    for images, seen, test in zip(frame["class_images"], frame["class_seen"], frame["test"], strict=True):
        assert len(images) == len(seen) == len(test[0]["correct"])


def test_compare_a_run_with_itself_of_another_package(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(out, other)
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps(manifest | {"package": "0.0.9"}))
    compare(out, other)
    printed = capsys.readouterr().out
    assert "Nothing differs." in printed and "package 0.0.9" in printed
    assert "all 2 differences are equal: nothing to test" in printed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace('"simulated"', '"real"'), "a table never mixes the two"),
        (lambda text: text.replace('"cub"', '"bird"'), "no dataset in common"),
    ],
)
def test_runs_that_cannot_be_compared_are_one_line(out: Path, tmp_path: Path, change, message: str) -> None:
    other = tmp_path / "other"
    shutil.copytree(out, other)
    shutil.rmtree(other / "cells")
    path = other / "manifest.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message):
        compare(out, other)


def test_compare_needs_two_runs(tmp_path: Path, out: Path) -> None:
    refused = benchmark("compare", out, tmp_path)
    assert refused.returncode == 2 and "is no output folder of a run" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_latex_compiles(out: Path, tmp_path: Path) -> None:
    write_report(OutputFolder.read(out))
    assert compiled(tmp_path, (out / "report.tex").read_text(encoding="utf-8")).stat().st_size > 10_000


@pytest.mark.slow
def test_the_tables_and_numbers_can_be_put_into_a_paper(out: Path, tmp_path: Path) -> None:
    for name in ("numbers.tex", "ablation-cub.tex"):
        shutil.copy(out / "tables" / name, tmp_path)
    paper = (
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{array, booktabs, graphicx}\\input{numbers}"
        "\\begin{document}H is \\dazleSimulatedCubHhonest, see Table~\\ref{tab:ablation-cub}."
        "\\input{ablation-cub}\\end{document}"
    )
    assert compiled(tmp_path, paper).stat().st_size > 10_000
