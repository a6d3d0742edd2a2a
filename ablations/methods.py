"""The registry of methods by name; a method's file is imported when the method is needed, since it may import torch."""

from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from dazle.errors import unknown
from dazle.training.method import Method


@dataclass(frozen=True)
class MethodEntry:
    """Where a method is (`module:Class`), and a line about it for `list methods`."""

    name: str
    location: str
    about: str
    reads: Literal["regions", "pooled"]
    code: str | None = None  # of a method from outside the package (`ablations/outside.py`)


METHODS: dict[str, MethodEntry] = {}


def register(name: str, location: str, about: str, reads: Literal["regions", "pooled"] = "pooled") -> None:
    """Adds a method. Raises ValueError if the name is taken."""
    if name in METHODS:
        raise ValueError(f"method {name!r} is registered already")
    METHODS[name] = MethodEntry(name, location, about, reads)


def load_method(name: str) -> Method:
    """The method of that name. Raises InputError, which gives the nearest name."""
    if name not in METHODS:
        raise unknown("method", name, METHODS, "all: python -m benchmark list methods")
    module, _, attribute = METHODS[name].location.partition(":")
    method: Method = getattr(import_module(module), attribute)()
    return method


register("dazle", "dazle.training.dazle:Dazle", "attribute and region attention (CVPR 2020)", "regions")

BASELINES = "ablations.baselines"
register("eszsl", f"{BASELINES}.eszsl:Eszsl", "bilinear map, closed form (ICML 2015)")
register("attribute-head", f"{BASELINES}.attribute_head:AttributeHead", "linear attribute classifiers", "regions")
register("msdn", f"{BASELINES}.msdn:Msdn", "two branches of attention that teach each other (CVPR 2022)", "regions")
register("transzero", f"{BASELINES}.transzero:TransZero", "transformer over regions (AAAI 2022)", "regions")
