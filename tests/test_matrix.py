"""The pieces of `python -m tests.matrix` that run no suite."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import matrix
import numpy as np
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
        row = Row("numerical", "here", QUICK, {"OPENBLAS_CORETYPE": kernel or None})
        if kernel == "SkylakeX":
            outcome = matrix.run(row, flags)
            assert outcome.refused.startswith("this processor has no avx512f, avx512bw") and outcome.ok
        else:
            with pytest.raises(pytest.fail.Exception, match="started"):
                matrix.run(row, flags)
    assert [env.get("OPENBLAS_CORETYPE") for env in asked] == [None, "Haswell", "Sandybridge", "Nehalem"]


def test_the_process_of_a_row_says_what_it_was_given(monkeypatch, capfd):
    flags = (
        matrix.flags_of(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
        if Path("/proc/cpuinfo").exists()
        else frozenset()
    )
    if "sse4_2" not in flags:
        pytest.skip("this processor has no sse4_2, or does not say so")
    row = Row("numerical", "here", QUICK, {"OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "1"})
    outcome = matrix.run(row, flags)
    found = [outcome.found[name] for name in ("architecture", "num_threads", "python", "numpy")]
    assert found == ["Nehalem", 1, platform.python_version(), np.__version__] and outcome.ok and not outcome.refused
    assert f"pytest {pytest.__version__}" in capfd.readouterr().out

    monkeypatch.setitem(KERNELS, "Imagined", ())
    outcome = matrix.run(Row("numerical", "here", QUICK, {"OPENBLAS_CORETYPE": "Imagined"}), flags)
    assert not outcome.ok and outcome.refused == f"this is the kernel {outcome.found['architecture']}"

    outcome = matrix.run(Row("numerical", "here", ("tests/no_such_test.py",), {"OPENBLAS_CORETYPE": None}), flags)
    assert not outcome.ok and outcome.refused == "pytest has ended with status 4"


def test_a_row_is_run_in_its_circumstances(capfd):
    """In a folder whose name has spaces, which is gone afterwards."""
    row = Row("one", "here", (*QUICK, "-p", "tests.without_extras"), {"HOME": None}, (matrix.in_a_folder_of_words,))
    outcome = matrix.run(row, frozenset())
    assert outcome.ok and f"pytest {pytest.__version__}" in capfd.readouterr().out


def test_busy_processes_end_with_the_row(tmp_path):
    before = children()
    with matrix.beside_busy_processes(matrix.Place(), tmp_path):
        assert children() == before + 4
    assert children() == before


def children() -> int:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return len(listed.stdout.split())


def test_what_a_row_lacks_is_said_and_what_fails_before_its_tests_is_a_failure(monkeypatch, tmp_path):
    row = next(row for row in matrix.rows() if row.where == "Python 3.12, oldest versions")
    monkeypatch.setattr(matrix.shutil, "which", lambda *_, **__: None)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    outcome = matrix.run(row, frozenset())
    assert outcome.ok and outcome.refused == "uv is not installed" and outcome.counts is None
    monkeypatch.setattr(matrix.shutil, "which", lambda *_, **__: "false")
    outcome = matrix.run(row, frozenset())
    assert outcome.ok and outcome.refused == "no Python 3.12 on this machine"
    monkeypatch.setattr(matrix, "found", lambda _: sys.executable)
    outcome = matrix.run(row, frozenset())
    assert not outcome.ok and outcome.refused.startswith("uv venv --python")


def test_the_requirements_are_those_of_the_package():
    assert any(need.startswith("numpy>=") for need in matrix.requirements("install_requires"))
    tests = matrix.requirements("test")
    assert {"scipy", "pytest", "numba"} <= {need.partition(">=")[0] for need in tests} and "%" not in "".join(tests)


def test_the_rows_are_every_kernel_with_one_thread_and_two_every_python_and_the_machines():
    known = matrix.rows([7, 8])
    assert len({row.title for row in known}) == len(known)
    numerical = [row for row in known if row.tests == "numerical"]
    kernels = numerical[: 2 * len(KERNELS)]
    assert {row.kernel for row in kernels} == set(KERNELS) and all("numerical" in row.arguments for row in numerical)
    assert [row.environment["OPENBLAS_NUM_THREADS"] for row in kernels[:2]] == ["1", "2"]
    assert sum("Python 3." in row.where for row in known) == 2 * len(matrix.PYTHONS)
    config = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert list(matrix.PYTHONS) == re.findall(r":: (3\.\d+)\n", config)
    assert "--random-order-seed=8" in known[-1].arguments and known[-1].title == "all, the random order 8"
    assert kernels[2].command() == (
        "env OPENBLAS_CORETYPE=SkylakeX OPENBLAS_NUM_THREADS=1 python -m pytest -q -m numerical"
    )
    (nobody,) = [row for row in known if "unprivileged" in row.where]
    assert nobody.command() == 'python -m tests.matrix --only "all, an unprivileged user without HOME"'


PAGE = """\
# A page

