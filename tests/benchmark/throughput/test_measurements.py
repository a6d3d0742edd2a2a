"""Variants that do the same operations are measured once, and every variant is measured."""

from ablations.variants import VARIANTS, find
from benchmark.throughput.measurements import distinct_variants
from benchmark.throughput.shapes import find_shapes

TINY = find_shapes(["simulated-sun"])[0]


def test_variants_with_the_same_operations_are_one_row() -> None:
    names = ("dazle", "no-test-margin", "lambda-0.01", "lambda-0", "uniform", "one-hot")
    distinct = distinct_variants(TINY, [find(name) for name in names])
    assert {row.variant.name: row.same for row in distinct} == {
        "dazle": ("no-test-margin", "lambda-0.01"), "lambda-0": (), "uniform": (), "one-hot": (),
    }  # fmt: skip


def test_every_variant_has_a_row() -> None:
    distinct = distinct_variants(TINY, list(VARIANTS.values()))
    assert sorted(name for row in distinct for name in (row.variant.name, *row.same)) == sorted(VARIANTS)
    assert all(row.flops["step"] > row.flops["inference"] > 0 for row in distinct)
