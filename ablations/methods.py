"""The registry of methods by name; a method's file is imported when the method is needed, since it may import torch."""

from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from dazle.errors import InputError, unknown
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
    """Adds a method. Raises ValueError if the name is taken, or if it reads something else."""
    if name in METHODS:
        raise ValueError(f"method {name!r} is registered already; choose another name")
    if reads not in ("regions", "pooled"):
        raise ValueError(f"method {name!r}: reads = {reads!r}; a method reads regions or pooled")
    METHODS[name] = MethodEntry(name, location, about, reads)


def load_method(name: str) -> Method:
    """The method of that name. Raises InputError, which gives the nearest name."""
    if name not in METHODS:
        raise unknown("method", name, METHODS, "all: python -m benchmark list methods")
    entry = METHODS[name]
    module, _, attribute = entry.location.partition(":")
    method: Method = getattr(import_module(module), attribute)()
    _check(method, entry)
    return method


def _check(method: Method, entry: MethodEntry) -> None:
    """Raises InputError for a class that is no method, or another one than it is registered as."""
    needed = ("name", "reads", "deterministic", "revision", "Settings", "fit", "scorer")
    missing = [attribute for attribute in needed if not hasattr(method, attribute)]
    if missing:
        raise InputError(f"method {entry.name} ({entry.location}) lacks {', '.join(missing)}; see docs/your-rows.md")
    for attribute in ("name", "reads"):
        own, registered = getattr(method, attribute), getattr(entry, attribute)
        if own != registered:
            raise InputError(
                f"method {entry.name} ({entry.location}) is registered with {attribute} = {registered}, the class has "
                f"{own}; make them equal"
            )


register("dazle", "dazle.training.dazle:Dazle", "attribute and region attention (CVPR 2020)", "regions")

BASELINES = "ablations.baselines"
register("eszsl", f"{BASELINES}.eszsl:Eszsl", "bilinear map, closed form (ICML 2015)")

# On pooled features: closed forms, weight transfer from a linear probe, hinge losses, CN-ZSL.
register("sae", f"{BASELINES}.sae:Sae", "semantic autoencoder, closed form (CVPR 2017)")
register("ridge-prototypes", f"{BASELINES}.ridge_prototypes:RidgePrototypes", "kernel ridge, signatures to prototypes")
register("conse", f"{BASELINES}.conse:Conse", "mean signature of the most probable seen classes (ICLR 2014)")
register("costa", f"{BASELINES}.costa:Costa", "classifiers mixed by similarity of signatures (CVPR 2014)")
register("wavg", f"{BASELINES}.wavg:WAvg", "classifiers averaged by distance of signatures")
register("smo", f"{BASELINES}.smo:Smo", "classifiers mixed as the nearest mixture of signatures")
register("devise", f"{BASELINES}.devise:Devise", "bilinear map, hinge over all wrong classes (NeurIPS 2013)")
register("sje", f"{BASELINES}.sje:Sje", "bilinear map, hinge of the worst wrong class (CVPR 2015)")
register("ale", f"{BASELINES}.ale:Ale", "bilinear map, hinge weighted by rank (TPAMI 2016)")
register("cn-zsl", f"{BASELINES}.cn_zsl:CnZsl", "prototypes by class normalisation (ICLR 2021)")
register("attribute-head", f"{BASELINES}.attribute_head:AttributeHead", "linear attribute classifiers", "regions")
register("msdn", f"{BASELINES}.msdn:Msdn", "two attentions and a distillation loss (CVPR 2022)", "regions")
register("transzero", f"{BASELINES}.transzero:TransZero", "transformer over regions (AAAI 2022)", "regions")
