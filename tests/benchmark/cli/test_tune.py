"""The command line: `tune`, killed and continued; `run --tuned` and the studies that it refuses."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import optuna
import pytest

from benchmark.cells.folder import record_path
from benchmark.cells.manifest import read_manifest
from benchmark.cells.outcome import Outcome, read_outcome
from benchmark.cells.records import read_record
from benchmark.run.plan import RunOptions, plan
from benchmark.run.runner import run
from benchmark.tuning.storage import open_storage
from dazle.errors import InputError
from tests.benchmark.tuning.studies import Immediate, given_values
from tests.command_line import ROOT, benchmark, command
from tests.dazle.features.small_features import small

QUICK = ("--source", "simulated", "--set", "training.epochs=1")
TWO_ROWS = ("tune", "--variant", "dazle,uniform-cal*", "--dataset", "cub", *QUICK, "--folds", "1", "--workers", "1")
TUNED = ("run", "--suite", "ablations", "--datasets", "cub", *QUICK, "--seeds", "2")


def outcome(out: Path, variant: str = "dazle") -> Outcome:
    return read_outcome(out / "studies" / "cub" / variant / "study.json")


@contextmanager
def in_this_process() -> Iterator[None]:
    """Jobs of `tune` and `run` are run in this process, which saves the seconds that workers need to start."""
    with (
        patch("benchmark.tuning.tuner.Processes", Immediate),
        patch("benchmark.run.pools.processes.Processes", Immediate),
    ):
        yield


@contextmanager
def without_figures() -> Iterator[None]:
    """They take most of the time of a command; those of `tuned` are tested."""
    with patch("benchmark.reporting.tuning.draw_figures"):
        yield


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rows with four trials each."""
    out = tmp_path_factory.mktemp("tuned") / "out"
    with in_this_process():
        done = benchmark(*TWO_ROWS, "--trials", "4", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "uniform-calibrated on cub: 4 of 4 trials" in done.stderr
    assert "best H" in done.stderr and "s left" in done.stderr
    assert "Warning" not in done.stderr
    return out


@pytest.fixture(scope="module")
def run_of_tuned(tuned: Path) -> Path:
    out = tuned.parent / "run"
    with in_this_process():
        done = benchmark(*TUNED, "--variants", "dazle,uniform-calibrated", "--tuned", tuned, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "8 of 8 cells done" in done.stdout
    return out


def test_every_variant_has_the_same_budget_and_the_table_says_so(tuned: Path) -> None:
    table = (tuned / "tuning.md").read_text(encoding="utf-8")
    for variant in ("dazle", "uniform-calibrated"):
        study = outcome(tuned, variant)
        assert study.budget == 4
        assert study.trials[0].default
        assert study.folds == 1
        assert next(line for line in table.splitlines() if f" {variant} " in line).split("|")[3].strip() == "4"
    assert "SIMULATED features" in table


def test_the_pictures_lie_beside_the_study(tuned: Path) -> None:
    for variant in ("dazle", "uniform-calibrated"):
        names = {path.name for path in (tuned / "studies" / "cub" / variant).iterdir()}
        kinds = ("history", "importances", "slice", "parallel")
        assert names == {"study.json", *(f"{kind}.{ending}" for kind in kinds for ending in ("svg", "png"))}


def test_tuned_again_with_more_trials_it_keeps_those_it_has(tuned: Path, tmp_path: Path) -> None:
    import shutil

    out = tmp_path / "out"
    shutil.copytree(tuned, out)
    with in_this_process(), without_figures():
        wider = benchmark(*TWO_ROWS, "--variant", "dazle", "--trials", "6", "--out", out)
    assert wider.returncode == 0
    assert "dazle on cub: 4 of 6 trials were done before" in wider.stderr
    assert outcome(out).budget == 6
    assert outcome(out).trials[:4] == outcome(tuned).trials


def test_a_pruned_study_says_after_which_fold(tmp_path: Path) -> None:
    words = [*TWO_ROWS, "--variant", "dazle", "--folds", "2", "--trials", "12", "--out", tmp_path]
    left = iter(range(50, 0, -1))
    with in_this_process(), without_figures(), given_values(lambda *part: next(left)):
        done = benchmark(*words)
    assert done.returncode == 0, done.stderr
    assert outcome(tmp_path).summary().pruned > 0
    assert " pruned (pruned after class fold 1 of repetition 0), H " in done.stderr


def test_an_interrupt_leaves_the_outcome_and_130(tmp_path: Path) -> None:
    words = [*TWO_ROWS, "--variant", "dazle", "--trials", "4", "--out", tmp_path]

    def interrupted(params: dict[str, Any], repetition: int, fold: int) -> float:
        if len(trials) == 2:
            raise KeyboardInterrupt
        trials.append(params)
        return 50.0

    trials: list[dict[str, Any]] = []
    with in_this_process(), given_values(interrupted):
        stopped = benchmark(*words)
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines()[-1] == "interrupted; the same command continues"
    assert [trial.state for trial in outcome(tmp_path).trials] == ["complete", "complete", "running"]
    with in_this_process(), without_figures(), given_values():
        assert benchmark(*words).returncode == 0
    assert outcome(tmp_path).budget == 4
    assert [trial.params for trial in outcome(tmp_path).trials[:2]] == trials


def test_a_study_with_the_trials_of_an_older_version_leaves_with_2(tmp_path: Path) -> None:
    words = [*TWO_ROWS, "--variant", "dazle", "--trials", "1", "--out", tmp_path]
    with in_this_process(), without_figures(), given_values():
        assert benchmark(*words).returncode == 0
    journal = tmp_path / "journal.log"
    journal.write_text(journal.read_text().replace('"revision":', '"package":'))
    refused = benchmark(*words)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "was made with package = " in refused.stderr


def test_more_folds_than_a_dataset_has_are_refused_before_a_trial(tmp_path: Path) -> None:
    from dazle.features.feature_file import write

    write(tmp_path / "data" / "small.h5", small(folds=small().folds[:1]))
    refused = benchmark("tune", "--variant", "dazle", "--dataset", "small", "--source", "real", "--trials", "1",
                        "--data", tmp_path / "data", "--folds", "2", "--out", tmp_path / "out")  # fmt: skip
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "--folds 2: small has 1 class folds; choose at most as many" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_a_tuned_run_has_each_row_twice_with_the_same_seeds(tuned: Path, run_of_tuned: Path) -> None:
    manifest = read_manifest(run_of_tuned)
    rows = [(cell.variant, cell.seed) for cell in manifest.cells]
    names = ("dazle", "uniform-calibrated", "dazle-tuned", "uniform-calibrated-tuned")
    assert rows == [(name, seed) for name in names for seed in (0, 1)]
    best = outcome(tuned).best
    assert best is not None
    first = manifest.studies[0]
    assert (first.tuned, first.trials, first.best_trial) == ("dazle-tuned", 4, best.number)
    report = (run_of_tuned / "report.md").read_text(encoding="utf-8")
    assert "Tuned rows beside the same rows with their own settings" in report
    assert (run_of_tuned / "figures" / "tuning" / "cub" / "dazle" / "history.svg").is_file()


def test_a_record_names_its_study_and_trial_and_its_identity_does_not(tuned: Path, run_of_tuned: Path) -> None:
    best = outcome(tuned, "uniform-calibrated").best
    assert best is not None
    for entry in read_manifest(run_of_tuned).cells:
        record = read_record(record_path(run_of_tuned, entry.id))
        if entry.variant == "uniform-calibrated-tuned" and not best.default:
            assert record.tuned is not None
            assert record.tuned.study == "dazle-benchmark/simulated/cub/uniform-calibrated"
            assert (record.tuned.trial, record.tuned.trials) == (best.number, 4)
            for key, value in best.params.items():
                assert record.identity["settings"][key] == pytest.approx(value)
        assert "study" not in json.dumps(record.identity)


def test_where_the_rows_own_settings_were_best_the_cells_are_the_same(tuned: Path, tmp_path: Path) -> None:
    def first_is_best(study: dict[str, Any]) -> None:
        for trial in study["trials"]:
            trial["value"] = 99.0 if trial["default"] else 1.0
            trial["state"] = "complete"

    out = changed(tuned, tmp_path, first_is_best)
    cells = plan(options(out, "dazle")).cells
    assert [cell.variant.name for cell in cells] == ["dazle", "dazle", "dazle-tuned", "dazle-tuned"]
    assert [cell.id for cell in cells[:2]] == [cell.id for cell in cells[2:]]
    assert [cell.origin is None for cell in cells] == [True, True, False, False]


def changed(tuned: Path, tmp_path: Path, change: Any, variant: str = "dazle") -> Path:
    """A copy of the studies, one of them changed."""
    import shutil

    out = tmp_path / "changed"
    shutil.copytree(tuned, out)
    path = out / "studies" / "cub" / variant / "study.json"
    study = json.loads(path.read_text())
    change(study)
    path.write_text(json.dumps(study))
    return out


def options(tuned: Path, *variants: str, **others: Any) -> RunOptions:
    """The options of `TUNED`."""
    values = {"seeds": 2, "overrides": {"training.epochs": 1}} | others
    return RunOptions("ablations", variants, ["cub"], source="simulated", tuned=tuned, **values)


REFUSED: dict[str, tuple[Any, str]] = {
    "other features": (lambda study: study["made_with"].update(features="0"), "was made on other features"),
    "other budget": (lambda study: study["trials"].pop(), "unequal budgets: dazle on cub has 3 trials, uniform-calib"),
    "other folds": (lambda study: study.update(folds=3), "unequal folds: dazle on cub has 3 folds, uniform-calib"),
    "other objective": (lambda study: study.update(objective="T1"), "unequal objectives: dazle on cub has T1"),
    "nothing complete": (lambda study: [t.update(state="pruned") for t in study["trials"]], "no trial of dazle on cub"),
    "another study": (lambda study: study.update(variant="sparse"), "holds the study of sparse on cub"),
    "other seeds": (lambda study: study["made_with"].update(seeds=5), "unequal seeds: dazle on cub has seeds"),
    "other sampler": (lambda study: study["made_with"].update(sampler="random"), "unequal sampler"),
    "longer": (lambda study: study["made_with"].update({"training.epochs": 300}), "unequal training.epochs"),
    "broken": (lambda study: study.pop("trials"), "trials is not valid"),
    "not a number": (lambda study: study["trials"][0]["params"].update(x="1e5;"), "is not valid"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_studies_that_cannot_serve_are_refused_in_one_line(tuned: Path, tmp_path: Path, fault: str) -> None:
    change, message = REFUSED[fault]
    out = changed(tuned, tmp_path, change)
    with pytest.raises(InputError) as error:
        plan(options(out, "dazle", "uniform-calibrated"))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_study_is_refused_in_one_line(tuned: Path) -> None:
    missing = benchmark(*TUNED, "--variants", "dazle,sparse", "--tuned", tuned, "--dry-run")
    assert missing.returncode == 2
    assert missing.stderr.count("\n") == 1
    assert "no study of sparse on cub there; make it with `python -m benchmark tune --variant sparse" in missing.stderr


def test_a_run_under_other_conditions_than_its_studies_says_so(tuned: Path) -> None:
    assert plan(options(tuned, "dazle")).notes == []
    notes = plan(options(tuned, "dazle", overrides={})).notes
    assert notes == ["dazle-tuned on cub was tuned with training.epochs = 1; here it is 8"]


def test_a_tuned_run_is_not_mixed_with_one_of_another_choice(tuned: Path, run_of_tuned: Path, tmp_path: Path) -> None:
    def another_is_best(study: dict[str, Any]) -> None:
        number = 1 + study["trials"].index(max(study["trials"], key=lambda trial: trial["value"] or 0))
        study["trials"][number % 4].update(value=100.0, state="complete")

    out = changed(tuned, tmp_path, another_is_best)
    with pytest.raises(InputError, match=r"dazle-tuned on cub = trial . of 4, this one has trial .* another --out"):
        run(options(out, "dazle", "uniform-calibrated", out=run_of_tuned))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--trials", "0"), "--trials '0' is less than 1"),
        (("--trials", "1", "--objective", "S"), "--objective 'S' is not one of H, T1, AUSUC"),
        (("--trials", "1", "--sampler", "grid"), "--sampler 'grid' is not one of tpe, random, gp"),
        (("--trials", "1", "--pruner", "x"), "--pruner 'x' is not one of median, halving, hyperband, none"),
        (("--trials", "1", "--folds", "4"), "--folds '4' is more than 3"),
        (("--trials", "1", "--set", "training.learning_rat=1"), "the nearest is 'training.learning_rate'"),
        (("--trials", "1", "--variant", "dazel"), "the nearest is 'dazle'"),
        (("--trials", "1", "--variant", ""), "--variant '' names nothing"),
        (("--trials", "1", "--dataset", ""), "--dataset '' names nothing"),
        (("--trials", "1", "--dataset", "cup"), "the nearest is 'cub'"),
        (("--trials", "1", "--variant", "glove"), "no attribute vectors 'glove' there"),
        (("--trials", "1", "--storage", "nonsense"), "is no storage URL"),
        (("--trials", "1", "--out", "/proc/nothing"), "cannot be written"),
    ],
)
def test_bad_options_are_one_line(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    refused = benchmark(
        "tune", "--variant", "dazle", "--dataset", "cub", "--source", "simulated", "--out", tmp_path, *words
    )
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert message in refused.stderr


def test_a_study_made_with_other_settings_leaves_with_2(tuned: Path) -> None:
    other = benchmark(*TWO_ROWS, "--trials", "4", "--set", "loss.lambda=0.2", "--out", tuned)
    assert other.returncode == 2
    assert other.stderr.count("\n") == 1
    assert "was made with loss.lambda = 0.1, this command has 0.2" in other.stderr


def test_trials_that_fail_are_in_the_outcome_and_the_command_leaves_with_3(tmp_path: Path) -> None:
    with in_this_process():
        done = benchmark(*TWO_ROWS, "--variant", "dazle", "--trials", "2", "--set", "training.learning_rate=1e30",
                         "--out", tmp_path)  # fmt: skip
    assert done.returncode == 3
    study = outcome(tmp_path)
    assert [trial.state for trial in study.trials] == ["failed", "failed"]
    assert all("FloatingPointError" in (trial.why or "") for trial in study.trials)
    assert "no trial is complete; the last one: FloatingPointError" in done.stdout
    assert not list(tmp_path.rglob("*.svg"))


LONG = ("tune", "--variant", "dazle", "--dataset", "cub", "--source", "simulated", "--trials", "4", "--folds", "1",
        "--workers", "1", "--set", "training.epochs=25")  # fmt: skip
# The word of a journal for a trial that ended is its state; RUNNING is 0 and has no such entry.
ENDED = b'"state":1,"values":['


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_killed_or_interrupted_it_continues(tmp_path: Path, number: signal.Signals) -> None:
    """One trial has ended by then and the next runs. Meanwhile the same command is refused."""
    import psutil

    journal = tmp_path / "journal.log"
    with subprocess.Popen(
        command(*LONG, "--out", tmp_path), cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as tuner:
        wait_for(lambda: journal.exists() and b'"process"' in journal.read_bytes())
        second = benchmark(*LONG, "--out", tmp_path)
        wait_for(lambda: ENDED in journal.read_bytes() and _parameters(journal) >= 14)
        children = psutil.Process(tuner.pid).children(recursive=True)
        tuner.send_signal(number)
        _, stderr = tuner.communicate(timeout=30)
    assert second.returncode == 2
    assert f"the study of dazle on cub is being tuned by process {tuner.pid} on " in second.stderr
    assert second.stderr.count("\n") == 1
    if number == signal.SIGINT:
        assert tuner.returncode == 130
        assert b"interrupted; the same command continues" in stderr
        assert b"Traceback" not in stderr
        assert [trial.state for trial in outcome(tmp_path).trials].count("running") == 1
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    ended = [trial for trial in read_study(tmp_path) if trial.state.is_finished()]
    with journal.open("ab") as file:
        file.write(b'{"op_code":6,"worker_id":"kil')
    with in_this_process(), without_figures():
        again = benchmark(*LONG, "--out", tmp_path)
    assert again.returncode == 0, again.stderr
    study = outcome(tmp_path)
    dead = [trial for trial in study.trials if not trial.counts]
    assert study.budget == 4
    assert len(dead) == 1
    assert len(study.trials) == 5
    assert dead[0].why == "`tune` ended while it ran; tried again"
    assert dead[0].number not in [trial.number for trial in ended]
    for trial in ended:
        assert (study.trials[trial.number].params, study.trials[trial.number].value) == (trial.params, trial.value)
    counting = [tuple(trial.params.values()) for trial in study.trials if trial.counts]
    assert tuple(dead[0].params.values()) in counting
    assert len(set(counting)) == 4


def _parameters(journal: Path) -> int:
    """Parameters of trials so far; a trial has seven."""
    return journal.read_bytes().count(b'"param_name"')


def read_study(out: Path) -> "list[optuna.trial.FrozenTrial]":
    name = "dazle-benchmark/simulated/cub/dazle"
    return optuna.load_study(study_name=name, storage=open_storage(None, out)).trials


@pytest.mark.slow
def test_a_killed_worker_costs_no_trial(tmp_path: Path) -> None:
    import psutil

    journal = tmp_path / "journal.log"
    with subprocess.Popen(
        command(*LONG, "--workers", "2", "--out", tmp_path), cwd=ROOT, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as tuner:  # fmt: skip
        wait_for(lambda: journal.exists() and _parameters(journal) >= 14)
        children = psutil.Process(tuner.pid).children(recursive=True)
        worker = next(child for child in children if "spawn_main" in " ".join(child.cmdline()))
        os.kill(worker.pid, signal.SIGKILL)
        assert tuner.wait(timeout=120) == 0
    study = outcome(tmp_path)
    assert [trial.state for trial in study.trials] == ["complete"] * 4


def wait_for(condition: Any, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "timed out"
        time.sleep(0.02)


def test_a_study_is_not_begun_anew_beside_its_outcome_of_another_storage(tmp_path: Path) -> None:
    out, storage = tmp_path / "out", ("--storage", f"sqlite:///{tmp_path / 'studies.db'}")
    tune = ("tune", "--variant", "dazle", "--dataset", "cub", *QUICK, "--folds", "1", "--workers", "1", "--out", out)
    with in_this_process(), without_figures():
        assert benchmark(*tune, "--trials", "1", *storage).returncode == 0
        refused = benchmark(*tune, "--trials", "1")
        assert benchmark(*tune, "--trials", "1", *storage).returncode == 0
    assert refused.returncode == 2
    assert "has 1 trials of the study of dazle on cub, its storage has 0: it was made with another --storage" in (
        refused.stderr
    )


def test_a_folder_of_a_run_takes_no_studies(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    refused = benchmark("tune", "--variant", "dazle", "--dataset", "cub", *QUICK, "--trials", "1", "--out", tmp_path)
    assert refused.returncode == 2
    assert "is the output folder of a run; choose another one for tuning" in refused.stderr
