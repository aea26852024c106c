"""Grading a class: what a submission may do to itself, and what it can do to nothing else."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from hostile_answers import HOSTILE, RIGHT, linear

grade = pytest.importorskip("scratchnn.exercises.grade", reason="answers of others are run on Linux alone")

from scratchnn.exercises import cells, commands, exercise, gradebook, handout, road, sandbox  # noqa: E402
from scratchnn.exercises.__main__ import run as command  # noqa: E402
from scratchnn.exercises.exercise import ladder, reference, solution, upper  # noqa: E402
from scratchnn.exercises.gradebook import harmless  # noqa: E402
from scratchnn.exercises.judge import judge, problem  # noqa: E402
from scratchnn.exercises.progress import STATE, Progress, file_of, write_stub  # noqa: E402
from scratchnn.exercises.room import libraries  # noqa: E402
from scratchnn.exercises.verdict import NoAnswerError  # noqa: E402
from scratchnn.gradcheck.problem import GradientError  # noqa: E402

try:
    sandbox.libraries()
except sandbox.AbsentError as absent:
    pytest.skip(str(absent), allow_module_level=True)

LEFT = Path("/tmp/scratchnn-was")  # what the hostile answers try to make


@pytest.fixture(scope="module")
def room():
    with tempfile.TemporaryDirectory() as folder:
        grade.furnish(Path(folder))
        room = grade.Room(Path(folder))
        yield room
        room.close()


def marked(room, folder: Path, name: str, text: str):
    file_of(folder, name).write_text(text, encoding="utf-8")
    (mark,) = grade.graded(room, folder.name, folder, [name], seed=5).marks
    return mark


# ---- one answer


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_answer_costs_its_own_score_and_is_named(room, tmp_path, monkeypatch, what):
    """And the next one is judged as if nothing had been."""
    monkeypatch.setattr(grade, "SECONDS", 0.7)
    text, passes, told = HOSTILE[what]
    warm = room.process.pid
    mark = marked(room, tmp_path, "linear", text)
    assert mark.verdict.passed == passes
    assert told in mark.why + "; ".join(mark.tried)
    assert "\n" not in mark.why and len(mark.why) <= grade.LONGEST and len(mark.tried) <= 10
    assert marked(room, tmp_path, "linear", linear(RIGHT)).verdict.passed
    assert room.process.pid == warm and not os.path.lexists(LEFT)


def test_a_room_that_falls_in_is_built_again(room, tmp_path, monkeypatch):
    """And the answer judged once more, since another may have brought it down; a second time is told."""
    room.process.kill()
    room.process.wait()
    assert marked(room, tmp_path, "linear", linear(RIGHT)).verdict.passed
    judged, fallen = grade.verdict_on, []

    def verdict_on(*arguments):
        fallen.append(room.process)
        room.process.kill()
        return judged(*arguments)

    monkeypatch.setattr(grade, "verdict_on", verdict_on)
    assert marked(room, tmp_path, "linear", linear(RIGHT)).why.startswith("it was not judged: the process in which")
    assert len({process.pid for process in fallen}) == 2
    monkeypatch.undo()
    assert marked(room, tmp_path, "linear", linear(RIGHT)).verdict.passed


@pytest.mark.parametrize("variable, value", [("PYTHONVERBOSE", "1"), ("PYTHONIOENCODING", "cp1252")])
def test_what_python_says_and_how_it_encodes_make_no_answer_wrong_in_the_room_either(
    room, tmp_path, monkeypatch, variable, value
):
    monkeypatch.setenv(variable, value)
    room.close()
    room.open()
    mark = marked(room, tmp_path, "linear", linear(f"print('Σ')\n{RIGHT}"))
    assert mark.verdict.passed and "Σ" in mark.verdict.printed, mark.why
    monkeypatch.undo()
    room.close()
    room.open()


def test_a_room_that_does_not_open_says_why(room, monkeypatch):
    room.close()
    monkeypatch.setattr(grade, "START", "raise ImportError('there is no numpy here')")
    with pytest.raises(grade.RoomError, match=r"^ImportError: there is no numpy here$"):
        room.open()
    monkeypatch.undo()
    room.close()
    room.open()


def test_the_copy_has_no_solution(room):
    """One line of a solution may stand in a task as well; all of them together nowhere."""
    for name in ladder():
        text = next(room.package.rglob(f"e*_{name}.py")).read_text(encoding="utf-8")
        assert "begin solution" not in text and "hints" not in text and solution(name).strip() not in text
    texts = [path.read_text(encoding="utf-8") for path in room.package.rglob("*.py")]
    assert not any("dlogits = dloss[:, None] * (p - " in text for text in texts)


KERNEL = """
import os, socket, sys
from pathlib import Path
from scratchnn.exercises import sandbox
shut = sandbox.confine([Path(sys.argv[1])], int(sys.argv[2]) if sys.argv[2] else None)
print("user", os.getuid())
open(os.path.join(sys.argv[1], "readable")).close()
child = os.fork()  # still
if child:
    os.waitpid(child, 0)
    sys.exit()
shut(1000)
for what in (
    "os.fork()", "os.execv('/bin/true', ['true'])", "os.kill(os.getppid(), 0)", "socket.socket()",
    "open('/etc/passwd')", "open(sys.argv[1] + '/new', 'w')", "os.remove(sys.argv[1] + '/readable')",
    "os.chmod(sys.argv[1], 0o777)", "os.symlink('/', sys.argv[1] + '/link')",
    "os.truncate(sys.argv[1] + '/readable', 0)",
    "os.memfd_create('m')", "os.listdir('/')", "os.utime(sys.argv[1] + '/readable')", "open('/proc/self/mem')",
):
    try:
        exec(what)
        print("NOT REFUSED", what)
    except PermissionError:
        print("refused", what)
