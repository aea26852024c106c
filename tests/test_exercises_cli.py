"""The learner's command, python -m scratchnn.exercises: whatever the learner's file does, one clear sentence."""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import json
import os
import queue
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import LONG, ROOT

from scratchnn.exercises import __main__, commands, progress, telling, terminal, verdict
from scratchnn.exercises import watch as watching
from scratchnn.exercises.__main__ import exercise, main
from scratchnn.exercises.__main__ import run as command
from scratchnn.exercises.commands import ExerciseError
from scratchnn.exercises.exercise import ladder, path_of, solution, stub, upper
from scratchnn.exercises.here import try_here
from scratchnn.exercises.progress import STATE, Progress, file_of
from scratchnn.exercises.road import STEPS
from scratchnn.exercises.verdict import SHOWN, Verdict, try_answer
from scratchnn.gradcheck.check import ArrayReport
from scratchnn.gradcheck.numeric import NumericGradient
from scratchnn.machinery import files
from scratchnn.machinery.files import locked

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "", "COLUMNS": "80"}
DOTS = "dx = dW = db = ...  # your turn: replace the dots"
RIGHT = "dx, dW, db = dy @ W.T, x.T @ dy, dy.sum(axis=0)"


def run(folder: Path, *arguments: str, typed: str = "") -> SimpleNamespace:
    """The command, started in `folder`, but in this process."""
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(io.StringIO()) as printed,
        contextlib.redirect_stderr(io.StringIO()) as told,
    ):
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setattr(sys, "stdin", io.StringIO(typed))
        try:
            status = command(arguments)
        except SystemExit as stop:
            status = stop.code
            if isinstance(status, str):  # as the interpreter does
                status = print(status, file=sys.stderr) or 1
    return SimpleNamespace(returncode=status, stdout=printed.getvalue(), stderr=told.getvalue())


def process(folder: Path, *arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """The real command, started in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "scratchnn.exercises", *arguments],
        cwd=folder, env={**ENVIRONMENT, **environment}, input=typed, capture_output=True, encoding="utf-8", timeout=300,
    )  # fmt: skip


def without(folder: Path, *packages: str) -> dict[str, str]:
    """The environment of a Python in which these packages are not installed."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        f"""
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
""",
        encoding="utf-8",
    )
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def linear(code: str) -> str:
    """The learner's file for `linear`, with `code` in place of the dots."""
    lines = code.splitlines()
    assert DOTS in stub("linear")
    return stub("linear").replace(DOTS, "\n    ".join(lines))


def tried(tmp_path: Path, text: str, seconds: float = 10.0):
    file = tmp_path / "03_linear.py"
    file.write_text(text, encoding="utf-8")
    return try_answer("linear", file, seconds)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A new folder of exercises, the current directory being the one above it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    commands.start(None)
    return commands.Desk(None)


@functools.cache
def tried_once(name: str, content: bytes) -> Verdict:
    """The verdict on a file with this content, wherever it lies."""
    with tempfile.TemporaryDirectory() as folder:
        (file := Path(folder, "answer.py")).write_bytes(content)
        return try_answer(name, file)


def solve(desk, name: str) -> None:
    desk.file(name).write_text(upper(name), encoding="utf-8")


# ---- start, and where the folder is


def test_without_exercises_every_command_says_how_to_start(tmp_path):
    for arguments in ([], ["check"], ["watch"]):
        done = run(tmp_path, *arguments)
        assert done.returncode == 1
        assert done.stderr.strip() == "error: no exercises here yet: python -m scratchnn.exercises start"
    assert "start --folder else" in run(tmp_path, "--folder", "else").stderr


def test_start_writes_every_stub_and_overwrites_nothing(tmp_path):
    assert run(tmp_path, "start").returncode == 0
    folder = tmp_path / "exercises"
    names = {path.name for path in folder.iterdir()}
    assert names == {file_of(folder, name).name for name in ladder()} | {STATE}
    assert all(file_of(folder, name).read_text(encoding="utf-8") == stub(name) for name in ladder())
    (folder / "03_linear.py").write_text("my work", encoding="utf-8")
    (folder / "04_relu.py").unlink()
    again = run(tmp_path, "start")
    assert "1 exercises written" in again.stdout and "kept as they were" in again.stdout
    assert (folder / "03_linear.py").read_text(encoding="utf-8") == "my work"
    assert (folder / "04_relu.py").read_text(encoding="utf-8") == stub("relu")


def test_the_folder_is_the_one_given_or_exercises_or_the_current_one(tmp_path):
    for arguments in (["start", "--folder", "my own"], ["--folder", "my own", "next"]):
        assert run(tmp_path, *arguments).returncode == 0
    listed = run(tmp_path, "--folder", "my own")
    assert "skipped" in listed.stdout and "--folder 'my own' watch" in listed.stdout
    assert "skipped" in run(tmp_path / "my own").stdout
    assert "0 exercises written" in run(tmp_path / "my own", "start").stdout


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = run(tmp_path, "start", "--folder", "file")
    assert done.returncode == 1 and done.stderr.startswith("error: cannot read or write file")
    assert len(done.stderr.splitlines()) == 1


def test_help_has_examples(tmp_path):
    done = run(tmp_path, "--help")
    assert done.returncode == 0 and "python -m scratchnn.exercises watch" in done.stdout


@pytest.mark.parametrize("text", ["linear", "3", "03", "03_linear", "03_linear.py", "exercises/03_linear.py"])
def test_an_exercise_may_be_named_in_many_ways(text):
    assert exercise(text) == "linear"


def test_a_path_is_that_of_the_file_that_is_checked_or_refused(desk, tmp_path):
    """What lies elsewhere under the same name is another file."""
    solve(desk, "linear")
    shutil.copytree(desk.folder, tmp_path / "other")
    (tmp_path / "other/03_linear.py").write_text(stub("linear"), encoding="utf-8")
    for text in ("exercises/03_linear.py", "other/../exercises/linear", str(tmp_path / "exercises/03_linear.py")):
        assert run(tmp_path, "check", text).returncode == 0
    for text, folder in (("other/03_linear.py", "other"), ("./03_linear.py", ".")):
        refused = run(tmp_path, "check", text)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == (
            f"error: {text} does not lie in exercises, whose exercises these are: choose its folder with "
            f"--folder {folder}\n"
        )
    assert run(tmp_path, "--folder", "other", "check", "other/03_linear.py").returncode == 1
    assert run(tmp_path / "exercises", "check", "./03_linear.py").returncode == 0


def test_an_unknown_name_lists_the_known_ones(desk, capsys):
    with pytest.raises(SystemExit):
        main(["check", "lienar"])
    assert "there is no exercise lienar; there are:" in capsys.readouterr().err


# ---- the list


def test_the_list_shows_every_state(desk, capsys):
    first, second, third, fourth, *_ = ladder()
    desk.progress = Progress(third, done={first}, skipped={second}, solution_seen={fourth})
    desk.save()
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, state in ((first, "solved"), (second, "skipped"), (third, "current"), (fourth, "solution seen")):
        (line,) = [line for line in lines if f"  {name}  " in line]
        assert line.endswith(state) and line.lstrip().startswith(">") == (name == third)
    assert sum(line.endswith("not started") for line in lines) == len(ladder()) - 4
    assert f"1 of {len(ladder())} solved, 1 skipped" in "\n".join(lines)
    assert "Next: open" in lines[-1] and desk.file(third).name in lines[-1]


# ---- verdicts


def test_a_right_answer_shows_derivation_and_solution_and_is_done_for_good(tmp_path):
    run(tmp_path, "start")
    (tmp_path / "exercises/03_linear.py").write_text(linear(RIGHT), encoding="utf-8")
    done = process(tmp_path, "check", "linear")
    assert done.returncode == 0 and done.stderr == ""
    assert "linear: right" in done.stdout and "dW_ij = Σ_n x_ni dy_nj" in done.stdout
    assert solution("linear").splitlines()[0] in done.stdout
    assert "\x1b" not in done.stdout, "colour in a pipe"
    (line,) = [line for line in run(tmp_path).stdout.splitlines() if "  linear  " in line]
    assert line.endswith("solved")


def test_a_wrong_answer_is_explained_and_mapped(tmp_path):
    run(tmp_path, "start")
    code = "dx, dW, db = dy @ W.T, x.T @ dy, dy.sum(axis=0)\ndW[1] /= len(x)"
    (tmp_path / "exercises/03_linear.py").write_text(linear(code), encoding="utf-8")
    done = run(tmp_path, "check", "linear")
    assert done.returncode == 1 and done.stderr == ""
    lines = done.stdout.splitlines()
    (head, dx, dW, db) = [line for line in lines if line.startswith("  ") and ("(" in line or "worst at" in line)][:4]
    assert dx.index("ok") == dW.index("WRONG") == db.index("ok") and "7 of 21 wrong" in dW
    assert head.index("shape") == dx.index("(5, 3)") == dW.index("(3, 7)") == db.index("(7,)")
    assert "Where to look:" in lines[-3], "the diagnosis comes last"
    start = lines.index("Where dW is wrong:")
    rows = [line.split() for line in lines[start + 1 : start + 4]]
    assert all(len(row) == 7 for row in rows) and set(rows[0] + rows[2]) == {"."} and set(rows[1]) <= {"+", "-"}


def test_the_map_has_a_character_for_every_kind_of_entry():
    value, kink = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 0.0]]), np.zeros((2, 3), bool)
    kink[1, 2] = True
    analytic = np.array([[1.0, 2.5, 2.5], [0.0, 5.0, 9.0]])
    array = ArrayReport("dx", analytic, NumericGradient(value, np.full((2, 3), 1e-9), kink, np.where(kink, "kink", "")))
    assert telling.map_of(array) == ". + -\n0 . ?"


