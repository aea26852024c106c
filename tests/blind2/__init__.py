"""A second set of hand-written backward passes, wrong and right, in families that tests/blind does not have.

The modules are written as those of ``blind``, and its docstring says how.
"""

from __future__ import annotations

import importlib
import pkgutil

from blind import Family


def load() -> list[Family]:
    """Every family of this package, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [importlib.import_module(f"{__name__}.{name}").FAMILY for name in names]