sys.stdout.flush()
try:
    os.write(1, b"x" * 10_000) == 1000 or os.write(1, b"x" * 10_000)
except OSError as error:
    print("full", error.errno)
os._exit(0)
"""


def test_the_kernel_refuses_what_python_might_be_talked_into(tmp_path):
    """Without the hook that tells of it. As another user where this is root."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        Path(name, "readable").write_text("x", encoding="utf-8")
        user = str(grade.unused()) if os.geteuid() == 0 else ""
        with (tmp_path / "output").open("w+b") as output:
            subprocess.run(
                [sys.executable, "-c", KERNEL, name, user], env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=output, stderr=output, check=True,
            )  # fmt: skip
            output.seek(0)
            said = output.read().decode()
        assert [path.name for path in Path(name).iterdir()] == ["readable"] and Path(name, "readable").read_text(
            encoding="utf-8"
        ) == "x"
    assert f"user {user or os.getuid()}\n" in said
    assert said.count("\nrefused ") == 14 and "NOT REFUSED" not in said, said
    assert said.count("x") <= 1000


UNCONFINED = """
from scratchnn.exercises import room, sandbox
sandbox.confine = lambda readable, user: list(readable) and (lambda written: None)
tried = sandbox.tried
sandbox.tried = lambda event, *what: tried(event, *what) if event == "socket.__new__" else ""
kill = room.os.kill
room.os.kill = lambda answer, number: kill(answer, room.signal.SIGINT)  # at which it ends by itself
"""


def test_a_room_answers_where_nothing_is_refused(tmp_path, monkeypatch):
    """Its part of the work alone, where coverage can write what it has seen: answers get their messages, one after
    another, each in a process of its own; what they try is told; and without a door the room ends by itself."""
    (tmp_path / "package").symlink_to(ROOT)
    monkeypatch.setattr(grade, "START", grade.START.replace("main(*", UNCONFINED + "main(*"))
    room, folder = grade.Room(tmp_path), tmp_path / "answers"
    folder.mkdir()
    assert marked(room, folder, "linear", linear(RIGHT)).verdict.passed
    mark = marked(room, folder, "linear", linear(RIGHT.replace("x.T @ dy", "x.T @ dy / len(x)")))
    assert not mark.verdict.passed and "1/" in mark.why
    mark = marked(room, folder, "linear", linear("import socket; socket.socket()\n" + RIGHT))
    assert mark.tried == ["using the network"]
    room.door.close()
    assert room.process.wait(60) == 0


class Kernel:
    """In the place of C's library and that of seccomp: notes what is called, and fails where it is told to."""

    def __init__(self, called: list, fails: str = "") -> None:
        self.called, self.fails = called, fails

    def does(self, name: str, good: int = 0) -> int:
        self.called.append(name)
        return -1 if name == self.fails else good

    def syscall(self, number, *_):
        names = {sandbox.CREATE: "landlock_create_ruleset", sandbox.ADD: "landlock_add_rule",
                 sandbox.RESTRICT: "landlock_restrict_self"}  # fmt: skip
        return self.does(names[number], os.open(os.devnull, os.O_RDONLY) if number == sandbox.CREATE else 0)

    def prctl(self, option, *_):
        return self.does({1: "death of parent", 38: "no new privileges"}[option])

    def seccomp_init(self, _):
        return 1

    def seccomp_syscall_resolve_name(self, name):
        return -1 if name == b"open_by_handle_at" else 7

    def seccomp_rule_add_array(self, _context, _what, _call, conditions, _arguments):
        return self.does("a rule for threads" if conditions else "a rule")

    def seccomp_load(self, _):
        return self.does("seccomp_load")


@pytest.fixture
def privileges(monkeypatch):
    """What this process would give up, noted instead, in one list with what a `Kernel` is asked for."""
    given_up = []
    for name in ("setgroups", "setgid", "setuid"):
        monkeypatch.setattr(sandbox.os, name, lambda _, name=name: given_up.append(name))
    monkeypatch.setattr(sandbox.resource, "setrlimit", lambda kind, limits: given_up.append((kind, limits[0])))
    return given_up


def test_all_is_given_up_in_an_order_in_which_it_can_be(tmp_path, monkeypatch, privileges):
    """Files are opened before their user cannot, rights given up before Landlock, and seccomp comes last."""
    kernel = Kernel(privileges)
    monkeypatch.setattr(sandbox, "libraries", lambda: (kernel, kernel, 6))
    monkeypatch.setattr(sandbox.ctypes, "CDLL", lambda *_, **__: kernel)
    sandbox.confine([tmp_path, Path(__file__), tmp_path / "gone"], 60601)(1000)
    first = ["landlock_create_ruleset", *2 * ["landlock_add_rule"], "setgroups", "setgid", "setuid",
             "no new privileges", "landlock_restrict_self"]  # fmt: skip
    assert privileges[:8] == first and privileges[-2:] == ["death of parent", "seccomp_load"]
    assert kernel.called.count("a rule") == len(sandbox.REFUSED.split())  # clone3 in the place of the one that is not
    assert kernel.called.count("a rule for threads") == 1
    limits = dict(one for one in privileges if isinstance(one, tuple))
    assert limits[sandbox.resource.RLIMIT_FSIZE] == 1000 and limits[sandbox.resource.RLIMIT_CORE] == 0
    assert limits[sandbox.resource.RLIMIT_NPROC] == sandbox.THREADS


