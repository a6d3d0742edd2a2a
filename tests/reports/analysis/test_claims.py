"""A verdict of each kind on made records, and the claims themselves."""

from dataclasses import replace

import pandas as pd
import pytest

from ablations.variants import VARIANTS
from reports.analysis.claims import Claim, ClaimVerdict, claim_verdicts, claims, lost_verdicts, verdicts_without_spread
from reports.analysis.published import published
from reports.analysis.results import DatasetResults
from reports.analysis.statistics import PairedDifference
from reports.tables.claims_table import claims_summary, claims_table
from reports.writers import markdown
from tests.reports.example_records import REAL, failed, rows

BASE = (50.0, 54.0, 52.0, 53.0, 51.0, 52.0)
CUB127 = REAL | {"dataset": "cub127", "published_counts": False, "backbone": "EfficientNet-Lite0"}


def plus(*steps: float) -> list[float]:
    return [base + step for base, step in zip(BASE, steps, strict=False)]


def results(**variants: list[float]) -> list[DatasetResults]:
    return of(CUB127, **variants)


def of(about: dict, **variants: list[float]) -> list[DatasetResults]:
    cells = [row for name, values in variants.items() for row in rows(name.replace("_", "-"), values, **about)]
    return list(DatasetResults.per_dataset(pd.DataFrame(cells)))


def verdict(datasets: list[DatasetResults], name: str) -> ClaimVerdict:
    verdicts = claim_verdicts(datasets)
    (only,) = [item for item in verdicts if item.claim.name == name and item.dataset == datasets[0].name]
    return only


DENSE, NOTHING = "dense-beats-none-calibrated", "attribute-attention-adds-nothing"


@pytest.mark.parametrize(
    ("steps", "word"),
    [
        ((5, 6, 7, 5, 6, 7), "supported"),
        ((-5, -6, -7, -5, -6, -7), "contradicted"),
        ((5, -6, 7, -5, 6, -7), "undecided"),
        ((0, 0, 0, 0, 0, 0), "no verdict"),
        ((1, 1, 1, 1, 1, 1), "no verdict"),
        ((0.1, 0.1), "no verdict"),
    ],
)
def test_a_directed_claim(steps: tuple[float, ...], word: str) -> None:
    outcome = verdict(results(dense_calibrated=plus(*steps), uniform_calibrated=list(BASE)), DENSE)
    assert (outcome.word, outcome.holds) == (word, word == "supported")
    assert outcome.effect.mean == pytest.approx(sum(steps) / len(steps))
    assert outcome.key == f"{DENSE} on cub127"


@pytest.mark.parametrize(
    ("steps", "word"),
    [
        ((0.2, -0.3, 0.1, 0.0, -0.1, 0.2), "supported"),  # all of the interval within +-1
        ((0.2, -3.0, 2.0, 0.0, -0.1, 2.2), "undecided"),  # no effect, but not shown to be nothing
        ((0.8, 0.9, 1.0, 1.1, 0.9, 0.8), "undecided"),  # an effect, of which it is open whether it is below 1
        ((3.0, 3.1, 2.9, 3.0, 3.2, 3.1), "contradicted"),
        ((-3.0, -3.1, -2.9, -3.0, -3.2, -3.1), "contradicted"),
        ((0.0, 0.0, 0.0), "no verdict"),  # equal values of a few seeds are no proof that nothing is added
    ],
)
def test_a_claim_of_nothing_needs_its_margin(steps: tuple[float, ...], word: str) -> None:
    assert verdict(results(dazle=plus(*steps), dense_calibrated=list(BASE)), NOTHING).word == word


def test_a_claim_below_zero_is_the_mirror_image() -> None:
    claim = replace(claims()[0], direction="below")
    assert claim.decide(PairedDifference(-2.0, -3.0, -1.0, 6, 0.01)) == "supported"
    assert claim.decide(PairedDifference(2.0, 1.0, 3.0, 6, 0.01)) == "contradicted"
    assert claim.decide(PairedDifference(0.0, -1.0, 1.0, 6, 0.9)) == "undecided"


def test_undecided_with_few_seeds_says_what_ranks_could_not_say() -> None:
    few = verdict(results(dense_calibrated=plus(5, -6, 7), uniform_calibrated=list(BASE[:3])), DENSE)
    assert few.word == "undecided" and "3 seeds cannot give p < 0.05" in few.note
    many = verdict(results(dense_calibrated=plus(5, -6, 7, -5, 6, -7), uniform_calibrated=list(BASE)), DENSE)
    assert many.word == "undecided" and many.note == ""