| tests | where | Python |
| --- | --- | --- |
| numerical | kernel Nehalem, 1 BLAS thread | 3.9.0 | 1.0 | Nehalem | 1 | 5 | 0 | 0 | 9 | 2020-01-01 |
| numerical | kernel Sandybridge, 1 BLAS thread | 3.9.0 | 1.0 | Sandybridge | 1 | 5 | 0 | 0 | 9 | 2020-01-01 |
| numerical | a row of before | 3.9.0 | 1.0 | Nehalem | 1 | 5 | 0 | 0 | 9 | 2020-01-01 |
| all | the random order 5 | 3.9.0 | 1.0 | Nehalem | 1 | 5 | 0 | 0 | 9 | 2020-01-01 |

Words.
"""


def test_the_table_keeps_what_was_not_run_and_the_status_tells_what_failed(monkeypatch, tmp_path, capsys):
    def outcome(row, _):
        if row.kernel == "SkylakeX":
            return Outcome(row, refused="this processor has no avx512f")
        bad = row.kernel == fails
        found = {"python": "3.11.7", "numpy": "2.4.6", "architecture": row.kernel or "Haswell", "num_threads": 1}
        return Outcome(row, found, {"passed": 9, "failed": int(bad), "skipped": 2}, 3.4, not bad)

    monkeypatch.setattr(matrix, "run", outcome)
    page, today = tmp_path / "page.md", date.today().isoformat()
    page.write_text(PAGE, encoding="utf-8")
    fails = "none"
    assert matrix.main(["--page", str(page), "--only", "kernel Nehalem, 1"]) == 0
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# A page" and lines[-1] == "Words."
    assert "| numerical | kernel Nehalem, 1 BLAS thread | 3.11.7 | 2.4.6 | Nehalem | 1 | 9 | 0 | 2 | 3 | " + today in (
        line.removesuffix(" |") for line in lines
    )
    assert PAGE.splitlines()[5] in lines and "a row of before" not in " ".join(lines)
    assert lines[-3].startswith("| all | the random order 5 | 3.9.0")
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + len(matrix.rows()) + 1 and {line.count("|") for line in rows} == {len(matrix.HEAD) + 1}
    assert sum("not run yet" in line for line in rows) == len(matrix.rows()) - 2

    assert matrix.main(["--page", str(page), "--only", "all, kernel Nehalem", "--some", "cli", "vae"]) == 0
    assert "| all: cli, vae | kernel Nehalem | 3.11.7 |" in page.read_text(encoding="utf-8")
    assert matrix.main(["--page", str(page), "--only", "all, kernel Nehalem"]) == 0
    assert "cli, vae" not in page.read_text(encoding="utf-8")

    fails = "Nehalem"
    assert matrix.main([]) == 1
    printed = capsys.readouterr().out
    numerical = [row for row in matrix.rows() if row.tests == "numerical"]
    assert f"[1/{len(numerical)}] numerical, kernel of its choice" in printed
    assert "| Nehalem | 1 | 9 | 1 | 2 | 3 |" in printed and "not run: this processor has no avx512f" in printed
    with pytest.raises(SystemExit, match="no row is called 'kernel Z80'; there are: numerical, kernel of"):
        matrix.main(["--only", "kernel Z80"])


# ---- the plugin of a row without extras


def test_what_needs_a_package_that_is_not_there_is_skipped_by_its_name(tmp_path):
    """At the top of a file, and in a test; another package that is missing is a failure."""
    for name, text in {
        "top": "import scipy.special\ndef test_top(): pass",
        "inside": "def test_inside():\n    import sklearn.manifold",
        "other": "def test_other():\n    import no_such_package",
    }.items():
        (tmp_path / f"test_{name}.py").write_text(text, encoding="utf-8")
    hide = "import sys; sys.modules.update(dict.fromkeys(('scipy', 'sklearn')))\n"
    (tmp_path / "conftest.py").write_text(hide, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-p", "tests.without_extras", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=ROOT, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert re.search("needs scipy", ended.stdout) and re.search("needs sklearn", ended.stdout), ended.stdout
    assert "no_such_package" in ended.stdout and matrix.counts(ended.stdout.splitlines()[-1])["failed"] == 1


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


def test_a_copy_leaves_out_what_is_made_in_the_folder_and_nothing_of_the_tree(tmp_path):
    tree, kept = tmp_path / "tree", ["docs/runs/a.json", "docs/build/b.txt", "tests/c.py"]
    for name in [*kept, "runs/d.npz", "build/e.html", "dist/f.whl", ".git/g", "tests/__pycache__/h.pyc"]:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    copy = matrix.copied(tree, tmp_path / "copy")
    assert sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()) == sorted(kept)
