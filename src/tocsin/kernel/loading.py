"""Modules whose loading waits until they are needed: tables, and what takes long and is seldom used."""

from importlib import import_module
from types import ModuleType
from typing import Any


class _Waiting(ModuleType):
    """Stands for a module, and imports it when one of its names is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


def lazily(name: str) -> ModuleType:
    """Return what stands for the module ``name``.

    A table can only be defined after Django was set up, and ``commands.py`` is imported long before.
    """
    return _Waiting(name)
