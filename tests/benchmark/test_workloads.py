"""Shapes and operation counts against numbers worked out by hand, and pieces of work that do what they say."""

import pytest
import torch

from ablations.variants import VARIANTS, find
from benchmark.comparisons import COMPARISONS
from benchmark.measurements import Bench, distinct_rows, settings_of
from benchmark.shapes import NAMES, shapes
from benchmark.timing import wall_clock
from benchmark.workloads import ReferenceStep, Workbench, operations, peak_product
from dazle.errors import InputError

TINY = shapes(["simulated-sun"])[0]


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("cub", (50, 49, 2048, 312, 200, 150, 300)),
        ("sun", (50, 49, 2048, 102, 717, 645, 300)),
        ("awa2", (40, 49, 2048, 85, 50, 40, 300)),
        ("deepfashion", (36, 49, 2048, 1000, 46, 36, 300)),
    ],
)
def test_shapes_are_those_of_the_datasets(name: str, sizes: tuple[int, ...]) -> None:
    shape = shapes([name])[0]
    found = (shape.batch, shape.regions, shape.channels, shape.attributes, shape.classes, shape.seen, shape.dimension)
    assert found == sizes


def test_an_unknown_shape_names_the_nearest() -> None:
    with pytest.raises(InputError, match="--shapes 'cubs': the nearest is 'cub'"):
        shapes(["cubs"])


def test_the_two_products_take_the_cheaper_order() -> None:
    """CUB: 4 x 2450 x 2048 x 936 with 3 A maps; DeepFashion, A = 1000 > d = 300: 4 x 1764 x 2048 x 900 with 3 d."""
    cub, deepfashion = shapes(["cub", "deepfashion"])
    assert (cub.maps, cub.product_flops) == (936, 18_785_894_400)
    assert (deepfashion.maps, deepfashion.product_flops) == (900, 13_005_619_200)


def test_operations_of_a_step_and_of_inference_are_those_worked_out_by_hand() -> None:
    """SUN, products with V first: V W (3 x 2 x 102 x 300 x 2048), the regions by it (2 x 2450 x 2048 x 306), and e Z'
    (2 x 50 x 102 x 717) forward; back, the stack's gradient costs what the second did, V and W twice the first, and
    e once the third, for Z has no gradient."""
    stack, regions, classes = 376_012_800, 3_070_771_200, 7_313_400
    bench = Workbench(shapes(["sun"])[0], settings_of(shapes(["sun"])[0], find("dazle"), "float32"), "cpu")
    assert operations(bench.inference).flops == stack + regions + classes
    assert operations(bench.step).flops == 3 * stack + 2 * regions + 2 * classes
    assert operations(bench.products).flops == 2 * regions == shapes(["sun"])[0].product_flops


def test_the_reference_takes_the_same_step() -> None:
    """The first step of RMSprop moves every weight by ten learning rates, whatever the gradient but for its sign; so
    two ways differ only where the gradient is zero up to rounding."""
    settings = settings_of(TINY, find("dazle"), "float32")
    fast, plain = Workbench(TINY, settings, "cpu"), Workbench(TINY, settings, "cpu")
    before = {name: value.detach().clone() for name, value in fast.model.named_parameters()}
    fast.step()
    ReferenceStep(plain)()
    for (name, ours), theirs in zip(fast.model.named_parameters(), plain.model.parameters(), strict=True):
        moved = (ours - before[name]).abs() > 5 * settings.training.learning_rate
        differs = (ours - theirs).abs() > 0.1 * settings.training.learning_rate
        assert moved.float().mean() > 0.9, name
        assert differs.float().mean() < 0.02, name


@pytest.mark.parametrize("name", ["reference", "bf16"])
def test_ways_that_are_compared_run(name: str) -> None:
    first, second = COMPARISONS[name].make(TINY, settings_of(TINY, find("dazle"), "float32"), "cpu")
    first()
    second()


def test_variants_with_the_same_operations_are_one_row() -> None:
    chosen = [find(name) for name in ("dazle", "no-test-margin", "lambda-0.01", "lambda-0", "uniform", "one-hot")]
    rows = distinct_rows(TINY, chosen)
    assert {row.variant.name: row.same for row in rows} == {
        "dazle": ("no-test-margin", "lambda-0.01"), "lambda-0": (), "uniform": (), "one-hot": (),
    }  # fmt: skip


def test_every_variant_and_shape_has_a_row() -> None:
    rows = distinct_rows(TINY, list(VARIANTS.values()))
    assert sorted(name for row in rows for name in (row.variant.name, *row.same)) == sorted(VARIANTS)
    assert all(row.flops["step"] > row.flops["inference"] > 0 for row in rows)
    assert len(shapes(NAMES)) == 8


def test_the_peak_product_is_the_best_of_its_sizes() -> None:
    """On a clock that finds 1024 fastest for its operations, and 2048 long enough to stop there."""
    seconds = {512: 1.0e-3, 1024: 2.0e-3, 2048: 0.2}
    peak = peak_product(
        "cpu", torch.float32, lambda work, calls: seconds[round((operations(work).flops / 2) ** (1 / 3))]
    )
    assert peak.size == 1024
    assert peak.flops == operations(peak.work).flops == 2 * 1024**3


def test_a_way_that_cannot_be_had_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a C++ compiler: torch finds it out when it compiles."""
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setattr(config, "force_disable_caches", True)
    with Bench("cpu", wall_clock, 0.01) as bench:
        compared = bench.compare(TINY, "compile", "float32")
    assert compared.turns == {}
    assert compared.failure is not None
    assert "No working C++ compiler found" in compared.failure