def test_equal_differences_say_so() -> None:
    for step in (0, 0.1):
        outcome = verdict(results(dense_calibrated=plus(step, step, step), uniform_calibrated=list(BASE[:3])), DENSE)
        assert (outcome.word, outcome.note) == ("no verdict", "all 3 differences are equal: no spread over seeds")
        assert (outcome.effect.low, outcome.effect.high, outcome.effect.p) == (None, None, None)


@pytest.mark.parametrize("deterministic", [("dense-calibrated",), ("dense-calibrated", "uniform-calibrated")])
@pytest.mark.parametrize("step", [5.0, -5.0])
def test_a_deterministic_row_has_no_spread_and_supports_nothing(deterministic: tuple[str, ...], step: float) -> None:
    cells = []
    for name, h in (("dense-calibrated", 50.0 + step), ("uniform-calibrated", 50.0)):
        fixed = name in deterministic
        values = [h] if fixed else [h, h + 0.1, h - 0.1]
        cells += rows(name, values, deterministic=fixed, **CUB127)
    outcome = verdict(list(DatasetResults.per_dataset(pd.DataFrame(cells))), DENSE)
    assert (outcome.word, outcome.effect.mean) == ("no verdict", pytest.approx(step))
    assert outcome.note == f"{' and '.join(deterministic)}: deterministic, without spread over seeds"


def test_an_equivalence_of_deterministic_rows_is_not_supported() -> None:
    cells = [row for name in ("dazle", "dense-calibrated") for row in rows(name, [50.0], deterministic=True, **CUB127)]
    assert verdict(list(DatasetResults.per_dataset(pd.DataFrame(cells))), NOTHING).word == "no verdict"


def test_one_seed_decides_nothing() -> None:
    outcome = verdict(results(dense_calibrated=[60.0], uniform_calibrated=[50.0]), DENSE)
    assert (outcome.word, outcome.effect.mean, outcome.note) == ("no verdict", 10.0, "one seed: no interval")


def test_simulated_records_support_nothing() -> None:
    about = {"dataset": "cub"}
    up = verdict(of(about, dense_calibrated=plus(5, 6, 7), uniform_calibrated=list(BASE[:3])), DENSE)
    assert (up.word, up.holds) == ("by construction", True)
    for steps, word in (((-5, -6, -7), "not by construction"), ((5, -6, 7), "undecided"), ((5,), "no verdict")):
        other = verdict(of(about, dense_calibrated=plus(*steps), uniform_calibrated=list(BASE[: len(steps)])), DENSE)
        assert (other.word, other.holds) == (word, False)
    words = {
        item.word
        for item in claim_verdicts(of(about, dense_calibrated=plus(5, 6, 7), uniform_calibrated=list(BASE[:3])))
    }
    assert words == {"by construction", "not run"}


def test_what_was_not_run_says_why() -> None:
    datasets = results(dazle=plus(5, 6, 7))
    assert verdict(datasets, DENSE).note == "not in this run: dense-calibrated, uniform-calibrated"
    sun = next(item for item in claim_verdicts(datasets) if item.dataset == "sun")
    assert (sun.word, sun.source, sun.note) == ("not run", "", "no features of sun in this run")
    frame = pd.DataFrame([failed(v, 0, **CUB127) for v in ("dense-calibrated", "uniform-calibrated")])
    outcome = verdict(list(DatasetResults.per_dataset(frame)), DENSE)
    assert (outcome.word, outcome.note) == ("not run", "no seed that both rows have finished")


def test_a_claim_that_held_and_does_not_any_more_is_lost() -> None:
    held = claim_verdicts(results(dense_calibrated=plus(5, 6, 7), uniform_calibrated=list(BASE[:3])))
    accepted = {item.key: item.word for item in held}
    assert lost_verdicts(accepted, held) == []
    worse = claim_verdicts(results(dense_calibrated=plus(5, -6, 7), uniform_calibrated=list(BASE[:3])))
    assert [item.key for item in lost_verdicts(accepted, worse)] == [f"{DENSE} on cub127"]
    assert lost_verdicts({item.key: item.word for item in worse}, held) == []
    assert lost_verdicts(accepted, claim_verdicts(results(dazle=list(BASE)))) == []
    assert verdicts_without_spread(accepted, worse) == []


def test_a_claim_that_held_and_has_no_spread_now_is_not_lost() -> None:
    held = claim_verdicts(results(dense_calibrated=plus(5, 6, 7), uniform_calibrated=list(BASE[:3])))
    accepted = {item.key: item.word for item in held}
    equal = claim_verdicts(results(dense_calibrated=plus(5, 5, 5), uniform_calibrated=list(BASE[:3])))
    assert lost_verdicts(accepted, equal) == []
    assert [item.key for item in verdicts_without_spread(accepted, equal)] == [f"{DENSE} on cub127"]
    assert verdicts_without_spread({item.key: item.word for item in equal}, equal) == []


