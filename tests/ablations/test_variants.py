"""Patterns select variants of the registry."""

import pytest

from ablations.variants import VARIANTS, select
from dazle.errors import InputError


def names(*patterns: str, **arguments: list[str]) -> list[str]:
    return [variant.name for variant in select(patterns, **arguments)]


def test_without_a_pattern_all_names_are_selected_in_their_order() -> None:
    assert names() == list(VARIANTS)
    assert names(names=["uniform", "dazle"]) == ["uniform", "dazle"]


def test_each_variant_that_a_pattern_matches_is_selected_once_in_the_order_of_the_names() -> None:
    assert names("lambda-1", "lambda-*", "dazle") == ["dazle", "lambda-0", "lambda-0.01", "lambda-1"]


def test_variants_that_are_not_among_the_names_have_to_be_named_in_full_and_follow() -> None:
    suite = ["dazle", "uniform"]
    assert names("glove", "u*", "one-hot", names=suite) == ["uniform", "glove", "one-hot"]
    with pytest.raises(InputError, match=r"unknown variant 'one-\*'"):
        names("one-*", names=suite)
    with pytest.raises(InputError, match="unknown variant 'dazel'; the nearest is 'dazle'"):
        names("dazel")
