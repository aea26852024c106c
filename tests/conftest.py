from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

import scratchnn

ROOT = Path(__file__).parent.parent
PACKAGE = Path(scratchnn.__file__).parent  # of the library that is tested: this checkout's, or an installed one
LONG = bool(os.environ.get("SCRATCHNN_LONG"))  # the long form of the tests that have one
sys.path.insert(0, str(ROOT / "examples"))

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several workers: each gets a core, and so do the scripts it starts
    threadpool_limits(1)
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what runs in the background, and its children
    signal.signal(signal.SIGINT, signal.default_int_handler)

# a busy machine is slow, and that says nothing about what is tested
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# Tests that compute, by the beginning of their names; a few minutes in all. python -m tests.matrix runs them under
# every kernel of the matrix library.
NUMERICAL = (
    "autoencoder", "checkpoints", "classifier", "complex_step", "convolution", "evaluation", "gradcheck.py",
    "grey_likelihoods", "init", "iwae", "layers", "likelihoods", "modes", "numbers", "optim", "parallel", "training",
    "vae",
    "example_latent_classifier.py::test_the_converged_softmax",
)  # fmt: skip

# Files of few tests that take long. With -n they go first, and then those of many tests: of what is left at the end
# each takes little, so that the workers end together.
SLOW_FILES = ("test_crashes", "test_example", "test_lecture", "test_wheel")


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # xdist would go by the number of tests alone


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.removeprefix("tests/test_").startswith(NUMERICAL):
            item.add_marker("numerical")
    if "PYTEST_XDIST_WORKER" in os.environ:
        tests = Counter(item.path for item in items)
        items.sort(key=lambda item: (not item.path.name.startswith(SLOW_FILES), -tests[item.path]))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20180101)


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """In this process, runs of the thesis's network have no figures, and of all others an empty file is written: they
    take longer than a test's epochs."""
    from shared import log_likelihood

    from scratchnn.scripts import figures, train

    for module in (train, log_likelihood):
        patch.setattr(module, "draw", lambda *_: [])
    patch.setattr(figures, "write_png", lambda figure, path, texts: path.touch())


@pytest.fixture
def no_figures(monkeypatch) -> None:
    draw_nothing(monkeypatch)


@pytest.fixture
def finished(printed_and_finished) -> Path:
    """The folder of the short run that a file's own `printed_and_finished` makes."""
    return printed_and_finished[1]


@pytest.fixture
def real_data() -> Path:
    """The folder of the real data sets; the test is skipped where SCRATCHNN_DATA names none."""
    folder = os.environ.get("SCRATCHNN_DATA")
    if not folder or not (Path(folder) / "mnist").is_dir():
        pytest.skip("SCRATCHNN_DATA does not name a folder with the real data sets")
    return Path(folder)


@pytest.fixture
def at_every_epoch(monkeypatch) -> None:
    """Checkpoints are written after every epoch, as where epochs are long: no time passes for what decides it."""
    from scratchnn.training import after_epoch

    monkeypatch.setattr(after_epoch, "time", SimpleNamespace(perf_counter=lambda: 0.0))
