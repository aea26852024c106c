"""The lectures of examples/lectures/ as a reader runs them, with other numbers in place of their constants."""

from __future__ import annotations

import ast
import contextlib
import io
import sys
import types
from pathlib import Path

import pytest
from conftest import ROOT

from scratchnn.training.signals import SIGNALS

FOLDER = ROOT / "examples" / "lectures"


def run(name: str, out: Path, *arguments: str, **constants: object) -> tuple[dict[str, object], str]:
    """Runs a lecture as a script with `--out`; its names at the end, and what it has printed.

    Where its top level says `EPOCHS = 100`, `EPOCHS=2` says 2 instead: the short form of a test.
    """
    path = FOLDER / f"{name}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    changed = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in constants:
            node.value = ast.copy_location(ast.Constant(constants[node.targets[0].id]), node.value)
            changed.add(node.targets[0].id)
    assert changed == set(constants), f"{name} has no constant {sorted(set(constants) - changed)}"
    module = types.ModuleType("__main__", ast.get_docstring(tree))
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        patch.setattr(sys, "argv", [str(path), "--out", str(out), *arguments])
        patch.setitem(sys.modules, "__main__", module)
        patch.setattr(sys, "excepthook", sys.excepthook)  # which a script puts its own in the place of
        patch.setattr(SIGNALS, "listen", lambda: None)
        exec(compile(ast.fix_missing_locations(tree), str(path), "exec"), vars(module))
    return vars(module), printed.getvalue()