def test_a_claim_that_held_and_whose_rows_are_equal_now_is_lost() -> None:
    held = claim_verdicts(results(dense_calibrated=plus(5, 6, 7), uniform_calibrated=list(BASE[:3])))
    accepted = {item.key: item.word for item in held}
    equal = claim_verdicts(results(dense_calibrated=list(BASE[:3]), uniform_calibrated=list(BASE[:3])))
    assert [item.key for item in lost_verdicts(accepted, equal)] == [f"{DENSE} on cub127"]
    assert verdicts_without_spread(accepted, equal) == []


def test_every_claim_is_about_rows_and_datasets_that_exist() -> None:
    assert len({claim.name for claim in claims()}) == len(claims()) >= 10
    for claim in claims():
        assert set(claim.rows) <= set(VARIANTS), claim.name
        assert set(claim.presets) <= {"cub", "sun", "awa2", "deepfashion"}
        assert claim.metric in ("S", "U", "H", "T1") and claim.direction in ("above", "below", "within")
        assert (claim.margin > 0) == (claim.direction == "within")
        assert claim.text and claim.source


@pytest.mark.parametrize("claim", [c for c in claims() if "supplement, Table 1" in c.source], ids=lambda c: c.name)
def test_the_paper_claims_what_its_own_table_says(claim: Claim) -> None:
    for preset in claim.presets:
        first, second = (published(row, preset) for row in claim.rows)
        if first is None or second is None:
            assert "whose rows change attribute attention with it" in claim.source
            continue
        values = [getattr(row, claim.metric) for row in (first, second)]
        effect = values[0] - values[1]
        assert claim.decide(PairedDifference(effect, effect, effect, 2, None)) == "supported", preset
        assert f"{values[0]}" in claim.source and f"{values[1]}" in claim.source


def test_the_table_of_claims_names_the_dataset_itself() -> None:
    datasets = results(dense_calibrated=plus(5, 6, 7), uniform_calibrated=list(BASE[:3]))
    text = markdown.render(claims_table(claim_verdicts(datasets), datasets))
    line = next(line for line in text.splitlines() if "cub127 " in line and "both calibrated" in line)
    assert "+6.0 [+3.5, +8.5]" in line and "supported" in line and "supplement, Table 1" in line
    assert "EfficientNet-Lite0" in text and "SIMULATED" not in text


def test_the_summary_is_three_sentences_that_the_verdicts_support() -> None:
    datasets = results(dense_calibrated=plus(5, 6, 7), uniform_calibrated=list(BASE[:3]), dazle=plus(3, 4, 4.5))
    first, second, third = claims_summary(claim_verdicts(datasets), datasets)
    assert first.startswith(
        "On real features of cub127 (honest protocol), 2 times a claim of the paper could be tested on a dataset; "
        "1 is supported (Dense"
    )
    assert "Dense region attention beats none, both calibrated on cub127, H +6.0 [+3.5, +8.5]" in first
    assert second.startswith("1 is contradicted (Attribute attention adds nothing") and "none is undecided." in second
    assert "could not be tested, for want of rows or features" in third


def test_the_summary_counts_claims_without_verdict() -> None:
    datasets = results(dense_calibrated=plus(5, 5, 5), uniform_calibrated=list(BASE[:3]))
    first, second, _ = claims_summary(claim_verdicts(datasets), datasets)
    assert "1 times a claim of the paper could be tested on a dataset; none is supported." in first
    assert second == ("None is contradicted, and none is undecided; 1 has no verdict, without spread over seeds.")


def test_the_summary_of_simulated_records_claims_nothing() -> None:
    datasets = of({"dataset": "cub"}, dense_calibrated=plus(5, 6, 7), uniform_calibrated=list(BASE[:3]))
    text = " ".join(claims_summary(claim_verdicts(datasets), datasets))
    assert "SIMULATED" in text and "holds by construction" in text and "says anything about photographs" in text
    assert "supported" not in text and "contradicted" not in text


def test_the_summary_of_a_run_that_tests_nothing_says_so() -> None:
    datasets = results(dazle=list(BASE))
    first, second, third = claims_summary(claim_verdicts(datasets), datasets)
    assert "no claim of the paper could be tested" in first and second == "So nothing is said of them."
    assert third.startswith(f"{len(claim_verdicts(datasets))} times a claim could not be tested")