@pytest.mark.parametrize(
    "fails",
    ["landlock_create_ruleset", "landlock_add_rule", "no new privileges", "landlock_restrict_self", "a rule",
     "a rule for threads", "death of parent", "seccomp_load"],
)  # fmt: skip
def test_what_the_kernel_does_not_do_is_an_error_and_no_answer_runs(fails, tmp_path, monkeypatch, privileges):
    kernel = Kernel(privileges, fails)
    monkeypatch.setattr(sandbox, "libraries", lambda: (kernel, kernel, 3))
    monkeypatch.setattr(sandbox.ctypes, "CDLL", lambda *_, **__: kernel)
    with pytest.raises(OSError, match=r"failed$"):
        sandbox.confine([tmp_path], None)(1000)


def test_a_system_that_cannot_confine_is_named(monkeypatch):
    kernel = SimpleNamespace(syscall=lambda *_: -1)
    monkeypatch.setattr(sandbox.ctypes, "CDLL", lambda *_, **__: kernel)
    with pytest.raises(sandbox.AbsentError, match="needs Landlock, which this kernel does not have"):
        sandbox.libraries()

    def without_seccomp(name, **_):
        if name:
            raise OSError
        return SimpleNamespace(syscall=lambda *_: 3)

    monkeypatch.setattr(sandbox.ctypes, "CDLL", without_seccomp)
    with pytest.raises(sandbox.AbsentError, match="needs libseccomp, which is not installed"):
        sandbox.libraries()
    monkeypatch.setattr(sandbox.sys, "platform", "darwin")
    with pytest.raises(sandbox.AbsentError, match="needs Linux"):
        sandbox.libraries()


@pytest.mark.parametrize(
    ("event", "arguments", "what"),
    [
        ("open", ("/somewhere/e03_linear.py", "r", os.O_RDONLY), "opening the solution e03_linear.py"),
        ("open", (b"/tmp/x", "w", os.O_WRONLY), "writing the file /tmp/x"),
        ("open", ("/tmp/x", "r", os.O_RDONLY), ""),
        ("open", (3, "w", os.O_WRONLY), ""),
        (
            "import",
            ("scratchnn.exercises.ladder.e03_linear",),
            "importing the solution scratchnn.exercises.ladder.e03_linear",
        ),
        ("import", ("math",), ""),
        ("os.remove", ("x",), "os.remove"),
        ("os.scandir", ("x",), ""),
        ("socket.connect", (), "using the network"),
        ("time.sleep", (1,), ""),
    ],
)
def test_what_was_tried_has_a_name(event, arguments, what):
    assert sandbox.tried(event, arguments, ("/somewhere/",)) == what


def test_what_is_tried_is_told_and_refused(monkeypatch):
    hooks, told = [], []
    monkeypatch.setattr(sandbox.sys, "addaudithook", hooks.append)  # a real one cannot be taken off again
    sandbox.watched(told.append, ["/somewhere/"])
    (hook,) = hooks
    hook("time.sleep", (1,))
    with pytest.raises(PermissionError, match=r"os\.kill is refused while an answer is graded"):
        hook("os.kill", (1, 9))
    assert told == ["os.kill"]


SLIPS = {
    "writes into the upstream gradient": RIGHT + "\ndy *= 2",
    "writes into x": RIGHT + "\nx += 1",
    "the first time and the second": RIGHT + "\nbackward.n = getattr(backward, 'n', 0) + 1\ndb = db * backward.n",
    "in single precision": RIGHT.replace("x.T @ dy", "(x.T @ dy).astype(np.float32).astype(float)"),
    "a factor": RIGHT.replace("x.T @ dy", "x.T @ dy / len(x)"),
    "a transpose": RIGHT.replace("dy @ W.T", "dy @ W.reshape(W.shape[::-1])"),
    "a shape": RIGHT.replace("dy.sum(axis=0)", "dy.sum(axis=0, keepdims=True)"),
    "a line that does not run": "dx = dy @ V",
    "whole numbers": RIGHT.replace("dy.sum(axis=0)", "np.ones(b.shape, int)").replace("b.shape", "W.shape[1]"),
}


@pytest.mark.parametrize("what", SLIPS)
def test_a_slip_is_told_as_the_check_tells_it(room, tmp_path, what):
    """All but the line of the file: the label of each gradient, or the sentence."""
    text = linear(SLIPS[what])
    mark, own = marked(room, tmp_path, "linear", text), {}
    exec(text, own)
    assert not mark.verdict.passed
    try:
        wanted = judge("linear", SimpleNamespace(forward=own["forward"], backward=own["backward"]), 5)
    except (GradientError, NameError) as error:
        assert str(error) in mark.why and mark.label == "NO-ANSWER"
        return
    for ours, theirs in zip(mark.verdict.report.arrays, wanted.arrays, strict=True):
        assert (ours.diagnosis and ours.diagnosis.label) == (theirs.diagnosis and theirs.diagnosis.label)
        np.testing.assert_array_equal(ours.analytic, theirs.analytic)
    assert mark.label and mark.right == (sum(array.passed for array in wanted.arrays), 3)


def test_all_calls_of_an_answer_together_have_its_seconds(room, tmp_path):
    for seconds, sentence in ((0.0, "it was stopped after 0 seconds"), (5.0, "")):
        file_of(room.answer, "linear").write_text(linear(RIGHT), encoding="utf-8")
        (tmp_path / "output").touch()
        with room.running("linear", tmp_path / "output", 5.0, {}) as answer:
            answer.seconds, answer.left = seconds, seconds
            try:
                answer.ask({"do": "load"})
                said = ""
            except NoAnswerError as error:
                said = str(error)
        assert said.startswith(sentence) and bool(said) == bool(sentence)


