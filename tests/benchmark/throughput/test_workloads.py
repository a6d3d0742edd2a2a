"""Shapes against the sizes of the datasets, and the peak product on a clock with known times."""

import pytest
import torch

from benchmark.throughput.operations import count_operations
from benchmark.throughput.shapes import NAMES, find_shapes
from benchmark.throughput.workloads import peak_product
from dazle.errors import InputError


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
    shape = find_shapes([name])[0]
    assert sizes == (
        shape.batch, shape.regions, shape.channels, shape.attributes, shape.classes, shape.seen, shape.dimension
    )  # fmt: skip


def test_an_unknown_shape_names_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown shape 'cubs'; the nearest is 'cub'"):
        find_shapes(["cubs"])


def test_the_two_products_take_the_cheaper_order() -> None:
    """CUB: 4 x 2450 x 2048 x 936 with 3 A maps; DeepFashion, A = 1000 > d = 300: 4 x 1764 x 2048 x 900 with 3 d."""
    cub, deepfashion = find_shapes(["cub", "deepfashion"])
    assert (cub.maps, cub.product_flops) == (936, 18_785_894_400)
    assert (deepfashion.maps, deepfashion.product_flops) == (900, 13_005_619_200)


def test_every_name_is_a_shape() -> None:
    assert [shape.name for shape in find_shapes(NAMES)] == list(NAMES)
    assert len(NAMES) == 8


def test_the_peak_product_is_the_best_of_its_sizes() -> None:
    """On a clock that finds 1024 fastest for its operations, and 2048 long enough to stop there."""
    seconds = {512: 1.0e-3, 1024: 2.0e-3, 2048: 0.2}
    peak = peak_product(
        "cpu", torch.float32, lambda workload, calls: seconds[round((count_operations(workload).flops / 2) ** (1 / 3))]
    )
    assert peak.size == 1024
    assert peak.flops == count_operations(peak.workload).flops == 2 * 1024**3