def test_dots_are_a_state_and_not_an_error(tmp_path):
    verdict = tried(tmp_path, stub("linear"))
    assert not verdict.written and not verdict.passed and "not written yet" in verdict.sentence
    assert not tried(tmp_path, linear("dW = db = ...\ndx = dy @ W.T")).written
    assert not tried(tmp_path, linear("half = ...\ndx = half * dy\ndW = db = dx")).written


def test_every_stub_is_unwritten_and_every_solution_passes(desk, capsys):
    names = {step.name for step in STEPS[::13] if step.kind not in (3, 9)} | {"adam", "checker", "softplus"}
    for name in names:
        assert commands.check(desk, name) == 1
        assert "is not written yet" in capsys.readouterr().out
        solve(desk, name)
        assert commands.check(desk, name) == 0, capsys.readouterr().out
    assert names <= progress.load(desk.folder).done


BAD = {
    "a syntax error": (linear("dx = dy @"), "line 29, `dx = dy @`: SyntaxError: invalid syntax"),
    "a wrong indentation": (linear("dx = 1\n  dW = 2"), "line 30, `dW = 2`: IndentationError: unexpected indent"),
    "null bytes": ("\0", "null bytes"),
    "an exception in backward": (linear("dx = dy @ V.T"), "line 29 (in backward), `dx = dy @ V.T`: NameError"),
    "an exception in forward": (
        linear(RIGHT).replace("y = x @ W + b", "y = W @ x"), "line 22 (in forward), `y = W @ x`: ValueError: matmul"
    ),
    "an endless recursion": (linear("return backward(dy, cache)"), "(in backward), `return backward(dy, cache)`: Re"),
    "a missing module": ("import toorch\n" + linear(RIGHT), "line 1, `import toorch`: ModuleNotFoundError: No module"),
    "no backward": (linear(RIGHT).replace("def backward", "def backwards"), "no function `backward` any more; `reset"),
    "no forward": (linear(RIGHT).replace("def forward", "def forwards"), "no function `forward` any more; `reset"),
    "an empty file": ("", "no function `forward` any more"),
    "a changed forward": (linear(RIGHT).replace("x @ W + b", "x @ W + 2 * b"), "forward was changed: it no longer"),
    "a forward without cache": (linear(RIGHT).replace("return y, cache", "return y"), "`reset linear` brings it back"),
    "a forward of something else": (linear(RIGHT).replace("x @ W + b", "'y'"), "forward was changed"),
    "a short dict": (linear("return {'dx': dy @ W.T}"), "a dict with dx, expected one array each for dx, dW, db"),
    "a scalar": (linear("return 1.0"), "float, expected a tuple of 3"),
    "too few gradients": (linear("return dy @ W.T, x.T @ dy"), ", expected a tuple of 3: dx, dW, db"),
    "complex numbers": (linear(RIGHT + "\ndW = dW + 0j"), "backward returns complex numbers"),
    "nothing": (linear("return None"), "NoneType"),
    "other arguments": (linear(RIGHT).replace("(dy, cache)", "(dy)"), "takes 1 positional argument but 2 were given"),
    "exit": (linear("raise SystemExit(3)"), "line 29 (in backward), `raise SystemExit(3)`: SystemExit: 3"),
    "os._exit": (linear("import os\nos._exit(0)"), "ended before there was a verdict (exit status 0)"),
    "a crash": (linear("import os\nos.abort()"), "ended before there was a verdict (signal 6)"),
    "a question": (linear("input('?')"), "line 29 (in backward), `input('?')`: EOFError"),
}  # fmt: skip