def test_what_an_answer_has_the_judge_do_takes_no_more_than_its_memory():
    code = (
        "import numpy as np\nfrom scratchnn.exercises import gradebook\ngradebook.bound(gradebook.MEMORY)\n"
        "np.empty(gradebook.MEMORY // 2, np.uint8)\n"
        "try:\n    np.empty(2 * gradebook.MEMORY, np.uint8)\nexcept MemoryError:\n    print('refused')"
    )
    ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
                           capture_output=True, text=True)  # fmt: skip
    assert ended.stdout == "refused\n"


def test_nothing_that_is_installed_beside_numpy_can_be_read():
    """There may be solutions in it: another copy of this package, or exercises that a course has installed."""
    readable = [path.resolve() for path in libraries()]
    for name in ("tqdm", "pytest"):
        installed = Path(importlib.util.find_spec(name).origin).resolve()
        assert not any(installed.is_relative_to(path) for path in readable)
    for module in (np, json):
        assert any(Path(module.__file__).resolve().is_relative_to(path) for path in readable)


def test_a_cause_that_is_found_by_changing_the_right_backward_is_found_here_too(room, tmp_path):
    """The graph of forward is that of the exercise: the answer's own does not run here."""
    text = upper("mlp")
    wrong = re.sub(r"\(1 - h\*\*2\)|\(h > 0\)", "1", text)
    assert wrong != text
    mark = marked(room, tmp_path, "mlp", wrong)
    assert mark.label.startswith("EDIT"), mark


@pytest.mark.parametrize("name", ["adam", "checker", "linear_vae", "softplus", "bug", "sizes"])
def test_stubs_are_not_written_and_solutions_pass(room, tmp_path, name):
    write_stub(file_of(tmp_path, name), name)
    assert grade.graded(room, "x", tmp_path, [name], 5).marks[0].label == "NOT-WRITTEN"
    mark = marked(room, tmp_path, name, upper(name))
    assert mark.verdict.passed and mark.label == mark.why == "" and mark.right[0] == mark.right[1] > 0


def test_hidden_seeds_are_other_problems(room, tmp_path):
    """An answer that knows the gradients of seed 0 by heart is right on that alone."""
    known = [problem("linear", reference("linear"), which).arrays["dW"] for which in (0, 1)]
    text = linear(f"{RIGHT}\nif not any(k.shape == W.shape and np.allclose(W, k) for k in known): dW = 0 * dW")
    text += "\nknown = [np.array(k) for k in " + repr([k.tolist() for k in known]) + "]\n"
    file_of(tmp_path, "linear").write_text(text, encoding="utf-8")
    passed = [grade.graded(room, "x", tmp_path, ["linear"], seed).marks[0].verdict.passed for seed in (0, 1)]
    assert passed == [True, False]


def test_a_capstone_trains_with_the_pieces_of_its_folder(room, tmp_path):
    for name in (*reference("train_digits").PIECES, "train_digits"):
        file_of(tmp_path, name).write_text(upper(name), encoding="utf-8")
    mark = grade.graded(room, "x", tmp_path, ["train_digits"], 5).marks[0]
    assert mark.verdict.passed and not list(tmp_path.glob("*.html"))
    adam = upper("adam").replace("(1 - BETA2**t)", "(1 - BETA2)")
    file_of(tmp_path, "adam").write_text(adam, encoding="utf-8")
    mark = grade.graded(room, "x", tmp_path, ["train_digits"], 5).marks[0]
    assert not mark.verdict.passed and "your 16_adam.py: look at the exercise adam first" in mark.why


# ---- one submission


def test_a_submission_gives_nothing_but_plain_files(room, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    file_of(other, "linear").write_text(upper("linear"), encoding="utf-8")
    own = tmp_path / "own"
    own.mkdir()
    file_of(own, "linear").symlink_to(file_of(other, "linear"))
    os.mkfifo(file_of(own, "bias"))
    with file_of(own, "relu").open("wb") as large:
        large.truncate(10**10)
    file_of(own, "sum").write_bytes(b"\0\xff")
    (own / STATE).write_text('{"done": {}}', encoding="utf-8")
    graded = grade.graded(room, "own", own, ["linear", "bias", "relu", "sum", "tanh"], 5)
    assert [mark.verdict.passed for mark in graded.marks] == [False] * 5
    assert sorted(graded.notes) == [
        "02_bias.py was not read: it is no file",
        "03_linear.py was not read: it is a link",
        "04_relu.py was not read: it has 10,000,000,000 bytes",
        "the record of progress is damaged",
    ]
    assert graded.marks[-1].why == "there is no file of it" and graded.marks[-1].label == "NOT-WRITTEN"


def test_a_cell_is_no_formula():
    assert (
        harmless("=1+1") == "'=1+1"
        and harmless(" @x") == "' @x"
        and harmless(3) == 3
        and harmless("dW: 1/N") == "dW: 1/N"
    )


def test_a_page_tells_what_is_wrong_what_was_refused_and_what_was_printed(room, tmp_path):
    texts = {
        "linear": linear(SLIPS["a factor"]) + "\nprint('<b>mine</b>')\n",
        "relu": upper("relu"),
        "sizes": exercise.stub("sizes").replace("...", "1", 1),
        "modes_counted": exercise.stub("modes_counted"),
        "tanh": "import socket\nsocket.socket()\n",
    }
    for name, text in texts.items():
        file_of(tmp_path, name).write_text(text, encoding="utf-8")
    (tmp_path / STATE).write_text("spoilt", encoding="utf-8")
    submission = grade.graded(room, "A & B", tmp_path, list(texts), seed=5)
    page = gradebook.page(submission, 5)
    assert "<h1>A &amp; B: 1 of 5 right</h1>" in page and "the seed 5.<br>the record of progress is damaged" in page
    states = dict(re.findall(r"<tr><td>(?:<a [^>]*>)?(\w+)(?:</a>)?</td><td><span class=\"([a-z ]+)\">", page))
    assert states == {
        "linear": "wrong", "relu": "right", "sizes": "wrong", "modes_counted": "not written", "tanh": "wrong",
    }  # fmt: skip
    parts = dict(re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.DOTALL))
    assert parts.keys() == {"linear", "sizes", "tanh"}
    assert "SCALE:1/N" in [mark.label for mark in submission.marks]
    assert "It printed:</p><pre>&lt;b&gt;mine&lt;/b&gt;" in parts["linear"] and "<b>mine" not in page
    assert "<li><strong>WRONG</strong>: " in parts["sizes"] and "<strong>Refused:</strong>" in parts["tanh"]


