"""The verdicts, one case each, on made runs; what is compared with what, and by which test."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmark.gate.accept import accept
from benchmark.gate.accepted import AcceptedResults, Metric
from benchmark.gate.candidate import Candidate, read_candidate
from benchmark.gate.verdicts import ALPHA, compare_rows, exit_code, p_worse, tolerated_differences
from dazle.errors import InputError
from dazle.training.dazle import Dazle
from reports.analysis.statistics import holm
from tests.benchmark.example_run import ENVIRONMENT, read_run

BASE = {
    "dazle": [70.0, 72.0, 71.0, 73.0, 70.5, 71.5],
    "uniform": [30.0, 31.0, 29.0, 30.5, 30.2, 29.8],
    "dense-gated-uncalibrated": [60.0, 61.0, 59.0, 60.5, 60.2, 59.8],
}
BETTER = [75.0, 76.0, 77.0, 76.5, 75.5, 77.5]  # than the full model in BASE
JITTER = [0.1, -0.1, 0.2, -0.2, 0.15, -0.15]


@pytest.fixture
def run(tmp_path: Path):
    """read_candidate(read_run(..)), each in a folder of its own."""
    count = iter(range(99))

    def new_candidate(values: dict[str, Any], **options: Any) -> Candidate:
        return read_candidate(read_run(tmp_path / str(next(count)), values, **options))

    return new_candidate


@pytest.fixture
def accepted(run) -> AcceptedResults:
    return run(BASE).results


def moved(by: float, jitter: list[float] = JITTER, row: str = "dazle") -> dict[str, Any]:
    return BASE | {row: [value + by + noise for value, noise in zip(BASE[row], jitter, strict=True)]}


def words(verdicts) -> dict[str, str]:
    return {verdict.variant: verdict.word for verdict in verdicts}


@pytest.mark.parametrize(
    ("values", "word", "code"),
    [
        (BASE, "same", 0),
        (moved(-3), "regressed", 1),
        (moved(+3), "improved", 0),
        (moved(-0.4), "same", 0),
        (moved(-0.4, [0] * 6), "same", 0),
        (moved(-0.6, [0] * 6), "regressed", 1),
        (moved(+0.6, [0] * 6), "improved", 0),
        (moved(-3, [3, -3, 2.5, -2.5, 3.5, -3.5]), "same", 0),
        (BASE | {"dazle": [*BASE["dazle"][:5], None]}, "missing", 3),
        (BASE | {"dazle": [None] * 6}, "missing", 3),
    ],
    ids=["equal", "drop", "rise", "in tolerance", "in tolerance, no spread", "drop, no spread", "rise, no spread",
         "noise", "a cell missing", "all cells missing"],
)  # fmt: skip
def test_a_row_gets_its_verdict_and_no_other_does(run, accepted, values, word, code) -> None:
    verdicts = compare_rows(accepted, run(values))
    assert words(verdicts) == {"uniform": "same", "dense-gated-uncalibrated": "same", "dazle": word}
    assert exit_code(verdicts) == code


def test_a_verdict_says_what_it_compared(run, accepted) -> None:
    verdict = compare_rows(accepted, run(moved(-3)))[0]
    assert (verdict.word, verdict.dataset, verdict.metric, verdict.tolerance) == ("regressed", "cub", "H", 0.5)
    assert verdict.accepted == pytest.approx(np.mean(BASE["dazle"]))
    assert verdict.difference == pytest.approx(-3)
    # t = (-2.5 - mean jitter) / (sd / sqrt(6)) = -33.46, five degrees of freedom. The other rows are equal to the
    # accepted ones: they have no test and spend no level.
    alone = stats.t.cdf((np.mean(JITTER) - 2.5) / (np.std(JITTER, ddof=1) / 6**0.5), 5)
    assert verdict.p == pytest.approx(alone)
    noisy = run(moved(-3) | {"uniform": moved(0, row="uniform")["uniform"]})
    assert compare_rows(accepted, noisy)[0].p == pytest.approx(2 * alone)


def test_equal_differences_are_compared_by_value_and_spend_no_level(run, accepted) -> None:
    """A drop that one test finds (p = 0.04) is found beside two rows that did not change."""
    values = moved(-0.65)
    verdicts = compare_rows(accepted, run(values))
    assert words(verdicts) == {"dazle": "regressed", "uniform": "same", "dense-gated-uncalibrated": "same"}
    p_values = {verdict.variant: verdict.p for verdict in verdicts}
    assert p_values["uniform"] is None and p_values["dense-gated-uncalibrated"] is None
    assert 0.05 / 3 < p_values["dazle"] < 0.05


@pytest.mark.parametrize("base_seed", [214, 1])
def test_two_equal_differences_of_a_tenth_are_same_and_those_beyond_the_tolerance_are_not(run, base_seed) -> None:
    accepted = run({"dazle": [70.0, 70.0], "uniform": [30.0, 30.0]}).results
    for step, word in (
        (0.1, "same"),
        (-0.1, "same"),
        (0.5, "same"),
        (-0.5, "same"),
        (0.6, "improved"),
        (-0.6, "regressed"),
    ):
        other = run({"dazle": [70.0 + step] * 2, "uniform": [30.0, 30.0]}, base_seed=base_seed)
        verdicts = {verdict.variant: verdict for verdict in compare_rows(accepted, other)}
        assert (verdicts["dazle"].word, verdicts["uniform"].word) == (word, "same")
        assert (verdicts["dazle"].p, verdicts["uniform"].p) == (None, None)


def test_the_worst_verdict_comes_first_and_decides(run, accepted) -> None:
    values = moved(-3) | {"uniform": [None] * 6}
    verdicts = compare_rows(accepted, run(values))
    assert [verdict.word for verdict in verdicts] == ["regressed", "missing", "same"]
    assert exit_code(verdicts) == 1


def test_rows_that_were_never_meant_are_left_out_only_where_asked(run, accepted) -> None:
    narrow = run({"dazle": BASE["dazle"]})
    assert words(compare_rows(accepted, narrow))["uniform"] == "missing"
    assert exit_code(compare_rows(accepted, narrow)) == 3
    assert words(compare_rows(accepted, narrow, only_present=True)) == {"dazle": "same"}
    assert exit_code(compare_rows(accepted, narrow, only_present=True)) == 0


def test_a_row_that_was_meant_and_is_not_there_is_missing_in_either_mode(run, accepted) -> None:
    incomplete = run({"dazle": BASE["dazle"], "uniform": [*BASE["uniform"][:5], None]})
    assert words(compare_rows(accepted, incomplete, only_present=True)) == {"dazle": "same", "uniform": "missing"}


def test_a_run_without_a_record_or_a_row_of_the_file_never_passes(run, accepted) -> None:
    empty = run({"dazle": [None] * 6})
    assert exit_code(compare_rows(accepted, empty, only_present=True)) == 3
    other = run({"one-hot": BASE["dazle"]})
    verdicts = compare_rows(accepted, other, only_present=True)
    assert words(verdicts) == {"one-hot": "new"}
    assert exit_code(verdicts) == 3


def test_fewer_repetitions_are_missing_and_more_are_not_looked_at(run, accepted) -> None:
    fewer = run({"dazle": BASE["dazle"][:5]})
    verdict = compare_rows(accepted, fewer, only_present=True)[0]
    assert (verdict.word, verdict.why) == ("missing", "5 of 6 repetitions")
    more = run({"dazle": [*BASE["dazle"], 1.0]})
    assert words(compare_rows(accepted, more, only_present=True)) == {"dazle": "same"}


def test_a_new_row_is_new_and_one_that_lacks_cells_is_missing(run, accepted) -> None:
    verdicts = compare_rows(accepted, run(BASE | {"one-hot": BASE["dazle"]}))
    assert words(verdicts)["one-hot"] == "new"
    assert exit_code(verdicts) == 0
    assert words(compare_rows(accepted, run(BASE | {"one-hot": [None] * 6})))["one-hot"] == "missing"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"overrides": {"training.epochs": 3}}, "training.epochs 8 accepted, 3 here"),
        ({"folds": 3}, "folds 1 accepted, 3 here"),
    ],
    ids=["settings", "folds"],
)
def test_what_means_something_else_is_incomparable_and_named(run, accepted, options, why) -> None:
    verdicts = compare_rows(accepted, run(BASE, **options))
    assert {(verdict.word, verdict.why) for verdict in verdicts} == {("incomparable", why)}
    assert exit_code(verdicts) == 2


def test_other_features_and_another_source_are_incomparable(run, accepted, monkeypatch) -> None:
    monkeypatch.setattr("dazle.datasets.simulated.GENERATOR_VERSION", 99)
    verdict = compare_rows(accepted, run(BASE))[0]
    assert verdict.word == "incomparable"
    assert verdict.why.startswith("features ")
    real = accepted.model_copy(
        update={
            "datasets": [
                accepted.datasets[0].model_copy(update={"basis": {**accepted.datasets[0].basis, "source": "real"}})
            ]
        }
    )
    monkeypatch.undo()
    assert compare_rows(real, run(BASE))[0].why == "source real accepted, simulated here"


def test_a_row_whose_own_change_is_another_is_incomparable(run, accepted) -> None:
    rows = [
        row.model_copy(update={"changes": {**row.changes, "loss.lambda": 0.3}}) if row.variant == "uniform" else row
        for row in accepted.rows
    ]
    verdicts = compare_rows(accepted.model_copy(update={"rows": rows}), run(BASE))
    assert verdicts[0].variant == "uniform"
    assert verdicts[0].why == "loss.lambda 0.3 accepted, 0.1 here"
    assert words(verdicts)["dazle"] == "same"


def test_threads_and_surroundings_are_noted_and_compared(run, accepted) -> None:
    there = ENVIRONMENT | {"processor": "another", "versions": {"torch": "3"}}
    other = run(BASE, threads=2, environment=there)
    assert set(words(compare_rows(accepted, other)).values()) == {"same"}
    assert tolerated_differences(accepted, other) == [
        "threads 1 accepted, 2 here", "processor made accepted, another here", "torch 2 accepted, 3 here"
    ]  # fmt: skip


def test_another_package_version_is_noted_and_another_revision_is_compared(run, accepted, monkeypatch) -> None:
    monkeypatch.setattr(Dazle, "revision", 99)
    monkeypatch.setattr("benchmark.__version__", "99")
    newer = run(BASE)
    assert set(words(compare_rows(accepted, newer)).values()) == {"same"}
    assert any(
        line.endswith("99 here") and line.startswith("package ") for line in tolerated_differences(accepted, newer)
    )


def test_a_file_of_a_package_without_revisions_is_compared(run, accepted) -> None:
    datasets = [data.model_copy(update={"basis": data.basis | {"identity": 1}}) for data in accepted.datasets]
    old = accepted.model_copy(update={"datasets": datasets})
    assert set(words(compare_rows(old, run(BASE))).values()) == {"same"}
    datasets = [data.model_copy(update={"basis": data.basis | {"identity": 0}}) for data in accepted.datasets]
    older = accepted.model_copy(update={"datasets": datasets})
    assert set(words(compare_rows(older, run(BASE))).values()) == {"incomparable"}


def test_repetitions_of_another_base_seed_are_no_pairs(run, accepted) -> None:
    """Paired by number, this drop has no spread; as the draws they are, it has one."""
    values = BASE | {"dazle": [value - 0.6 for value in BASE["dazle"]]}
    assert words(compare_rows(accepted, run(values)))["dazle"] == "regressed"
    other = run(values, base_seed=1)
    verdict = next(verdict for verdict in compare_rows(accepted, other) if verdict.variant == "dazle")
    assert verdict.word == "same"
    assert "Welch" in tolerated_differences(accepted, other)[0]
    assert words(compare_rows(accepted, run(moved(-20), base_seed=1)))["dazle"] == "regressed"


def test_tolerances_are_the_rows_own_or_the_metrics(run, accepted) -> None:
    dropped = run(moved(-3))
    wide = [row.model_copy(update={"tolerance": {"H": 5.0}}) for row in accepted.rows]
    assert words(compare_rows(accepted.model_copy(update={"rows": wide}), dropped))["dazle"] == "same"
    narrow = {**accepted.metrics, "H": Metric(tolerance=None), "T1": Metric(tolerance=0.5)}
    verdict = compare_rows(accepted.model_copy(update={"metrics": narrow}), dropped)[0]
    assert (verdict.word, verdict.metric, verdict.variant) == ("regressed", "T1", "dazle")


def test_a_metric_of_which_less_is_better(run, accepted) -> None:
    lower = {**accepted.metrics, "H": Metric(better="lower", tolerance=0.5)}
    turned = accepted.model_copy(update={"metrics": lower})
    verdict = compare_rows(turned, run(moved(+3)))[0]
    assert (verdict.word, verdict.variant) == ("regressed", "dazle")
    assert verdict.accepted == pytest.approx(np.mean(BASE["dazle"]))
    assert words(compare_rows(turned, run(moved(-3))))["dazle"] == "improved"


def test_p_values_are_one_sided_beyond_the_tolerance() -> None:
    # Differences -1, -0.5, -3: mean -1.5, sd 1.323; t = (-1.5 + 0.5) / (1.323 / sqrt(3)) = -1.309, two degrees.
    old, new = np.array([1.0, 2.0, 4.0]), np.array([0.0, 1.5, 1.0])
    assert p_worse(old, new, 0.5, paired=True) == pytest.approx(0.160, abs=5e-4)
    # Welch: variances 7/3 and 7/12, t = -1 / sqrt((7/3 + 7/12) / 3) = -1.014, 2.94 degrees of freedom.
    assert p_worse(old, new, 0.5, paired=False) == pytest.approx(0.193, abs=5e-4)
    # A rise is no drop.
    assert p_worse(new, old, 0.5, paired=True) == pytest.approx(stats.t.cdf((1.5 + 0.5) / (1.75**0.5 / 3**0.5), 2))


def test_a_claim_that_held_and_does_not_any_more_has_regressed(run, accepted) -> None:
    """Without attention the full model is better: the row that got better is improved, and the claim is lost."""
    assert accepted.claims["dense-beats-none-in-the-full-model on cub"] == "by construction"
    level = run(BASE | {"uniform": BETTER})
    verdict = compare_rows(accepted, level)[0]
    assert (verdict.word, verdict.variant, verdict.metric) == (
        "regressed",
        "dense-beats-none-in-the-full-model",
        "claim",
    )
    assert verdict.why.startswith("by construction accepted, not by construction here: Dense region attention beats")
    assert exit_code(compare_rows(accepted, level)) == 1
    assert words(compare_rows(accepted, level))["uniform"] == "improved"


def test_a_claim_is_only_noted_where_repetitions_are_other_draws(run, accepted) -> None:
    other = run(BASE | {"uniform": BETTER}, base_seed=1)
    assert exit_code(compare_rows(accepted, other)) == 0
    note = "dense-beats-none-in-the-full-model on cub is not by construction here"
    assert note in tolerated_differences(accepted, other)


@pytest.mark.parametrize("base_seed", [214, 1])
def test_a_claim_without_spread_is_only_noted(run, accepted, base_seed) -> None:
    level = run(BASE | {"uniform": [value - 40.0 for value in BASE["dazle"]]}, base_seed=base_seed)
    assert [verdict.metric for verdict in compare_rows(accepted, level) if verdict.metric == "claim"] == []
    assert [line for line in tolerated_differences(accepted, level) if "dense-beats-none" in line] == [
        "dense-beats-none-in-the-full-model on cub by construction accepted, no verdict here "
        f"(all {len(BASE['dazle'])} differences are equal: no spread over seeds)"
    ]


def test_a_claim_whose_rows_became_equal_has_regressed(run, accepted) -> None:
    """In every seed the full model is as good as without attention: there is no spread, and nothing left of the claim."""
    assert exit_code(compare_rows(accepted, run(BASE | {"uniform": BASE["dazle"]}))) == 1


def test_a_claim_whose_rows_cannot_be_compared_is_not_judged(run, accepted) -> None:
    level = run(BASE | {"uniform": BASE["dazle"]}, overrides={"training.epochs": 3})
    assert {verdict.word for verdict in compare_rows(accepted, level)} == {"incomparable"}
    narrow = run({"dazle": BASE["dazle"]})
    assert "regressed" not in words(compare_rows(accepted, narrow)).values()


@pytest.mark.parametrize("paired", [True, False])
def test_noise_alone_alarms_at_most_as_often_as_the_level_says(paired: bool) -> None:
    """2,000 checks of 20 rows in which nothing changed, tolerance 0: at most 5 % alarm, and not far from none."""
    old, new = np.random.default_rng(0).normal(size=(2, 2000, 20, 6))
    p = p_worse(old, new, 0, paired)
    assert min(holm(p[0].tolist())) == pytest.approx(min(1, 20 * p[0].min()))
    alarms = (20 * p.min(axis=1) <= ALPHA).mean()
    assert 0.02 < alarms < 0.06


def test_rows_of_deterministic_methods_are_left_out_by_name(tmp_path: Path) -> None:
    values: dict[str, list[float]] = BASE | {"eszsl": [50.0]}
    folder = read_run(tmp_path / "run", values)
    candidate = read_candidate(folder)
    assert candidate.left_out == ["eszsl"]
    assert {row.variant for row in candidate.results.rows} == set(BASE)
    lines, code = accept(tmp_path / "run", tmp_path / "accepted.json", replace=False)
    assert code == 0 and "left out, since a deterministic method has no repetitions: eszsl" in lines
    message = "every row is of a deterministic method"
    read_run(tmp_path / "other", {"eszsl": [50.0]})
    with pytest.raises(InputError, match=message):
        accept(tmp_path / "other", tmp_path / "other.json", replace=False)
