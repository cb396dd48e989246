"""Modules whose loading waits until they are needed: tables, so that a command without rows never loads Django's."""

import sys
from importlib import util
from types import ModuleType


def lazily(name: str) -> ModuleType:
    """Return the module ``name``; it is executed when its first attribute is asked for (``importlib.util.LazyLoader``).

    A table can only be defined after Django was set up, and ``commands.py`` is imported long before.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    spec.loader = util.LazyLoader(spec.loader)
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