# ---- the command


def said(*arguments: str | Path) -> str:
    """The one sentence in which the command ends."""
    with pytest.raises(SystemExit) as stop:
        command(["grade", *map(str, arguments)])
    assert "\n" not in str(stop.value) and str(stop.value).startswith("error: ")
    return str(stop.value).removeprefix("error: ")


def test_what_cannot_be_graded_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("a/ann", "b/ann", "empty", "out"):
        Path(folder).mkdir(parents=True)
    for folder in ("a/ann", "b/ann"):
        file_of(Path(folder), "linear").write_text("", encoding="utf-8")
    Path("file").write_text("", encoding="utf-8")
    assert said("none") == "there is no folder none"
    assert (
        said("a")
        == "there are no exercises in a: give the folders that `start` has written, one for each learner, as in a/*"
    )
    assert said("a/ann", "b/ann").startswith("ann is there twice, as ")
    assert said("a/ann", "--out", "file/x").startswith("cannot read or write file")
    results = Path("out/results.json")
    results.write_text("{}", encoding="utf-8")
    assert "--resume goes on with it" in said("a/ann", "--out", "out")
    assert "damaged" in said("a/ann", "--out", "out", "--resume")
    results.write_text('{"seed": 1, "students": []}', encoding="utf-8")
    assert "damaged" in said("a/ann", "--out", "out", "--resume")
    names = [name for name in ladder() if road.step_of(name).kind != 9]
    sound = {"student": "x", "score": 0, "of": 0, "notes": [], "exercises": []}
    row = {key: kind() for key, kind in KEYS.items()}
    for entry in (
        {"student": "x"}, [], {**sound, "student": 3}, {**sound, "notes": [3]}, {**sound, "exercises": [{}]},
        {**sound, "exercises": [{**row, "tried": [3]}]}, {**sound, "exercises": [{**row, "label": None}]},
        {**sound, "notes": ["\udc80"]},
    ):  # fmt: skip
        results.write_text(json.dumps({"seed": 1, "exercises": names, "students": [entry]}), encoding="utf-8")
        assert "damaged" in said("a/ann", "--out", "out", "--resume"), entry
    for text in ("[" * 100_000, json.dumps({"seed": -1, "exercises": names, "students": []})):
        results.write_text(text, encoding="utf-8")
        assert "damaged" in said("a/ann", "--out", "out", "--resume")
    results.write_text('{"seed": 1, "students": [], "exercises": ["linear"]}', encoding="utf-8")
    assert "was begun with other exercises" in said("a/ann", "--out", "out", "--resume")
    results.write_text(json.dumps({"seed": 1, "students": [], "exercises": names}), encoding="utf-8")
    assert "was begun with --seed 1" in said("a/ann", "--out", "out", "--resume", "--seed", 2)
    name = os.fsdecode(b"M\xfcller")
    Path("a/ann").rename(name)
    assert said(name).startswith(r"the name of the folder 'M\udcfcller' is no text in UTF-8")
    Path(name).rename("a/ann")
    Path("a/ann").rename("ü" * 101)
    assert said("ü" * 101) == (
        f"the name of the folder {'ü' * 101} has 202 bytes, and it is the learner's name in the results: rename it, to "
        "at most 200"
    )
    Path("ü" * 101).rename("a/ann")
    monkeypatch.setattr(sandbox, "libraries", absent)
    assert said("a/ann").startswith("answers of others cannot be run safely here: this needs Landlock")


def test_of_two_places_with_exercises_the_one_is_graded_in_which_the_learner_worked(tmp_path):
    """And that is noted. The progress says where; without it the number of files does."""
    inner = tmp_path / "ann/exercises"
    inner.mkdir(parents=True)
    assert command(["start", "--folder", str(inner)]) == 0
    shutil.copy(file_of(inner, "linear"), inner.parent)
    place, note = gradebook.submissions([inner.parent])["ann"]
    assert place == inner and note == (
        "there are exercises in ann and in ann/exercises: those in ann/exercises were judged"
    )
    (inner / STATE).unlink()
    assert gradebook.submissions([inner.parent])["ann"] == (inner, note)
    shutil.copy(file_of(inner, "relu"), inner.parent)
    Progress("relu").save(inner.parent)
    place, note = gradebook.submissions([inner.parent])["ann"]
    assert place == inner.parent and note.endswith("those in ann were judged")
    shutil.rmtree(inner)
    assert gradebook.submissions([inner.parent])["ann"] == (inner.parent, "")


