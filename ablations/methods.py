"""The registry of methods by name; a method's file is imported when the method is needed."""

from importlib import import_module

from dazle.errors import unknown
from dazle.training.method import Method

METHODS: dict[str, str] = {"dazle": "dazle.training.dazle:Dazle"}


def load_method(name: str) -> Method:
    """The method of that name. Raises InputError, which gives the nearest name."""
    if name not in METHODS:
        raise unknown("method", name, METHODS, "all: python -m benchmark list methods")
    module, _, attribute = METHODS[name].partition(":")
    method: Method = getattr(import_module(module), attribute)()
    return method
