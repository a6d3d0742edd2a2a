"""Exit codes; bad usage is one line without a traceback; `--help` and `list` import nothing that loads slowly."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.cli import main as cli
from dazle.errors import InputError
from tests.command_line import ROOT, command
from tests.command_line import benchmark as in_process


def benchmark(*words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        cwd=cwd, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


RUN = ("run", "--suite", "smoke", "--source", "simulated")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("run", "--suite", "smok"), "unknown suite 'smok'; the nearest is 'smoke'"),
        ((*RUN, "--variants", "dazel"), "unknown variant 'dazel'; the nearest is 'dazle'"),
        ((*RUN, "--datasets", "cubs"), "unknown dataset 'cubs'; the nearest is 'cub'"),
        (
            ("run", "--suite", "smoke", "--source", "real", "--data", "none"),
            "'cub' is not prepared in none (none/cub.h5); prepare it with `python -m benchmark data prepare cub ..`",
        ),
        ((*RUN, "--source", "fake"), "--source 'fake' is not one of auto, real, simulated"),
        ((*RUN, "--set", "training.epochs"), "--set 'training.epochs' is not KEY=VALUE"),
        ((*RUN, "--set", "=3"), "--set '=3' is not KEY=VALUE"),
        ((*RUN, "--set", "loss=3"), "setting 'loss' is a group; its settings are loss.class_loss, loss.ce_classes"),
        ((*RUN, "--timeout", "abc"), "--timeout 'abc' is not a number"),
        (
            ("list", "--data", "x"),
            "unknown option '--data'; there are --include, --help (see python -m benchmark list --help",
        ),
        ((*RUN, "--tuned", "nowhere"), "--tuned nowhere is no folder; give the output folder of `tune`"),
        ((*RUN, "--set", "training.epoch=3"), "unknown setting 'training.epoch'; the nearest is 'training.epochs'"),
        (
            (*RUN, "--set", "training.epochs=many"),
            "setting training.epochs is not valid: 'many' is not a whole number",
        ),
        ((*RUN, "--set", "model.semantics=glove"), "model.semantics = 'glove' is not among the semantics of cub"),
        ((*RUN, "--variants", ","), "--variants ',' names nothing; give names with commas between, or leave"),
        ((*RUN, "--variants", ""), "--variants '' names nothing"),
        ((*RUN, "--datasets", " , "), "--datasets ' , ' names nothing"),
        ((*RUN, "--datasets", "../cub"), "unknown dataset '../cub'; the nearest is 'cub'"),
        ((*RUN, "--timeout", "-3"), "--timeout '-3' is not more than 0"),
        ((*RUN, "--seeds", "0"), "--seeds '0' is less than 1"),
        (
            (*RUN, "--seeds", "100000000"),
            "--seeds '100000000' is more than 1000",
        ),
        ((*RUN, "--rows", "some"), "--rows 'some' is not one of all, present"),
        (
            ("run", "--suite", "smoke", "--data", "/nowhere/at/all"),
            "--data /nowhere/at/all is no folder; correct it, or use --source simulated",
        ),
        ((*RUN, "--folds", "4"), "--folds '4' is more than 3"),
        ((*RUN, "--device", "tpu"), "--device 'tpu' is not one of auto, cpu, cuda"),
        (("status", "nowhere"), "nowhere is no output folder of a run"),
        (("report", "nowhere"), "nowhere is no output folder of a run"),
        (("report", ".", "--protocol", "best"), "--protocol 'best' is not one of honest, last, oracle"),
        ((*RUN, "--seeds", "x"), "--seeds 'x' is not a whole number"),
        ((*RUN, "--seeds"), "option '--seeds' requires an argument (see python -m benchmark run --help)"),
        ((*RUN, "--fail-fast=1"), "option '--fail-fast' does not take a value (see python -m benchmark run --help)"),
        ((*RUN, "--sorce", "real"), "unknown option '--sorce'; the nearest is '--source' (see python -m benchmark run"),
        ((*RUN, "cub"), "got unexpected extra argument(s) (cub) (see python -m benchmark run --help)"),
        ((*RUN, "--memory", "4 parsec"), "--memory '4 parsec' is not a size; write it as 4GiB"),
        (("run",), "missing option '--suite' (see python -m benchmark run --help)"),
        (("run", "--suite", "SMOK"), "unknown suite 'SMOK'; the nearest is 'smoke'"),
        ((*RUN, "--datasets", "AWA2"), "unknown dataset 'AWA2'; the nearest is 'awa2'"),
        ((*RUN, "--datasets", "imagenet"), "unknown dataset 'imagenet'; there are awa2, cub, deepfashion, sun"),
        ((*RUN, "--variants", "DAZLE"), "unknown variant 'DAZLE'; the nearest is 'dazle'"),
        ((*RUN, "--set", "lr=0.1"), "unknown setting 'lr'; the nearest is 'training.learning_rate'"),
        (("status",), "missing argument 'OUT' (see python -m benchmark status --help)"),
        (("rum",), "unknown command 'rum'; the nearest is 'run' (see python -m benchmark --help)"),
        (("data", "inf"), "unknown command 'inf'; the nearest is 'info' (see python -m benchmark data --help)"),
        (("--versio",), "unknown option '--versio'; there is only --help (see python -m benchmark --help)"),
        (("check", ".", "--against", "x", "--rows", "some"), "--rows 'some' is not one of all, present"),
        (("attention", ".", "--dataset", "cub", "--image", "1", "--top", "0"), "--top '0' is less than 1"),
        (("throughput", "--shapes", "CUBS"), "unknown shape 'CUBS'; the nearest is 'cub'"),
        (("data", "simulate", "--full"), "simulate --full: name one of cub, sun, awa2, deepfashion"),
        (("data", "simulate", "cubs"), "unknown simulated dataset 'cubs'; the nearest is 'cub'"),
        (("list", "models"), "WHAT 'models' is not one of variants, methods, suites, datasets, backbones"),
    ],
    ids=lambda value: "-".join(value).replace("/", "") if isinstance(value, tuple) else "",
)
def test_bad_usage_is_one_line(words: tuple[str, ...], line: str, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out") if words[0] == "run" and words[-1] != "--seeds" else ()
    done = benchmark(*words, *out)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {line}"), done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = benchmark(*RUN, "--out", tmp_path / "file" / "out")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize(
    "words",
    [("--help",), ("list",), ("list", "backbones"), ("run", "--help"), ("tune", "--help"), ("data", "--help")],
    ids="-".join,
)
def test_help_and_list_import_nothing_heavy(words: tuple[str, ...]) -> None:
    """The time is that of imports: without these, half a second is enough."""
    code = (
        "import sys; sys.argv = ['benchmark', *sys.argv[1:]]\n"
        "from benchmark.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('HEAVY', [m for m in ('torch', 'pandas', 'scipy', 'h5py', 'numpy', 'optuna', 'matplotlib', 'rich.progress') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.endswith("HEAVY []\n"), done.stdout + done.stderr


def test_lists_name_everything() -> None:
    from ablations.suites import SUITES
    from ablations.variants import VARIANTS

    output = benchmark("list").stdout
    assert all(name in output for name in [*VARIANTS, *SUITES, "cub", "sun", "awa2", "deepfashion"])


def test_list_backbones_says_what_each_needs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.cli.listing import list_names
    from dazle.extraction import families

    monkeypatch.setattr(families, "find_spec", lambda package: None if package == "timm" else object())
    list_names("backbones")
    output = capsys.readouterr().out
    assert "timm:vit_base_patch14_dinov2.lvd142m; needs pip install 'dazle-benchmark[timm]'" in output
    assert "ResNet-101 of torchvision, the paper's (default); can be used here" in output
    assert output.count("weights: ") == output.count("tested: ") == len(families.FAMILIES)


def test_an_interrupt_that_a_native_module_made_an_error_of_is_still_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules of scipy do this if they are interrupted while they are imported."""

    def imports(**arguments: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    handlers = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(cli, "app", imports)
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        for number, handler in handlers:
            signal.signal(number, handler)
    assert ended.value.code == 130


def run_without_reader(arguments: list[str], unbuffered: str = "") -> subprocess.CompletedProcess[bytes]:
    """Runs a process whose stdout and stderr are a pipe without a reader."""
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            arguments, cwd=ROOT, env=environment, stdout=writing, stderr=writing, timeout=60, check=False
        )
    finally:
        os.close(writing)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [("list",), (*RUN, "--dry-run"), ("status", "nowhere")])