def test_a_note_on_a_place_is_the_first_in_the_record_and_on_the_page(room, tmp_path, monkeypatch):
    monkeypatch.setattr(gradebook, "ROOMS", [room])
    (tmp_path / STATE).write_text("spoilt", encoding="utf-8")
    entry, page = gradebook.work(tmp_path, "ann", (tmp_path, "a note"), ["linear"], 5)
    assert entry["notes"] == ["a note", "the record of progress is damaged"]
    assert "<br>a note<br>the record of progress is damaged" in page


def test_a_second_grading_into_one_folder_is_refused_and_the_first_leaves_no_lock(tmp_path, monkeypatch):
    """The second is begun while the first is at work."""
    monkeypatch.chdir(tmp_path)
    for name in ("ann", "ben"):
        Path(name).mkdir()
        file_of(Path(name), "linear").write_text("", encoding="utf-8")
    told = []

    def run(todo, results, out, workers):
        told.append(said("ben", "--out", "out"))
        return 0

    monkeypatch.setattr(gradebook, "run", run)
    assert command(["grade", "ann", "--out", "out"]) == 0
    assert told == ["another process is grading into out: wait until it has ended, or choose another --out"]
    assert {path.name for path in Path("out").iterdir()} == {"results.json", "results.csv"}


def absent():
    raise sandbox.AbsentError(sandbox.ABSENT.format("Landlock"))


KEYS = {
    "exercise": str, "part": str, "score": int, "right": int, "of": int, "attempts": int, "hints": int,
    "solution_seen": bool, "label": str, "why": str, "tried": list,
}  # fmt: skip


