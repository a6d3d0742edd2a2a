"""A cell is its settings: everything that can change a result is in its id, and nothing else."""

from dataclasses import fields, replace

import pytest

from ablations.variants import find
from benchmark.cells.datasets import resolve
from benchmark.cells.matrix import Cell, Conditions, Dataset, expand
from dazle.errors import InputError
from dazle.training.dazle import Dazle

CONDITIONS = Conditions({}, base_seed=214, folds=1, validation=True, threads=1, device="cpu")

CHANGES = [
    {"base_seed": 1},
    {"folds": 3},
    {"validation": False},
    {"threads": 2},
    {"device": "cuda"},
    {"overrides": {"training.epochs": 3}},
]


@pytest.fixture(scope="module")
def cub() -> Dataset:
    from pathlib import Path

    return resolve(None, ["cub"], "simulated", Path("nowhere"))[0][0]


def one(data: Dataset, variant: str = "dazle", conditions: Conditions = CONDITIONS) -> Cell:
    return expand([find(variant)], [data], 1, conditions)[0]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_every_condition_is_in_the_id(cub: Dataset, change: dict) -> None:
    assert one(cub, conditions=replace(CONDITIONS, **change)).id != one(cub).id


def test_every_field_of_the_conditions_is_tried_above() -> None:
    assert {name for change in CHANGES for name in change} == {field.name for field in fields(Conditions)}


def test_features_semantics_seed_and_revision_of_the_method_are_in_the_id(
    cub: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {
        one(cub).id,
        one(replace(cub, fingerprint="other")).id,
        one(replace(cub, semantics={"word2vec": "other"})).id,
        expand([find("dazle")], [cub], 2, CONDITIONS)[1].id,
        one(cub, "uniform").id,
    }
    monkeypatch.setattr("benchmark.__version__", "99")
    assert one(cub).id in ids
    monkeypatch.setattr(Dazle, "revision", Dazle.revision + 1)
    assert len(ids | {one(cub).id}) == 6


def test_the_method_is_in_the_identity_unless_it_is_dazle(cub: Dataset) -> None:
    assert one(cub, "eszsl").identity["method"] == "eszsl"
    assert "method" not in one(cub).identity


def test_the_name_of_a_row_is_not_in_the_id(cub: Dataset) -> None:
    renamed = replace(find("uniform"), name="another-name", label="other words")
    assert expand([renamed], [cub], 1, CONDITIONS)[0].id == one(cub, "uniform").id


def test_overriding_a_setting_with_its_own_value_is_the_same_cell(cub: Dataset) -> None:
    same = {"loss.lambda": 0.1}
    assert one(cub, conditions=replace(CONDITIONS, overrides=same)).id == one(cub).id


def test_a_row_whose_change_is_overridden_is_refused(cub: Dataset) -> None:
    conditions = replace(CONDITIONS, overrides={"model.region_attention": "max"})
    with pytest.raises(InputError, match=r"--set model.region_attention overrides the change of uniform"):
        expand([find("dazle"), find("uniform")], [cub], 1, conditions)


def test_semantics_that_the_features_lack_are_named(cub: Dataset) -> None:
    conditions = replace(CONDITIONS, overrides={"model.semantics": "glove"})
    with pytest.raises(InputError, match="'glove' is not among the semantics of cub: word2vec, random, one-hot"):
        one(cub, conditions=conditions)


def test_the_matrix_is_in_the_order_of_the_table(cub: Dataset) -> None:
    cells = expand([find("uniform"), find("dazle")], [cub], 2, CONDITIONS)
    assert [(cell.variant.name, cell.seed) for cell in cells] == [
        ("uniform", 0), ("uniform", 1), ("dazle", 0), ("dazle", 1)
    ]  # fmt: skip
