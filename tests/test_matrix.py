"""The pieces of `python -m tests.matrix` that run no suite."""

from __future__ import annotations

import subprocess
from pathlib import Path

import matrix
import pytest
from conftest import NUMERICAL, ROOT
from matrix import KERNELS, Outcome, Row

CPUINFO = """\
processor\t: 0
model name\t: some processor
flags\t\t: fpu sse4_2 avx fma avx2
bugs\t\t: none
processor\t: 1
flags\t\t: fpu
"""
QUICK = ("--version",)  # pytest says its version and ends


@pytest.mark.parametrize(
    "line, passed, failed, skipped",
    [
        ("1 failed, 1448 passed, 22 skipped in 377.29s (0:06:17)", 1448, 1, 22),
        ("931 passed, 904 deselected in 26.10s", 931, 0, 0),
        ("2 failed, 8 passed, 1 warning, 3 errors in 44.32s", 8, 5, 0),
        ("1 passed, 1 xfailed, 1 error in 1.00s", 1, 1, 0),
        ("no tests ran in 0.01s", 0, 0, 0),
    ],
)
def test_pytests_last_line_is_read(line, passed, failed, skipped):
    assert matrix.counts(line) == {"passed": passed, "failed": failed, "skipped": skipped}


def test_a_kernel_runs_where_the_processor_has_its_flags(monkeypatch):
    flags = matrix.flags_of(CPUINFO)
    assert flags == {"fpu", "sse4_2", "avx", "fma", "avx2"} and matrix.flags_of("") == frozenset()
    asked = []
    monkeypatch.setattr(subprocess, "Popen", lambda *_, env, **__: asked.append(env) or pytest.fail("started"))
    for kernel in KERNELS:
        row = Row("numerical", QUICK, {"OPENBLAS_CORETYPE": kernel or None})
        if kernel == "SkylakeX":
            outcome = matrix.run(row, flags)
            assert outcome.refused.startswith("not run: this processor has no avx512f, avx512bw") and outcome.ok
        else:
            with pytest.raises(pytest.fail.Exception, match="started"):
                matrix.run(row, flags)
    assert [env.get("OPENBLAS_CORETYPE") for env in asked] == [None, "Haswell", "Sandybridge", "Nehalem"]


def test_the_process_of_a_row_says_what_it_was_given(monkeypatch, capfd):
    flags = matrix.flags_of(Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else frozenset()
    if "sse4_2" not in flags:
        pytest.skip("this processor has no sse4_2, or does not say so")
    row = Row("numerical", QUICK, {"OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "1"})
    outcome = matrix.run(row, flags)
    assert (outcome.kernel, outcome.threads, outcome.ok, outcome.refused) == ("Nehalem", 1, True, "")
    assert f"pytest {pytest.__version__}" in capfd.readouterr().out

    monkeypatch.setitem(KERNELS, "Imagined", ())
    outcome = matrix.run(Row("numerical", QUICK, {"OPENBLAS_CORETYPE": "Imagined"}), flags)
    assert not outcome.ok and outcome.refused == f"this is the kernel {outcome.kernel}"

    outcome = matrix.run(Row("numerical", ("tests/no_such_test.py",), {"OPENBLAS_CORETYPE": None}), flags)
    assert not outcome.ok


def test_the_rows_are_every_kernel_with_one_thread_and_two_and_what_is_asked_for_beside():
    numerical = matrix.rows(whole=False, orders=[])
    assert len(numerical) == 2 * len(KERNELS) + 1 and all("numerical" in row.arguments for row in numerical)
    assert [row.environment["OPENBLAS_NUM_THREADS"] for row in numerical[:2]] == ["1", "2"]
    more = matrix.rows(whole=True, orders=[7, 8])[len(numerical) :]
    assert [row.kernel for row in more] == [*KERNELS, "", ""]
    assert "--random-order-seed=8" in more[-1].arguments and more[-1].tests == "all, in the random order 8"
    assert numerical[2].command() == (
        "env OPENBLAS_CORETYPE=SkylakeX OPENBLAS_NUM_THREADS=1 python -m pytest -q -m numerical"
    )
    assert more[0].command() == "env -u OPENBLAS_CORETYPE -u OPENBLAS_NUM_THREADS python -m pytest -q -n auto"


def test_the_table_and_the_status_tell_what_failed(monkeypatch, tmp_path, capsys):
    def outcome(row, _):
        if row.kernel == "SkylakeX":
            return Outcome(row, refused="not run: this processor has no avx512f")
        bad = row.kernel == fails
        return Outcome(row, row.kernel or "Haswell", 1, {"passed": 9, "failed": int(bad), "skipped": 2}, 3.4, not bad)

    monkeypatch.setattr(matrix, "run", outcome)
    page = tmp_path / "page.md"
    fails = "none"
    assert matrix.main(["--page", str(page)]) == 0
    fails = "Nehalem"
    assert matrix.main([]) == 1
    printed, text = capsys.readouterr().out, page.read_text()
    assert "[1/11] numerical" in printed and "| numerical | Nehalem | Nehalem | 1 | 9 | 1 | 2 | 3 |" in printed
    assert "| numerical | – | Haswell | 1 | 9 | 0 | 2 | 3 |" in text
    assert "| numerical | SkylakeX | not run: this processor has no avx512f |  |  |  |  |  |" in text
    cells = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert len(cells) == 13 and set(cells) == {9}


def test_the_tests_that_are_called_numerical_exist_and_are_marked(request):
    for name in NUMERICAL:
        file, _, test = name.partition("::")
        path = ROOT / "tests" / f"test_{file.removesuffix('.py')}.py"
        assert f"def {test}" in path.read_text(encoding="utf-8"), name
    for item in request.session.items:
        marked = item.get_closest_marker("numerical") is not None
        assert marked == item.nodeid.removeprefix("tests/test_").startswith(NUMERICAL), item.nodeid


def test_the_tests_and_their_script_leave_the_choice_of_the_kernel_alone():
    """Only tests/matrix.py, this file about it, and that about the benchmarks, which set it, speak of the variable; and
    one that resumes a training in a process of its own with another kernel."""
    files = [*(ROOT / "tests").rglob("*.py"), ROOT / ".ci" / "run"]
    files = [path for path in files if not {"matrix", "benchmarks"} & set(path.stem.split("_"))]
    assert len(files) > 30
    assert [path.name for path in files if "OPENBLAS_CORETYPE" in path.read_text(encoding="utf-8")] == [
        "test_training.py"
    ]