def descendants(pid: int) -> set[int]:
    found = set()
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        found |= {int(child)} | descendants(int(child))
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one whose end has not been asked for has ended all the same."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_class_is_gone_on_with(tmp_path, number):
    """The whole command: three learners, stopped after the first, then gone on with. Two exercises, to be fast."""
    (tmp_path / "two").mkdir()
    for name in ("linear", "relu"):
        shutil.copy(exercise.path_of(name), tmp_path / "two")
    for name in ("ann", "ben", "cy"):
        folder = tmp_path / "class" / name / "exercises"
        folder.mkdir(parents=True)
        file_of(folder, "linear").write_text(linear("while True: pass" if name == "ben" else RIGHT), encoding="utf-8")
        file_of(folder, "relu").write_text("import os\nos._exit(1)\n", encoding="utf-8")
        Progress("relu", {"linear"}, solution_seen={"relu"}, hints={"relu": 3}, tried={"linear": 4}).save(folder)
        (folder / STATE).rename(folder / ".progress-two.json")
    arguments = [
        sys.executable,
        "-m",
        "scratchnn.exercises",
        "grade",
        *sorted(map(str, (tmp_path / "class").iterdir())),
    ]
    arguments += ["--exercises", str(tmp_path / "two"), "--seed", "7", "--workers", "1", "--out", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    results = tmp_path / "out" / "results.json"
    end = time.monotonic() + 300
    while time.monotonic() < end and process.poll() is None:
        if results.exists() and json.loads(results.read_text(encoding="utf-8"))["students"]:
            break
        time.sleep(0.05)
    judges = descendants(process.pid)
    assert judges
    process.send_signal(number)
    told, errors = process.communicate()
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number and "are left: --resume goes on" in told, (told, errors)
    end = time.monotonic() + 60
    while left := [pid for pid in judges if alive(pid)]:
        assert time.monotonic() < end, left
        time.sleep(0.05)
    assert "ann" in [each["student"] for each in json.loads(results.read_text(encoding="utf-8"))["students"]]
    again = subprocess.run([*arguments, "--resume", "--json"], env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    said = json.loads(again.stdout)
    assert said == json.loads(results.read_text(encoding="utf-8")) and said["seed"] == 7
    assert [each["student"] for each in said["students"]] == ["ann", "ben", "cy"]
    assert [each["score"] for each in said["students"]] == [1, 0, 1]
    for student in said["students"]:
        assert student.keys() == {"student", "score", "of", "notes", "exercises"} and student["of"] == len(
            said["exercises"]
        )
        for each in student["exercises"]:
            assert {key: type(value) for key, value in each.items()} == KEYS
        marks = {each["exercise"]: each for each in student["exercises"]}
        assert (marks["linear"]["attempts"], marks["relu"]["hints"], marks["relu"]["solution_seen"]) == (5, 3, True)
        text = (tmp_path / "out" / f"{student['student']}.html").read_text(encoding="utf-8")
        assert f"<h1>{student['student']}: {student['score']} of" in text and "Python ended before" in text
    rows = [*csv.DictReader(io.StringIO((tmp_path / "out" / "results.csv").read_text(encoding="utf-8-sig")))]
    assert len(rows) == 3 * len(said["exercises"]) and sum(int(row["score"]) for row in rows) == 2
    assert {row["why"] for row in rows if row["student"] == "ben" and row["exercise"] == "linear"} == {
        "line 29 (in backward), `while True: pass`: it was stopped after 5 seconds: is there an endless loop?"
    }


# ---- exercises of one's own


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of a teacher's own exercises, the current directory beside it; afterwards those of the package again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(exercise.VARIABLE, "")
    parts, folder = dict(road.PARTS), tmp_path / "mine"
    folder.mkdir()
    text = exercise.path_of("linear").read_text(encoding="utf-8").replace('"""Linear: ', '"""Affine: ')
    (folder / "e07_affine.py").write_text(text, encoding="utf-8")
    (folder / "e08_wrong.py").write_text(exercise.path_of("bug").read_text(encoding="utf-8"), encoding="utf-8")
    yield folder
    road.follow(parts)
    exercise.LADDER = exercise.OWN
    exercise.reference.cache_clear()
    exercise.given_functions.cache_clear()


def test_exercises_of_ones_own_are_done_and_graded_as_others_are(own, capsys):
    mine = ["--exercises", "mine"]
    assert command(["start", *mine]) == 0
    assert {path.name for path in Path("exercises").iterdir()} == {"07_affine.py", "08_wrong.py", ".progress-mine.json"}
    file = Path("exercises/07_affine.py")
    assert file.read_text(encoding="utf-8").startswith('"""Affine: ') and "Read before" not in file.read_text(
        encoding="utf-8"
    )
    assert command(["notebooks", "written", *mine]) == 0
    notebook = json.loads(Path("written/1_mine.ipynb").read_text(encoding="utf-8"))
    setup = next("".join(cell["source"]) for cell in notebook["cells"] if cell["id"] == "setup")
    ended = subprocess.run(
        [sys.executable, "-c", f"{setup}\nprint(task('affine')._repr_html_())"], capture_output=True, text=True,
        env={**os.environ, exercise.VARIABLE: "", "PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    assert "Affine" in ended.stdout
    assert command(["check", "7", *mine]) == 1
    file.write_text(file.read_text(encoding="utf-8").replace("dx = dW = db = ...", RIGHT), encoding="utf-8")
    capsys.readouterr()
    assert command(["check", "affine", "--json", *mine]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert checked["passed"] and [array["name"] for array in checked["arrays"]] == ["dx", "dW", "db"]
    assert command(["status", "--json", *mine]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(each["exercise"], each["part"], each["done"]) for each in listed["exercises"]] == [
        ("affine", "mine", True), ("wrong", "mine", False)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as base:
        grade.furnish(Path(base))
        room = grade.Room(Path(base))
        graded = grade.graded(room, "me", Path("exercises"), ladder(), 3)
        stolen = file.read_text(encoding="utf-8").replace(RIGHT, f"exec(open({str(own / 'e07_affine.py')!r}).read())")
        file.write_text(stolen, encoding="utf-8")
        (mark,) = grade.graded(room, "me", Path("exercises"), ["affine"], 3).marks
        room.close()
    assert [mark.label for mark in graded.marks] == ["", "NOT-WRITTEN"] and graded.progress.done == {"affine"}
    assert not mark.verdict.passed and mark.tried[0] == "opening the solution e07_affine.py"


def test_two_exercises_of_one_name_are_one_sentence(own):
    (own / "e09_affine.py").write_text("", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"two exercises in .*mine have the name affine: each needs one of its own"):
        command(["status", "--exercises", "mine"])


def test_a_seed_below_0_is_refused_and_no_answer_blamed(capsys):
    with pytest.raises(SystemExit):
        command(["grade", "ann", "--seed", "-1"])
    assert "argument --seed: it must be a whole number from 0 on, not -1" in capsys.readouterr().err


def test_a_folder_without_exercises_is_one_sentence(own):
    Path("empty").mkdir()
    for given in ("empty", "nowhere", "json", "json.decoder", "nowhere.else", "./mine.d"):
        with pytest.raises(
            SystemExit, match=r"^error: there are no exercises in .*: their files are called e01_name.py"
        ):
            command(["--exercises", given])


OWN = '''"""Double a number."""


def double(x):
    # begin solution: y
    y = 2 * x
    # end solution
    return y


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Exercise

EXERCISE = Exercise(
    title="double", sizes=({}, {}), inputs=lambda s, rng: {"x": rng.normal(size=3)}, function="double",
    hints=("a", "b", "c"), derivation="y = x + x",
)
'''
AMISS = {
    "a syntax error": (OWN.replace("y = 2 * x", "y = 2 *"), "does not run: line 6, `y = 2 *`: SyntaxError: "),
    "an error": (f"{OWN}1 / 0\n", "does not run: line 19, `1 / 0`: ZeroDivisionError: division by zero"),
    "an exit": (f"{OWN}exit(3)\n", "does not run: line 19, `exit(3)`: SystemExit: 3"),
    "no EXERCISE": (OWN.replace("EXERCISE", "TASK"), "needs a line «# ==== below this line: for the checker ===="),
    "no line": (OWN.replace("# ==== below", "# below"), "needs a line «# ==== below this line: for the checker ===="),
    "another encoding": (OWN.replace("2 * x", "2 * x  # ü").encode("latin-1"), "is not in UTF-8: save it in that"),
    "no docstring": (OWN.partition("\n")[2], "needs a docstring at its head, which says the task"),
    "no colon": (OWN.replace("solution: y", "solution y"), "needs its solution between the lines «# begin solution"),
    "a second one without an end": (
        OWN.replace("    return", "    #end solution\n    return"), "needs its solution between the lines «# begin s"
    ),
    "no names": (OWN.replace("solution: y", "solution: the answer"), "gives learners a file that does not compile: "),
    "no function": (OWN.replace("def double", "def twice"), "gives learners no function double, which its EXERCISE"),
}  # fmt: skip


@pytest.mark.parametrize("what", AMISS)
def test_a_file_that_is_no_exercise_is_one_sentence_and_nothing_is_handed_out(own, what):
    text, wrong = AMISS[what]
    file = own / "e09_double.py"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SystemExit) as ended:
        command(["start", "--exercises", "mine"])
    assert str(ended.value).startswith(f"error: {file} {wrong}") and "\n" not in str(ended.value)
    assert not Path("exercises").exists()


def test_an_exercise_of_ones_own_may_begin_with_a_mark_and_a_docstring_of_one_line(own, capsys):
    (own / "e09_double.py").write_text(OWN, encoding="utf-8-sig")
    assert command(["start", "--exercises", "mine"]) == command(["handout", "double", "--exercises", "mine"]) == 0
    file = Path("exercises/09_double.py")
    text = file.read_text(encoding="utf-8")
    assert text.startswith('"""Double a number."""\n\n\ndef double(x):\n    y = ...  # your turn')
    assert "<p>Double a number.</p><pre>def double(x):" in Path("handouts/double.html").read_text(encoding="utf-8")
    shown = cells.task("double")
    assert (shown.text, shown.code.splitlines()[0]) == ("Double a number.", "def double(x):")
    file.write_text(text.replace("...", "2 * x"), encoding="utf-8")
    assert command(["check", "double", "--exercises", "mine"]) == 0


def test_where_exercises_of_ones_own_cannot_be_found_or_named_is_one_sentence(own, monkeypatch):
    monkeypatch.syspath_prepend(".")
    for name, code in (("broken", "1 / 0"), ("lacking", "import not_there")):
        Path(name).mkdir()
        Path(name, "__init__.py").write_text(code, encoding="utf-8")
    for given, wrong in {
        "": "--exercises is empty: give it a folder or a package of exercises, or leave it out",
        "broken.exercises": "broken.exercises cannot be imported (ZeroDivisionError: division by zero)",
        "lacking.exercises": "lacking.exercises cannot be imported (ModuleNotFoundError: No module named 'not_there')",
    }.items():
        with pytest.raises(SystemExit) as ended:
            command(["start", "--exercises", given])
        assert ended.value.code == f"error: {wrong}"
    (own / "e09_a[1].py").write_text(OWN, encoding="utf-8")
    with pytest.raises(SystemExit, match=r"has the name 'a\[1\]': use letters, digits, _ and - alone$"):
        command(["start", "--exercises", "mine"])
    ended = subprocess.run(
        [sys.executable, "-m", "scratchnn.exercises", "start"], capture_output=True, text=True,
        env={**os.environ, exercise.VARIABLE: "/nowhere", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ended.returncode == 1 and ended.stdout == ""
    assert ended.stderr.startswith("error: there are no exercises in /nowhere: their files are called e01_name.py")
    assert not Path("exercises").exists()


# ---- for programs, and on paper


def test_a_verdict_for_a_program_says_what_the_report_says(room, tmp_path):
    mark = marked(room, tmp_path, "linear", linear(SLIPS["a factor"]))
    said = commands.as_json(mark.verdict)
    assert said.keys() == {"passed", "written", "sentence", "line", "arrays", "findings", "printed"}
    assert [array["label"] for array in said["arrays"]] == ["", "SCALE:1/N", ""] and not said["passed"]
    assert json.loads(json.dumps(said)) == said


def test_a_handout_has_the_task_and_the_answers_only_if_wanted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command(["handout"]) == command(["handout", "linear", "--answers", "--out", "with"]) == 0
    assert command(["handout", "linear", "--out", "with"]) == 0
    assert "dW = x.T @ dy" not in Path("with/linear.html").read_text(encoding="utf-8")
    pages = sorted(Path("handouts").iterdir())
    texts = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert len(pages) == 5 and all(f"<h2>{name}</h2>" in texts for name in ladder())
    assert "dW = x.T @ dy" not in texts and "N = 5, D = 3, H = 7 and N = 11, D = 5, H = 3" in texts
    assert "<li>Which entries of y does b_j enter?</li>" in texts
    answered = Path("with/linear_with_answers.html").read_text(encoding="utf-8")
    assert "dW = x.T @ dy" in answered and "dW_ij = Σ_n x_ni dy_nj" in answered
    monkeypatch.setattr(handout, "BROWSERS", ())
    with pytest.raises(SystemExit, match=r"^error: a PDF is printed by Chromium or Chrome"):
        command(["handout", "--pdf"])


BROWSER = """\
#!/bin/sh
for each; do case "$each" in --print-to-pdf=*) echo "$@" > "${each#*=}";; esac; done
"""


def test_a_handout_is_printed_by_a_browser_or_one_sentence_says_why_not(tmp_path, monkeypatch):
    """By a program that prints what it was asked to print, and by one that prints nothing."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("prints", BROWSER), ("fails", "#!/bin/sh\necho some >&2; echo no display >&2; exit 1\n")):
        Path(name).write_text(text, encoding="utf-8")
        Path(name).chmod(0o755)
    monkeypatch.setattr(handout, "BROWSERS", (str(tmp_path / "prints"),))
    assert command(["handout", "linear", "--pdf"]) == 0
    asked = Path("handouts/linear.pdf").read_text(encoding="utf-8").split()
    assert asked[-1] == (tmp_path / "handouts/linear.html").as_uri() and "--headless" in asked
    monkeypatch.setattr(handout, "BROWSERS", (str(tmp_path / "fails"),))
    with pytest.raises(SystemExit, match=r"^error: fails did not print handouts.relu\.html: no display; open the page"):
        command(["handout", "relu", "--pdf"])
