"""What serves the scripts: the command line, figures, explorers, the thesis's network and its training.

In a script, a package that is not installed is one sentence, also where the script imports it in its first lines.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

from scratchnn.machinery.extras import EXTRAS, MissingExtraError, missing


def told(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """In the place of a traceback, what to install."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in EXTRAS:
        known = error if isinstance(error, MissingExtraError) else missing(error, "this script")
        print(f"error: {known}", file=sys.stderr)
    else:
        usual(kind, error, traceback)


usual = sys.excepthook
if "examples" in Path(getattr(sys.modules["__main__"], "__file__", None) or "").parts:  # not in a program of one's own
    sys.excepthook = told
