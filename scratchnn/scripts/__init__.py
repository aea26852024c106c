"""What serves the scripts: the command line, figures, explorers, the thesis's network and its training."""

from __future__ import annotations

import sys
from types import TracebackType

from scratchnn.machinery.extras import EXTRAS, MissingExtraError, missing


def told(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """A package that is not installed is one sentence, also where a script imports it in its first lines."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in EXTRAS:
        known = error if isinstance(error, MissingExtraError) else missing(error, "this script")
        print(f"error: {known}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = told
