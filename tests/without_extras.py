"""A plugin of pytest, -p tests.without_extras: what needs a package that is not installed is skipped, by its name.

Elsewhere that is a failure, since the tests' own extra brings them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

EXTRAS = (
    "dask",
    "distributed",
    "IPython",
    "joblib",
    "matplotlib",
    "numba",
    "pooch",
    "requests",
    "rich",
    "scipy",
    "sklearn",
    "yaml",
)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """A file that imports one at its top."""
    report: Any = yield
    missing = re.search(r"No module named '(\w+)", str(report.longrepr)) if report.failed else None
    if missing and missing[1] in EXTRAS:
        report.outcome, report.longrepr = "skipped", (str(collector.path), 0, f"Skipped: needs {missing[1]}")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Iterator[None]:
    """A test that imports one, or calls what does."""
    try:
        return (yield)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in EXTRAS:
            pytest.skip(f"needs {error.name}")
        raise