def test_a_reader_that_has_ended_is_no_regression(words: tuple[str, ...], unbuffered: str) -> None:
    """typer and rich would exit with 1, Python itself with 120."""
    assert run_without_reader(command(*words), unbuffered).returncode == 141


def test_a_regression_whose_reader_has_ended_is_still_one() -> None:
    code = "from benchmark.cli import main; main.app = lambda **arguments: print('regressed') or 1; main.main()"
    assert run_without_reader([sys.executable, "-c", code]).returncode == 1


@pytest.mark.parametrize("error", ["ValueError", "EOFError", "AssertionError"])
def test_a_fault_of_ours_leaves_with_70_and_shows_its_traceback(error: str) -> None:
    """Never 1, which means regression; typer itself turns EOFError into exit code 1."""
    code = (
        "import benchmark.run.plan as module\n"
        f"def plan(options): raise {error}('planted')\n"
        "module.plan = plan\n"
        "from benchmark.cli.main import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--suite", "smoke", "--dry-run"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 70
    assert f"{error}: planted" in done.stderr
    assert "Traceback (most recent call last)" in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyError("planted"), 70, "KeyError: 'planted'"),
        (InputError("a record: cannot be read"), 2, "error: a record: cannot be read"),
        (
            OSError(28, "No space left on device", "report.md"),
            2,
            "error: report.md: No space left on device; make room",
        ),
    ],
    ids=["fault", "input", "disk"],
)
def test_a_report_that_fails_after_the_training_keeps_the_records_and_names_the_way_to_try_again(
    error: Exception, code: int, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("benchmark.reporting.report.write_report", fails)
    out = tmp_path / "out"
    words = (*RUN, "--variants", "dazle", "--seeds", "1", "--set", "training.epochs=1", "--no-validation", "--out", out)
    done = in_process(*words)
    assert done.returncode == code
    *_, reason, last = done.stderr.splitlines()
    assert reason.startswith(line)
    assert ("Traceback" in done.stderr) is (code == 70)
    assert last == (
        f"the report could not be written, the records are kept; try again: python -m benchmark report {out}"
    )
    monkeypatch.undo()
    assert in_process("report", out).returncode == 0
    assert (out / "report.md").is_file()
