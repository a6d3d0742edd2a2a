"""Speed conditions of the model; `test_reference.py` tests its values."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dazle.config import ModelSettings
from dazle.method.model import Model


class Products(TorchDispatchMode):
    """Whether the left factor of each product lies in one piece."""

    def __init__(self) -> None:
        super().__init__()
        self.contiguous: list[bool] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.bmm.default:
            self.contiguous.append(args[0].is_contiguous())
        return func(*args, **kwargs or {})


@pytest.mark.parametrize("region", ["dense", "shared"])
def test_inference_multiplies_no_view_of_a_product(region: str) -> None:
    """With W first (A > d), a view of three dimensions would be multiplied by a copy of V for every region."""
    model = Model(ModelSettings(region_attention=region), torch.randn(40, 3), torch.rand(6, 40), 16, "test")
    with torch.inference_mode(), Products() as products:
        model(torch.randn(5, 9, 16).bfloat16())
    assert len(products.contiguous) >= 2
    assert all(products.contiguous[:2])