def tried_here(tmp_path: Path, text: str) -> Verdict:
    """The same without a process of its own, as long as it does not end that."""
    file = tmp_path / "03_linear.py"
    file.write_text(text, encoding="utf-8")
    return try_here("linear", file)


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_clear_sentence(tmp_path, what):
    text, expected = BAD[what]
    try_it = tried if what in ("os._exit", "a crash", "a question", "a syntax error") else tried_here
    verdict = try_it(tmp_path, text)
    assert expected in verdict.sentence
    assert verdict.written and not verdict.passed and verdict.report is None
    assert "\n" not in verdict.sentence and "Traceback" not in verdict.sentence + verdict.printed


def test_a_missing_file_and_one_in_another_encoding(tmp_path):
    assert "there is no file" in try_answer("linear", tmp_path / "03_linear.py").sentence
    (tmp_path / "03_linear.py").write_bytes(linear(RIGHT).encode("utf-16"))
    sentence = try_answer("linear", tmp_path / "03_linear.py").sentence
    assert "SyntaxError" in sentence or "null bytes" in sentence  # Python 3.10 says the second


@pytest.mark.parametrize(
    "body", ["while True:\n    pass", "while True:\n    try:\n        pass\n    except:\n        pass"]
)
def test_an_endless_loop_is_stopped_and_its_line_named(tmp_path, body):
    verdict = tried(tmp_path, linear(f"print('before')\n{body}"), seconds=1)
    assert "it was stopped after 1 seconds: is there an endless loop?" in verdict.sentence
    assert verdict.printed == "before\n"
    if "try" not in body:
        assert "(in backward), `" in verdict.sentence


def test_a_slow_start_of_python_does_not_count(tmp_path, monkeypatch):
    """Starting takes longer here than the answer may take."""
    monkeypatch.setattr(verdict, "GRACE", 0.0)
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow/sitecustomize.py").write_text("import time; time.sleep(6)", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'slow'}{os.pathsep}{ROOT}")
    assert tried(tmp_path, linear(RIGHT), seconds=5).passed


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process that runs")
def test_too_much_memory_is_refused_and_its_line_named(tmp_path):
    verdict = tried(tmp_path, linear("dx = dW = db = np.ones((40_000, 40_000))"))
    assert "line 29 (in backward)" in verdict.sentence and "MemoryError" in verdict.sentence


def test_what_runs_apart_has_the_folder_and_the_files_that_are_given(tmp_path):
    read, write = os.pipe()
    code = f"import os; print(os.getcwd()); os.write({write}, b'here')"
    with Path(os.devnull).open("wb") as errors:
        process = verdict.apart([sys.executable, "-c", code], errors, folder=tmp_path, descriptors=[write])
    told = process.communicate()[0].decode()
    assert process.returncode == 0 and Path(told.strip()).samefile(tmp_path) and os.read(read, 9) == b"here"
    os.close(read)
    os.close(write)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process that runs")
def test_what_runs_apart_has_the_memory_that_is_given(tmp_path):
    for size, status in [(10**8, 0), (10**9, 1)]:
        with (tmp_path / "errors").open("wb") as errors:
            process = verdict.apart([sys.executable, "-c", f"bytes({size})"], errors, memory=5 * 10**8)
        process.communicate()
        told = (tmp_path / "errors").read_text(encoding="utf-8")
        assert process.returncode == status and ("MemoryError" in told) == bool(status), told


@pytest.mark.parametrize("body", ["print('flood ' * 10)", "import os; os.write(1, b'flood ' * 10000)"])
def test_a_print_flood_is_stopped_and_cut(tmp_path, body):
    verdict = tried(tmp_path, linear(f"while True:\n    {body}"))
    assert "it was stopped after printing 1,000,000 characters" in verdict.sentence
    assert verdict.printed.startswith("flood flood") and len(verdict.printed) < SHOWN + 50
    if "os" not in body:
        assert "line 30 (in backward), `print(" in verdict.sentence


