"""Shapes and operation counts against numbers worked out by hand, and pieces of work that do what they say."""

import pytest
import torch

from ablations.variants import VARIANTS, find
from benchmark.throughput.comparisons import COMPARISONS
from benchmark.throughput.measurements import Bench, distinct_rows, settings_of
from benchmark.throughput.shapes import NAMES, shapes
from benchmark.throughput.timing import wall_clock
from benchmark.throughput.workloads import ReferenceStep, Workbench, operations, peak_product
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
    with pytest.raises(InputError, match="unknown shape 'cubs'; the nearest is 'cub'"):
        shapes(["cubs"])


def test_the_two_products_take_the_cheaper_order() -> None:
    """CUB: 4 x 2450 x 2048 x 936 with 3 A maps; DeepFashion, A = 1000 > d = 300: 4 x 1764 x 2048 x 900 with 3 d."""
    cub, deepfashion = shapes(["cub", "deepfashion"])
    assert (cub.maps, cub.product_flops) == (936, 18_785_894_400)
    assert (deepfashion.maps, deepfashion.product_flops) == (900, 13_005_619_200)


def counted(name: str, variant: str = "dazle") -> tuple[int, int]:
    """Operations of inference and of a step."""
    shape = shapes([name])[0]
    bench = Workbench(shape, settings_of(shape, find(variant), "float32"), "cpu")
    return operations(bench.inference).flops, operations(bench.step).flops


def test_operations_on_CUB_are_those_worked_out_by_hand() -> None:
    """V first. Forward: V W, 3 x 2 x 312 x 300 x 2048; the regions by it, 2 x 2450 x 2048 x 936; e Z', 2 x 50 x 312 x
    200. Back: the stack's gradient costs what the second did, V and W each what the first did, e what the third did;
    neither the regions nor Z have one."""
    stack, regions, classes = 1_150_156_800, 9_392_947_200, 6_240_000
    assert counted("cub") == (stack + regions + classes, 3 * stack + 2 * regions + 2 * classes)
    # Without attribute attention there are two maps in place of three.
    ungated = (2 * stack // 3 + 2 * regions // 3 + classes, 2 * stack + 4 * regions // 3 + 2 * classes)
    assert counted("cub", "dense-calibrated") == ungated
    # Uniform attention has two maps and sees 50 averages, so W goes first: 2 x 50 x 2048 x 600, then V.
    assert counted("cub", "uniform")[0] == 122_880_000 + 2 * 2 * 50 * 300 * 312 + classes


def test_operations_on_DeepFashion_are_those_worked_out_by_hand() -> None:
    """W first: the regions by W, 2 x 1764 x 2048 x 900, with its gradient; that by V, 3 x 2 x 1764 x 300 x 1000, with a
    gradient of both factors; e Z', 2 x 36 x 1000 x 46, with one of e."""
    regions, onward, classes = 6_502_809_600, 3_175_200_000, 3_312_000
    assert counted("deepfashion") == (regions + onward + classes, 2 * regions + 3 * onward + 2 * classes)


def test_the_bare_products_are_those_of_the_shape() -> None:
    shape = shapes(["sun"])[0]
    bench = Workbench(shape, settings_of(shape, find("dazle"), "float32"), "cpu")
    assert operations(bench.products).flops == shape.product_flops == 2 * 2 * 2450 * 2048 * 306


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


@pytest.mark.parametrize("name", ["reference", "bf16", "together", "graph"])
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
