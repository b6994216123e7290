"""Imports a module when it is first used: many take longer to import than a plan takes."""

from __future__ import annotations

import importlib
from types import ModuleType


class _Lazy(ModuleType):
    """A proxy of a module."""

    def __init__(self, name: str, submodules: tuple[str, ...]) -> None:
        super().__init__(name)
        self.__submodules = submodules

    def __getattr__(self, attribute: str) -> object:
        # Thread-safe: the import system waits for a module that another thread is importing.
        found = importlib.import_module(self.__name__)
        for submodule in self.__submodules:
            importlib.import_module(f"{self.__name__}.{submodule}")
        return getattr(found, attribute)


def module(name: str, *submodules: str) -> ModuleType:
    """Return a proxy that imports the module and its submodules when an attribute is first read.

    Type checkers need a real import beside it, under `if TYPE_CHECKING`.
    """
    return _Lazy(name, submodules)