def test_what_a_right_answer_prints_is_shown(tmp_path):
    verdict = tried(tmp_path, linear(f"print('Σ', dy.shape)\n{RIGHT}"))
    assert verdict.passed and verdict.printed.startswith("Σ (5, 7)")
    assert not list(tmp_path.glob("__pycache__"))


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONWARNINGS": "foo"}, {"PYTHONVERBOSE": "1"}, {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)  # fmt: skip
def test_what_python_says_at_its_start_and_how_it_encodes_make_no_answer_wrong(tmp_path, monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    verdict = tried(tmp_path, linear(f"print('Σ\\udc80')\n{RIGHT}"))
    assert verdict.passed, verdict.sentence
    assert "PYTHONVERBOSE" in environment or verdict.printed.startswith("Σ\\udc80\n")


def test_python_that_does_not_start_is_told_with_what_it_says(tmp_path, monkeypatch):
    (tmp_path / "first").mkdir()
    (tmp_path / "first/numpy.py").write_text("raise ImportError('a numpy of somebody else')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'first'}{os.pathsep}{ROOT}")
    verdict = tried(tmp_path, linear(RIGHT))
    assert "Python ended before there was a verdict" in verdict.sentence
    assert "a numpy of somebody else" in verdict.printed


def test_a_file_where_the_learner_works_takes_the_place_of_none_of_pythons_own(tmp_path, monkeypatch):
    """And can be imported if its name is its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("random", "json", "numpy"):
        Path(f"{name}.py").write_text("raise ImportError('the wrong one')", encoding="utf-8")
    Path("mine.py").write_text("ONE = 1", encoding="utf-8")
    verdict = tried(tmp_path, linear(f"import mine, random\n{RIGHT}\ndb = db * mine.ONE"))
    assert verdict.passed, verdict.sentence + verdict.printed


def test_a_terminal_that_knows_no_greek_is_no_reason_to_fail(tmp_path):
    run(tmp_path, "start")
    (tmp_path / "exercises/03_linear.py").write_text(linear(RIGHT), encoding="utf-8")
    done = process(tmp_path, "check", "3", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and done.stderr == "" and "dW_ij" in done.stdout


# ---- hint, solution, next, reset, figure


def test_hints_come_one_level_at_a_time_and_survive_restarts(desk, capsys):
    counts = []
    for _ in range(6):
        assert main(["hint", "linear"]) == 0
        counts.append(capsys.readouterr().out.count("linear, hint "))
    assert counts == [1, 2, 3, 4, 5, 5]
    main(["hint", "linear"])
    assert "no more hints" in capsys.readouterr().out
    assert progress.load(desk.folder).hints == {"linear": 5}


@pytest.mark.parametrize("step", [["solution", "linear"], ["hint", "linear"]])
def test_what_another_terminal_has_done_in_the_meantime_is_kept(desk, monkeypatch, step):
    """While the question waits for its answer, or the answer is tried."""

    def meanwhile(*_):
        if not desk.read().solution_seen:
            desk.progress.solution_seen.add("chain")
            desk.progress.succeed("relu")
            desk.save()
        return Verdict(sentence="not tried")

    monkeypatch.setattr(commands, "confirmed", lambda _: bool(meanwhile()))
    monkeypatch.setattr(commands, "try_answer", meanwhile)
    assert main(step) == 0
    kept = progress.load(desk.folder)
    assert "chain" in kept.solution_seen and "relu" in kept.done
    assert "linear" in kept.solution_seen or kept.hints == {"linear": 1}


def test_the_solution_asks_once_before_success(tmp_path):
    run(tmp_path, "start")
    for typed in ("n\n", ""):
        refused = run(tmp_path, "solution", "linear", typed=typed)
        assert refused.returncode == 1 and "x.T @ dy" not in refused.stdout
    assert "solution seen" not in run(tmp_path).stdout
    assert "dW = x.T @ dy" in run(tmp_path, "solution", "linear", typed="y\n").stdout
    assert "[y/N]" not in run(tmp_path, "solution", "linear").stdout
    assert "solution seen" in run(tmp_path).stdout


def test_the_solution_with_yes_or_after_success_does_not_ask(desk, capsys):
    assert main(["solution", "linear", "--yes"]) == 0
    assert "dW_ij  = Σ" in (out := capsys.readouterr().out) or "dW_ij = Σ" in out
    desk.read().succeed("relu")
    desk.save()
    assert main(["solution", "relu"]) == 0
    assert progress.load(desk.folder).solution_seen == {"linear"}


def test_next_skips_and_comes_back(desk, capsys):
    first, second, third, *rest = ladder()
    assert main(["next"]) == main(["next"]) == 0
    state = progress.load(desk.folder)
    assert state.current == third and state.skipped == {first, second}
    state.done = {third, *rest}
    state.save(desk.folder)
    main(["next"])
    state = progress.load(desk.folder)
    assert state.current == first and state.skipped == {second}
    state.done |= {first, second}
    state.save(desk.folder)
    capsys.readouterr()
    main(["next"])
    assert "All exercises are done." in capsys.readouterr().out
    main([])
    assert "All exercises are done." in capsys.readouterr().out


def test_next_with_one_exercise_left_stays(desk, capsys):
    desk.progress.done = set(ladder()[1:])
    desk.save()
    main(["next"])
    assert "the last one that is not done" in capsys.readouterr().out
    assert progress.load(desk.folder).current == ladder()[0]


def test_reset_loses_nothing(desk, capsys):
    for version in ("first", "second", "third"):
        desk.file("linear").write_text(version, encoding="utf-8")
        assert main(["reset", "linear"]) == 0
        assert desk.file("linear").read_text(encoding="utf-8") == stub("linear")
    backups = [desk.folder / f"03_linear.py.bak{number}" for number in ("", ".2", ".3")]
    assert [path.read_text(encoding="utf-8") for path in backups] == ["first", "second", "third"]
    main(["reset", "linear"])
    desk.file("linear").unlink()
    main(["reset", "linear"])
    assert desk.file("linear").exists() and len(list(desk.folder.glob("*.bak*"))) == 3


def test_hints_begin_with_what_is_right_already_and_with_where_to_look(desk, capsys):
    wrong = "dx, dW, db = dy @ W.T, x.T @ dy / len(x), dy.sum(axis=0)"
    desk.file("linear").write_text(linear(wrong), encoding="utf-8")
    main(["hint", "linear"])
    main(["hint", "linear"])
    first, second = capsys.readouterr().out.splitlines()[-2:]
    assert first == "linear, hint 1 of 5: right already: dx, db. So look for what dW needs and these do not."
    assert second.startswith("linear, hint 2 of 5: line 29, `dx, dW, db = ") and "is the first that is wrong" in second


def test_tries_and_hints_are_counted_and_a_stub_is_no_try(desk, capsys):
    main(["check", "linear"])
    assert progress.load(desk.folder).tried == {}
    desk.file("linear").write_text(linear(RIGHT + " * 2"), encoding="utf-8")
    main(["check", "linear"])
    main(["check", "linear"])
    main(["hint", "linear"])
    capsys.readouterr()
    main([])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "  linear  " in line]
    assert line.endswith("tried (2), hinted")
    desk.file("linear").write_text(linear(RIGHT), encoding="utf-8")
    main(["check", "linear"])
    assert progress.load(desk.folder).state("linear") == "solved, hinted"


def test_reset_without_a_name_is_of_the_current_one(desk, capsys):
    desk.file(ladder()[0]).write_text("mine", encoding="utf-8")
    assert main(["reset"]) == 0
    assert desk.file(ladder()[0]).read_text(encoding="utf-8") == stub(ladder()[0])


def test_the_state_of_the_version_before_is_taken_over(desk):
    (desk.folder / STATE).write_text(state(current="relu", done=["sum", "linear"], hints={"relu": 3}), encoding="utf-8")
    taken = progress.load(desk.folder)
    assert (
        taken.current == "relu" and taken.done == {"sum", "linear"} and taken.tried == {} and taken.hints["relu"] == 3
    )


def test_reset_makes_a_done_exercise_undone(desk):
    desk.progress.succeed("linear")
    desk.save()
    main(["reset", "linear"])
    assert progress.load(desk.folder).done == set()


def test_a_figure_is_written_beside_the_exercise(desk):
    pytest.importorskip("matplotlib")
    assert main(["figure", "relu"]) == 1, "there is nothing to draw yet"
    solve(desk, "relu")
    assert main(["figure", "relu"]) == 0
    assert (desk.folder / "04_relu.png").read_bytes().startswith(b"\x89PNG")


# ---- without rich, and without matplotlib


COMMANDS = """
import json, sys
from pathlib import Path
from scratchnn.exercises.__main__ import main
for step in json.loads(sys.argv[1]):
    Path("exercises/03_linear.py").write_text(step, encoding="utf-8") if isinstance(step, str) else main(step)
"""


def lines_of(folder: Path, **environment: str) -> list[str]:
    """All that the commands print, one after another, to a learner who gets one answer wrong and one right."""
    run(folder, "start")
    steps, check = [[], ["check", "linear"]], ["check", "linear"]
    for code in ("dx, dW, db = dy @ W.T, x.T @ dy / len(x), dy.sum(axis=0)", RIGHT, "print('Σ')\nreturn 1"):
        steps += [linear(code), check]
    steps += [["hint"], ["solution", "--yes"], ["next"], []]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(steps)],
        cwd=folder, env={**ENVIRONMENT, **environment}, capture_output=True, encoding="utf-8", timeout=300,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == ""
    return done.stdout.splitlines()


def test_without_rich_the_lines_are_the_same(tmp_path):
    pytest.importorskip("rich")
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
    plain = lines_of(tmp_path / "without", **without(tmp_path / "hidden", "rich"))
    assert plain == lines_of(tmp_path / "with")
    assert any("dW_ij = Σ_n" in line for line in plain) and any("WRONG" in line for line in plain)


def test_without_rich_the_first_output_says_once_what_brings_colours(tmp_path):
    hidden = without(tmp_path / "hidden", "rich")
    first = process(tmp_path, "start", **hidden).stdout
    assert first.splitlines()[0] == (
        '(colour in these reports needs rich: python -m pip install "scratchnn[exercises]")'
    )
    for arguments in (["start"], [], ["hint"]):
        assert "pip install" not in process(tmp_path, *arguments, **hidden).stdout
    (tmp_path / "else").mkdir()
    if terminal.NO_COLOURS == "":
        assert "pip install" not in run(tmp_path / "else", "start").stdout


def in_terminal(folder: Path, *arguments: str, typed: str = "", **environment: str) -> list[str]:
    """What the command writes into a terminal of 60 columns, where this is typed."""
    ours, its = os.openpty()
    os.write(ours, typed.encode())
    process = subprocess.Popen(
        [sys.executable, "-m", "scratchnn.exercises", *arguments], cwd=folder, stdin=its, stdout=its, stderr=its,
        env={**ENVIRONMENT, "TERM": "xterm-256color", "COLUMNS": "60", **environment},
    )  # fmt: skip
    os.close(its)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:  # Linux says so at the end
        pass
    process.wait()
    os.close(ours)
    return written.decode().replace("\r\n", "\n").splitlines()


def test_in_a_terminal_prose_is_wrapped_with_rich_and_without_and_rich_brings_colours(tmp_path):
    pytest.importorskip("rich")
    run(tmp_path, "start")
    (tmp_path / "exercises/03_linear.py").write_text(linear(RIGHT + " / 5"), encoding="utf-8")
    for _ in range(6):
        run(tmp_path, "hint", "elbo")
    hidden = without(tmp_path / "hidden", "rich")
    shown = {}
    for arguments in (("check", "linear"), ("hint", "elbo"), ()):
        coloured = "\n".join(in_terminal(tmp_path, *arguments))
        shown[arguments] = in_terminal(tmp_path, *arguments, **hidden)
        assert ("\x1b[" in coloured) == (arguments != ("hint", "elbo"))
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).splitlines() == shown[arguments]
    *hints, _ = shown["hint", "elbo"]  # the last line names a command, which must not be cut
    assert len(hints) > 6 and max(map(len, hints)) <= 60


def test_a_breakpoint_stops_once_in_check_and_says_where_it_cannot(tmp_path):
    run(tmp_path, "start")
    file = tmp_path / "exercises/03_linear.py"
    file.write_text(linear(f"breakpoint()\n{RIGHT}"), encoding="utf-8")
    shown = "\n".join(in_terminal(tmp_path, "check", "linear", typed="p dy.shape\nc\n"))
    assert "(5, 7)" in shown and shown.count("(Pdb)") == 2 and "linear: right" in shown
    shown = "\n".join(in_terminal(tmp_path, "check", "linear", typed="q\n"))
    assert "the debugger was left" in " ".join(re.sub(r"\x1b\[[0-9;]*m", "", shown).split())  # a line ends anywhere
    verdict = try_answer("linear", file)
    assert "`breakpoint()`: RuntimeError: breakpoint() stops where somebody can type" in verdict.sentence
    file.write_text(linear(f"import pdb; pdb.set_trace()\n{RIGHT}"), encoding="utf-8")
    assert "write breakpoint()" in try_answer("linear", file).sentence


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["notebooks"], "notebooks does not read --folder: name the folder to write into behind the command"),
        (["handout"], "handout does not read --folder: say where the sheets go with --out"),
        (["grade", "x"], "grade does not read --folder: name the folders behind the command"),
    ],
)
def test_a_folder_that_would_not_be_read_is_refused(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for order in (["--folder", "here", *arguments], [*arguments, "--folder", "here"]):
        with pytest.raises(SystemExit) as ended:
            command(order)
        assert ended.value.code == f"error: {said}"
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_a_figure_is_one_sentence(tmp_path):
    run(tmp_path, "start")
    done = process(tmp_path, "figure", "relu", **without(tmp_path / "hidden", "matplotlib"))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == 'error: drawing figures needs matplotlib: python -m pip install "scratchnn[examples]"\n'


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_where_less_memory_is_allowed_than_an_answer_may_have_it_is_tried_all_the_same(desk):
    solve(desk, "linear")
    limited = f"ulimit -v 3000000; exec {shlex.quote(sys.executable)} -m scratchnn.exercises check linear"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", limited], cwd=desk.folder.parent, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("error, said", [
    (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1),
    (OSError(errno.EMFILE, "Too many open files"), "error: Too many open files"),
    (OSError(errno.ENOSPC, "No space left on device", "a"), "error: cannot read or write a (No space left on device)"),
])  # fmt: skip
def test_what_the_system_refuses_is_one_sentence(monkeypatch, error, said):
    def refused(*_):
        raise error

    monkeypatch.setattr(__main__, "main", refused)
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # given back afterwards
    if isinstance(said, int):
        assert command([]) == said
    else:
        with pytest.raises(SystemExit) as stop:
            command([])
        assert stop.value.code == said


# ---- the state


def state(**changed) -> str:
    whole = {"current": ladder()[0], "done": [], "skipped": [], "solution_seen": [], "hints": {}}
    return json.dumps({**whole, **changed})


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '"\\ud800"', "[" * 100_000, '{"current": 3}', state(current="gone"),
        state(done=["sum", 3]), state(done="sum"), state(hints={"sum": -5}), state(hints={"gone": 1}),
        state(tried={"sum": 10**6}), state(tried={"sum": int("9" * 4300)}),
    ],
)  # fmt: skip
def test_a_damaged_state_is_kept_and_a_new_one_made_from_the_files(desk, capsys, monkeypatch, text):
    monkeypatch.setattr(progress, "try_answer", lambda name, file: tried_once(name, file.read_bytes()))
    solve(desk, ladder()[0])
    desk.file("relu").write_text("broken(", encoding="utf-8")
    (desk.folder / STATE).write_text(text, encoding="utf-8")
    capsys.readouterr()
    assert main([]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].endswith(
        "it is kept as .progress.json.damaged, and a new one is made from what your files show"
    )
    assert (desk.folder / ".progress.json.damaged").read_text(encoding="utf-8") == text
    assert progress.load(desk.folder) == Progress(ladder()[1], done={ladder()[0]})


def test_a_state_that_is_not_text_is_damaged_too_and_spares_the_one_kept_before(desk):
    for number in (1, 2):
        (desk.folder / STATE).write_bytes(b"\xff" * number)
        main([])
    assert (desk.folder / ".progress.json.damaged").read_bytes() == b"\xff"
    assert (desk.folder / ".progress.json.damaged.2").read_bytes() == b"\xff\xff"


def test_the_state_is_written_whole_or_not_at_all(desk, monkeypatch):
    before = (desk.folder / STATE).read_bytes()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(["next"])
    assert (desk.folder / STATE).read_bytes() == before
    monkeypatch.undo()
    assert json.loads(before)["current"] == ladder()[0]


def test_a_lost_state_is_made_again_by_start(desk):
    solve(desk, ladder()[0])
    (desk.folder / STATE).unlink()
    with pytest.raises(ExerciseError, match="no exercises here yet"):
        commands.Desk(desk.folder)
    main(["start", "--folder", str(desk.folder)])
    assert progress.load(desk.folder).done == {ladder()[0]}


# ---- watch


class Watcher:
    """The real `watch`, with what it prints line by line."""

    def __init__(self, folder: Path, stdin: int = subprocess.PIPE) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scratchnn.exercises", "watch"], cwd=folder, env=ENVIRONMENT, encoding="utf-8",
            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)

    def until(self, text: str) -> str:
        """Waits for a line with this text; all lines up to it."""
        seen = []
        while text not in "".join(seen):
            try:
                seen.append(self.lines.get(timeout=120))
            except queue.Empty:
                raise AssertionError(f"no {text!r} in:\n{''.join(seen)}") from None
        return "".join(seen)

    def type(self, key: str) -> None:
        self.process.stdin.write(key + "\n")
        self.process.stdin.flush()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()


def test_watch_looks_at_the_file_several_times_a_second_and_checks_each_save_once(desk, monkeypatch):
    """With the next test: a save is judged within a second, on a machine that has a processor for it."""
    file, checked, looks = desk.file(desk.progress.current), [], []
    versions = iter(["the first", None, "the second one", None, None, "a third"])

    class Keys:
        def get(self, timeout):
            looks.append(timeout)
            version = next(versions, "q")
            if version == "q":
                return version
            if version:
                file.write_text(version, encoding="utf-8")
            raise queue.Empty

    monkeypatch.setattr(watching, "queue", SimpleNamespace(SimpleQueue=Keys, Empty=queue.Empty))
    monkeypatch.setattr(watching, "read_keys", lambda typed: None)
    monkeypatch.setattr(
        watching, "check", lambda desk, name, **how: checked.append(file.read_text(encoding="utf-8")) or 1
    )
    assert watching.watch(desk) == 0
    assert checked == [stub(desk.progress.current), "the first", "the second one", "a third"]
    assert looks == [watching.POLL] * 7 and watching.POLL <= 0.25


@pytest.mark.skipif(not LONG, reason="a time, which another processor may not keep: SCRATCHNN_LONG=1")
def test_a_verdict_takes_less_than_a_second_of_a_processor(tmp_path):
    resource = pytest.importorskip("resource", reason="Windows does not count the time of processes that have ended")

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    times = []
    for _ in range(3):
        before = used()
        assert tried(tmp_path, linear(RIGHT)).passed
        times.append(used() - before)
    assert min(times) + watching.POLL < 1.0, times


def test_watch_judges_every_save_holds_success_and_obeys(desk, tmp_path):
    desk.progress.current = "linear"
    desk.save()
    file = desk.file("linear")
    with Watcher(tmp_path) as watcher:
        watcher.until("not written yet")
        for code, expected in (
            ("dx = dW = db = 1", "backward must give"),
            (RIGHT + " * 2", "WRONG"),
            (RIGHT, "linear: right"),
        ):
            file.write_text(linear(code), encoding="utf-8")
            watcher.until(expected)
        watcher.until("linear is solved.")
        time.sleep(0.5)
        state = progress.load(desk.folder)
        assert state.current == "linear" and state.done == {"linear"}, "success must be held"
        watcher.type("h")
        watcher.until("linear, hint 1 of 5")
        watcher.type("what?")
        watcher.until("q: quit")
        watcher.type("n")
        watcher.until("Now exercises/34_sizes.py")
        watcher.until("not written yet")
        replacement = file.with_name("new")
        shutil.copy(path_of("sizes"), replacement)
        replacement.replace(desk.file("sizes"))  # as many editors save
        watcher.until("sizes is solved")
        watcher.type("q")
        assert watcher.process.wait(120) == 0


def test_watch_drops_a_run_whose_file_is_saved_again(desk, tmp_path):
    """The first answer never ends; were it waited for, the verdict would come after ten seconds, about an old file."""
    desk.progress.current = "linear"
    desk.save()
    file = desk.file("linear")
    with Watcher(tmp_path) as watcher:
        watcher.until("not written yet")
        file.write_text(linear("while True: pass"), encoding="utf-8")
        watcher.until("running …")
        time.sleep(1)
        file.write_text(linear(RIGHT), encoding="utf-8")
        seen = watcher.until("linear is solved.")
        assert "running …" in seen and "it was stopped" not in seen and "WRONG" not in seen
    assert progress.load(desk.folder).tried == {}, "a run that was dropped is no try"


def test_a_line_is_that_of_the_file_that_ran(tmp_path):
    """The answer writes its file anew, as an editor may while it runs."""
    code = "open(__file__, 'w').write('# nothing\\n' * 40)\nraise ValueError('too late')"
    verdict = tried(tmp_path, linear(code))
    assert "`raise ValueError('too late')`: ValueError: too late" in verdict.sentence


def test_watch_works_without_an_input_and_follows_next_from_elsewhere(desk, tmp_path):
    with Watcher(tmp_path, subprocess.DEVNULL) as watcher:
        watcher.until("not written yet")
        main(["next"])
        watcher.until(desk.file(ladder()[1]).name)
        assert watcher.process.poll() is None


def test_watch_takes_commands_from_a_pipe(desk, tmp_path):
    done = process(tmp_path, "watch", typed="h\nn\nq\n")
    assert done.returncode == 0 and done.stderr == ""
    assert "hint 1 of 5" in done.stdout and progress.load(desk.folder).current == ladder()[1]


def test_an_option_in_part_is_no_option(tmp_path):
    """`--exercise mine` would be read by one parser and not by the other."""
    for arguments in ("start --exercise mine", "--exercise mine start", "grade . --exer mine"):
        refused = run(tmp_path, *arguments.split())
        assert refused.returncode == 2 and re.search("unrecognized arguments: --exer|invalid choice", refused.stderr)
    assert not [*tmp_path.iterdir()]


def test_json_is_all_that_is_printed(tmp_path, monkeypatch):
    """A training says how it goes, and a damaged state is told of: on the other stream."""
    assert run(tmp_path, "start").returncode == 0
    folder = tmp_path / "exercises"
    (folder / STATE).write_text("damaged", encoding="utf-8")

    def talking(name, file):
        print("step 200, loss 0.3")
        return Verdict(sentence="no")

    monkeypatch.setattr(commands, "try_answer", talking)
    told = run(tmp_path, "check", "linear", "--json")
    assert json.loads(told.stdout)["sentence"] == "no" and "step 200" in told.stderr and "it is kept as" in told.stderr


def test_a_file_that_cannot_be_written_whole_is_not_left_empty(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        progress.write_new(tmp_path / "x.py", "a\udc80")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_has_its_name_when_it_is_whole_and_takes_the_place_of_no_other(tmp_path, monkeypatch, links):
    """Killed at any moment before, `start` leaves none of that name. On some file systems there are no links."""
    file, synced, sync = tmp_path / "x.py", [], os.fsync

    def fsync(descriptor):
        synced.append(file.exists())
        sync(descriptor)

    def link(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fsync", fsync)
    if not links:
        monkeypatch.setattr(os, "link", link)
    progress.write_new(file, "Σ\n")
    assert synced[:1] == [False] and file.read_bytes() == "Σ\n".encode()
    with pytest.raises(FileExistsError) as caught:
        progress.write_new(file, "another")
    assert caught.value.filename == str(file) and [path.name for path in tmp_path.iterdir()] == ["x.py"]
    assert file.read_text(encoding="utf-8") == "Σ\n"


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
def test_where_there_is_no_input_or_output_the_commands_do_what_they_can(tmp_path):
    run(tmp_path, "start")
    (tmp_path / "exercises/03_linear.py").write_text(linear(RIGHT), encoding="utf-8")
    for arguments, status in (
        ("status >&-", 0), ("check linear >&- 2>&-", 0), ("check linear <&- >&- 2>&-", 0), ("solution relu <&-", 1),
        (r"solution relu < bytes", 1),
    ):  # fmt: skip
        (tmp_path / "bytes").write_bytes(b"\xff\n")
        command = f"{shlex.quote(sys.executable)} -m scratchnn.exercises {arguments}"
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (status, ""), arguments
        assert ("Not shown" in done.stdout) == bool(status)
    assert progress.load(tmp_path / "exercises").done == {"linear"}


def test_watch_goes_on_after_a_key_that_is_no_text(desk, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "scratchnn.exercises", "watch"], cwd=tmp_path, env=ENVIRONMENT, input=b"\xff\nq\n",
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == b""


def test_json_is_the_same_where_the_terminal_knows_no_greek(tmp_path):
    run(tmp_path, "start", "--folder", "größe")
    (tmp_path / "größe/03_linear.py").write_text(linear(f"print('Σ')\n{RIGHT}"), encoding="utf-8")
    checked = process(tmp_path, "check", "linear", "--json", "--folder", "größe", PYTHONIOENCODING="ascii")
    assert json.loads(checked.stdout)["printed"].startswith("Σ\n")
    listed = process(tmp_path, "status", "--json", "--folder", "größe", PYTHONIOENCODING="ascii")
    assert json.loads(listed.stdout)["exercises"][0]["file"].startswith("größe")


def test_a_verdict_for_a_program_is_printed_even_if_it_cannot_be_noted(desk, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "a")

    monkeypatch.setattr(Progress, "save", full)
    solve(desk, "linear")
    capsys.readouterr()
    with pytest.raises(SystemExit, match="cannot read or write a"):
        command(["check", "linear", "--json"])
    assert json.loads(capsys.readouterr().out)["passed"]


def test_an_answer_in_more_digits_than_a_float_has_is_judged_as_another(tmp_path):
    code = "dx, dW, db = (dy.astype(np.longdouble) @ W.T, x.T @ dy.astype(np.longdouble), dy.sum(axis=0, dtype='g'))"
    for given in (tried(tmp_path, linear(code)), tried_here(tmp_path, linear(code))):
        assert given.passed and given.printed == "", given.sentence
    wrong = tried(tmp_path, linear(f"{code}\ndW = dW / len(x)"))
    assert [array.passed for array in wrong.report.arrays] == [True, False, True]


@pytest.mark.parametrize(
    "said, told",
    [
        ("10**5000", "a whole number of 16,610 bits"),
        ("(deep := [],) and [deep := [deep] for _ in range(5000)][-1]", "Rec"),
    ],
)
def test_what_cannot_be_sent_is_told_and_the_process_goes_on(tmp_path, said, told):
    file = tmp_path / "27_modes_counted.py"
    code = f"return {said}, 1, 2, 3"
    file.write_text(re.sub(r"(?m)^    forward_pass = .*", f"    {code}", stub("modes_counted")), encoding="utf-8")
    assert code in file.read_text(encoding="utf-8")
    for given in (try_answer("modes_counted", file), try_here("modes_counted", file)):
        assert told in given.sentence + "".join(finding.why for finding in given.findings) and not given.passed
        assert "Python ended" not in given.sentence and given.printed == ""


@pytest.mark.parametrize(
    "arguments",
    [["check", "linear"], ["hint", "linear"], ["solution", "linear", "--yes"], ["next"], ["reset", "linear"]],
    ids=lambda arguments: arguments[0],
)
def test_a_command_changes_the_state_while_no_other_does(desk, monkeypatch, arguments):
    """It reads and writes it with the lock held, waits for another that has it, and says so at last."""
    solve(desk, "linear")
    if arguments[0] == "reset":
        desk.progress.succeed("linear")
        desk.save()
    before, lock, held = (desk.folder / STATE).read_bytes(), desk.folder / f"{STATE}.lock", []
    for function in (commands.load, Progress.save):
        owner = commands if function is commands.load else Progress

        def watched(*given, function=function):
            held.append(lock.exists() and locked(lock) is None)
            return function(*given)

        monkeypatch.setattr(owner, function.__name__, watched)
    monkeypatch.setattr(commands, "WAIT", 0.1)
    with (
        locked(lock),
        pytest.raises(ExerciseError, match=r"another command has held .*progress\.json for 0\.1 seconds"),
    ):
        main(arguments)
    assert (desk.folder / STATE).read_bytes() == before
    held.clear()
    main(arguments)
    assert held[-2:] == [True, True] and not lock.exists() and (desk.folder / STATE).read_bytes() != before


def test_without_locks_the_state_is_written_all_the_same(desk, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files, "locked", none)
    assert main(["next"]) == 0 and progress.load(desk.folder).current == ladder()[1]
