"""The gradient check on one's own code: from the shell, in pytest, in a notebook."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import traceback
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import ROOT
from scripts import into_a_closed_pipe

from scratchnn.gradcheck import GradientError, check_function, check_layer
from scratchnn.gradcheck.notebook import excerpt
from scratchnn.scripts import check, command

MINE = """\
import numpy as np


def forward(x, W):
    assert x.ndim == 2, "rows"
    y = np.tanh(x @ W)
    print("forward runs")
    return y, (x, W, y)


def backward(dy, cache):
    x, W, y = cache
    assert dy.shape == y.shape, "shapes"
    print("backward runs")
    dz = dy * (1 - y**2)
    dW = x.T @ dz
    return dz @ W.T, dW


def pick(z, labels):
    return z[np.arange(len(z)), labels], (z, labels)


def pick_back(dy, cache):
    z, labels = cache
    dz = np.zeros_like(z)
    dz[np.arange(len(z)), labels] = dy
    return dz


def backward_ends(dy, cache):
    return dy @ dy


def leaves(dy, cache):
    raise SystemExit(3)


def backward_of_x(dy, cache):
    return cache[0]


class Scale:
    def __init__(self, a=2.0):
        self.a = a

    def forward(self, x):
        return self.a * x

    def backward(self, dy):
        return self.a * dy


class Mask:
    def forward(self, mask, h):
        return mask * h

    def backward(self, dy): ...


class Property:
    @property
    def forward(self):
        return 1 / 0


def masked(mask, h, *, scale=1.0):
    return scale * mask * h, scale * mask


def masked_back(dy, cache):
    return dy * cache


class Dense:
    def __init__(self, n_in, n_out, rng):
        self.W = rng.normal(size=(n_in, n_out))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dy):
        self.dW = self.x.T @ dy
        return dy @ self.W.T


def inputs():
    return {"x": np.ones((2, 3)) + np.eye(2, 3), "W": np.eye(3, 2) / 2, "z": np.eye(3, 4)}


constants = {"labels": np.array([0, 3, 1])}
few = {"z": np.eye(3, 4)}
"""
WRONG = MINE.replace("    dW = x.T @ dz", "    dW = x.T @ dy")
LINE = WRONG.split("\n").index("    dW = x.T @ dy") + 1


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys):
    """Runs scratchnn check in a folder with mine.py; its status, and what it said on both streams."""
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*arguments: str) -> tuple[int, str, str]:
        status = check.main(arguments)
        return status, *capsys.readouterr()

    return run


# ---- from the shell


@pytest.mark.parametrize(
    "arguments",
    [
        ["mine.py", "--inputs", "x=5x3", "W=3x4"],
        ["mine.py:forward,backward", "--inputs", "W=3x4", "x=rng.uniform(1, 2, (5, 3))"],  # in any order
        ["mine.py"],  # inputs() in the file
        ["mine.py::pick,pick_back"],  # and constants, of which it takes its own
        ["mine.py:pick,pick_back", "--inputs", "z=3x4", "--constants", "labels=[0, 3, 1]"],
        ["mine.py:pick,pick_back", "--inputs", "few", "--constants", "constants"],
        ["mine.py:masked,masked_back", "--inputs", "h=5x3", "--constants", "mask=2", "scale=3.0"],  # by keyword
        ["mine.py:Scale", "--inputs", "x=5x3"],
        ["mine.py:Scale(a=3.0)"],
        ["mine.py:Dense(3, 4, rng)", "--inputs", "x=5x3"],
    ],
)
def test_what_is_right_is_said_to_be_right(arguments, shell):
    status, out, err = shell(*arguments)
    assert status == 0 and "every gradient agrees with finite differences" in out and not err


def test_what_is_wrong_is_named_with_its_line_and_what_the_code_prints_is_shown_once(shell):
    status, out, err = shell("wrong.py", "--inputs", "x=5x3", "W=3x4")
    assert status == 1 and not err
    assert out.startswith("forward runs\nbackward runs\nbackward: 1 of 2 gradients wrong\n")
    assert out.count("runs") == 2
    assert f"line {LINE}, `dW = x.T @ dy`, is the first that is wrong" in out


def test_a_file_that_has_been_changed_is_read_again(shell, tmp_path):
    shell("wrong.py", "--inputs", "x=5x3", "W=3x4")
    (tmp_path / "wrong.py").write_text("\n\n" + WRONG, encoding="utf-8")
    assert f"line {LINE + 2}, `dW = x.T @ dy`, is" in shell("wrong.py", "--inputs", "x=5x3", "W=3x4")[1]


def test_the_seed_gives_the_numbers(shell):
    first, again, other = (
        shell("wrong.py", "--inputs", "x=5x3", "W=3x4", "--seed", seed)[1] for seed in ("1", "1", "2")
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("backward", "told"),
    [
        ("backward_ends", "mine.py, line 32 (in backward_ends), `return dy @ dy`: ValueError: matmul: "),
        ("leaves", "mine.py, line 36 (in leaves), `raise SystemExit(3)`: SystemExit: 3"),
        ("backward_of_x", "backward_of_x: backward returned one ndarray, expected a tuple of 2: dx, dW"),
    ],
)
def test_a_backward_that_cannot_run_or_breaks_the_contract_is_wrong(backward, told, shell):
    status, out, err = shell(f"mine.py:forward,{backward}", "--inputs", "x=5x3", "W=3x4")
    assert status == 1 and not err and out.startswith(f"forward runs\n{told}")


FORWARD = "forward(x, W)"
USAGE = [
    ("none.py", "cannot read none.py: No such file or directory"),
    ("sum", "expected FILE.py:forward,backward, got sum; exercises are checked by scratchnn exercises check"),
    ("mine.py:forwrad,backward", "mine.py has no forwrad; it has forward, backward, pick, pick_back, "),
    ("mine.py:forward", "forward is neither two functions, mine.py:forward,backward, nor a layer that has them"),
    ("mine.py:Dense", 'Dense is made with n_in, n_out, rng: write "mine.py:Dense(n_in, n_out, rng)" with values'),
    ("mine.py:Dense(3)", "Dense(3): TypeError: Dense.__init__() missing 2 required"),
    ("mine.py --inputs x=5x3", f"{FORWARD} needs W too: among --inputs, or among --constants"),
    ("mine.py --inputs x=5x3 V=3x4", "--inputs: forward takes no V; there is x, W to be given"),
    ("mine.py --inputs x=5x3 W=3x4 --constants b=4", "--constants: forward takes no b; there is nothing else to be"),
    ("mine.py --inputs x W", "--inputs: expected NAME=…, or the name of a dict or of a function that returns one"),
    ("mine.py --inputs x=5xb W=3x4", "--inputs x: 5xb: SyntaxError"),
    ("mine.py --inputs x=5x3 x=4x3 W=3x4", "--inputs: x is given twice"),
    ("mine.py:int --inputs x=3", "int: ValueError: no signature found for builtin type"),
    (
        "mine.py:pick,pick_back --inputs z=3x4 --constants labels=[[1,2],[3]]",
        "--constants labels: [[1,2],[3]]: setting",
    ),
    ("mine.py:Property --inputs x=3", "Property: mine.py, line 64 (in forward), `return 1 / 0`: ZeroDivisionError"),
    ("mine.py --inputs x=one W=3x4", "--inputs x: mine.py has no one; it has forward"),
    ("mine.py --inputs x='a' W=3x4", "--inputs x: 'a': could not convert string to float"),
    (
        "mine.py:Mask --inputs h=5x3 --constants mask=2",
        "the forward(mask, h) of a layer must take its inputs, h, first",
    ),
    ("mine.py --inputs x=5x3 W=4x4", "mine.py, line 6 (in forward), `y = np.tanh(x @ W)`: ValueError: matmul"),
    ("mine.py:Scale --inputs x=0x3", "Scale: the array behind dx has shape (0, 3): there is nothing to check"),
    ("bare.py", "what is forward(x, W) to be given? Say --inputs x=5x3 W=5x3, with your shapes, or write a function"),
    ("bad.py", "bad.py, line 3, `def backward(dy, cache:`: SyntaxError: '(' was never closed"),
    ("raises.py", "raises.py, line 1, `1 / 0`: ZeroDivisionError: division by zero"),
    ("exits.py", "exits.py, line 2, `sys.exit(3)`: SystemExit: 3"),
]


@pytest.mark.parametrize(("arguments", "told"), USAGE, ids=[arguments for arguments, _ in USAGE])
def test_what_cannot_be_checked_is_one_sentence(arguments, told, shell, tmp_path):
    (tmp_path / "bare.py").write_text(MINE.partition("def inputs")[0], encoding="utf-8")
    (tmp_path / "bad.py").write_text(
        "def forward(x):\n    return x, x\ndef backward(dy, cache:\n    return dy\n", encoding="utf-8"
    )
    (tmp_path / "raises.py").write_text("1 / 0\n", encoding="utf-8")
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(3)\n", encoding="utf-8")
    status, _, err = shell(*arguments.split())
    assert status == 2 and err.startswith(f"error: {told}") and "Traceback" not in err
    assert ("forward was given x (5, 3), W (4, 4)" in err) == ("W=4x4" in arguments)


def test_a_check_that_fails_itself_does_not_say_that_the_gradient_is_wrong(shell, monkeypatch):
    def fails(*_, **__):
        raise LookupError("no such page")

    monkeypatch.setattr(check, "check_function", fails)
    status, _, err = shell("mine.py")
    assert status == 2 and err == "error: it could not be checked: LookupError: no such page\n"


@pytest.mark.parametrize("factor, status", [(2, 0), (3, 1)])
def test_the_report_need_not_be_read(factor, status, tmp_path):
    """As in `scratchnn check … | true`: the status is that of the check."""
    target = tmp_path / "quiet.py"
    text = f"def forward(x):\n    return 2 * x, 0\n\n\ndef backward(dy, cache):\n    return {factor} * dy\n"
    target.write_text(text, encoding="utf-8")
    code = "import sys\nfrom scratchnn.scripts import check\nsys.exit(check.main(sys.argv[1:]))"
    done = into_a_closed_pipe("-c", code, str(target), "--inputs", "x=5x3")
    assert (done.returncode, done.stderr) == (status, "")


def test_the_examples_of_the_help_are_what_it_takes(capsys):
    with pytest.raises(SystemExit):
        check.main(["--help"])
    examples = capsys.readouterr().out.partition("examples:\n")[2].splitlines()
    for line in examples:
        words = re.findall(r'"[^"]*"|\S+', line.partition("   with ")[0])
        args = check.options([word.strip('"') for word in words[2:]], "scratchnn check")
        assert args.target.startswith("mine.py")
    assert len(examples) == 5


def test_the_documentation_shows_what_comes_out(shell, tmp_path):
    """But for the last digits, which are the matrix library's."""
    text = (ROOT / "docs/diagnosis.md").read_text(encoding="utf-8")
    (tmp_path / "mine.py").write_text(
        re.search(r"```python\n(import numpy.*?)```", text, re.DOTALL)[1], encoding="utf-8"
    )
    command, *documented = re.search(r"```\n\$ scratchnn check (.*?)```", text, re.DOTALL)[1].splitlines()
    status, out, _ = shell(*command.split())
    lines = re.sub(r"error [\d.e+-]+", "error …", out).splitlines()
    assert status == 1 and len(lines) == len(documented)
    for line, shown in zip(lines, documented, strict=True):
        assert line.startswith(re.sub(r"error [\d.e+-]+", "error …", shown).removesuffix(" …"))
    with pytest.raises(GradientError) as caught:
        check.checked(check.options(command.split(), ""))
    assert "\n".join(caught.value.args[0].source) in text


def test_it_is_a_command(shell):
    assert command.main(["check", "none.py"]) == 2


# ---- in pytest and in plain Python


def test_a_failing_test_shows_the_report_alone_and_names_the_line(tmp_path):
    """Although pytest has put other code in the place of the assert statements."""
    text = WRONG + "\n\ndef test_it():\n    check_function(forward, backward, {'x': np.eye(2, 3), 'W': np.eye(3, 2)})\n"
    (tmp_path / "test_mine.py").write_text("from scratchnn.gradcheck import check_function\n" + text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_mine.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert ">       check_function(forward, backward, {" in done.stdout
    assert re.search(r"^E +\S*GradientError: backward: 1 of 2 gradients wrong$", done.stdout, re.MULTILINE)
    assert f"line {LINE + 1}, `dW = x.T @ dy`, is the first that is wrong" in done.stdout
    assert "check_problem" not in done.stdout and "problem.py" not in done.stdout


def wrong_function() -> GradientError:
    with pytest.raises(GradientError) as caught:
        check_function(lambda x: (x**2, x), lambda dy, x: dy * x, [np.array([[1.0, 2.0], [3.0, 5.0]])])
    return caught.value


def test_an_error_has_no_frames_of_the_check():
    frames = traceback.extract_tb(wrong_function().__traceback__)
    assert [frame.name for frame in frames] == ["wrong_function", "checked"]


def test_an_error_of_backward_itself_keeps_its_frames():
    def backward(dy, x):
        return (dy * x).reshape(2, 2) * 2  # a size as a number

    with pytest.raises(GradientError, match="is a size written as a number") as caught:
        check_function(lambda x: (x**2, x), backward, [np.array([[1.0, 2.0], [3.0, 5.0]])])
    assert isinstance(caught.value.__cause__, ValueError)
    assert traceback.extract_tb(caught.value.__cause__.__traceback__)[-1].name == "backward"


def test_an_error_can_be_sent_to_another_process():
    error = wrong_function()
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


# ---- in a notebook


CELLS = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

def run(cell):
    with capture_output() as captured:
        result = shell.run_cell(cell, store_history=True)
    shown = [output.data for output in captured.outputs]
    if result.result is not None:
        shown.append(shell.display_formatter.format(result.result)[0])
    said.append([captured.stdout, [data["text/html"] for data in shown]])

said = []
shell = InteractiveShell.instance()
shell.run_cell("from __future__ import annotations")
shell.run_cell("import numpy as np; from scratchnn.gradcheck import check_function")
source = sys.stdin.read().replace("import numpy as np", "")
forward, backward = source.partition("def backward")[::2]
run("%config InteractiveShell.xmode" + forward)
run("def backward" + backward)
call = "check_function(forward, backward, {'x': np.eye(2, 3), 'W': np.eye(3, 2)})"
run(call)
shell.kernel = None  # as a notebook has it
run(call)
run("def backward" + backward.replace("x.T @ dy", "x.T @ dz"))
run(call)
print(json.dumps(said[2:4] + said[5:]))
"""


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Three times a call in IPython: in a terminal, in a notebook, and there of what is right; text and pages."""
    folder = tmp_path_factory.mktemp("ipython")
    source = re.sub(r"    print\(.*\n", "", WRONG.partition("def pick")[0])
    done = subprocess.run(
        [sys.executable, "-c", CELLS], input=source, cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_cell_that_fails_shows_the_report_in_place_of_a_traceback(cells):
    said, pages = cells[0]
    assert said.startswith("GradientError: backward: 1 of 2 gradients wrong\n") and "Traceback" not in said
    assert "line 5, `dW = x.T @ dy`, is the first that is wrong" in said  # of its cell
    assert not pages


def test_a_notebook_shows_the_page_and_one_line(cells):
    said, pages = cells[1]
    assert said.strip() == "GradientError: backward: 1 of 2 gradients wrong"
    assert len(pages) == 1
    assert re.search(r'<span style="font-weight: bold[^>]*>&gt; +5  dW = x.T @ dy</span>', pages[0])


def test_a_notebook_shows_what_is_right_as_a_page_too(cells):
    (page,) = cells[2][1]
    assert (
        "every gradient agrees with finite differences: dx, dW" in page and "WRONG" not in page and "<pre" not in page
    )


class Texts(HTMLParser):
    """The rows of the tables, and whether every tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "tr" in self.open:
            self.rows[-1][-1] += data


def test_the_page_says_what_the_text_says():
    report = wrong_function().args[0]
    page = Texts(report._repr_html_())
    assert not page.open
    head, row = page.rows
    assert head[:4] == ["gradient", "shape", "verdict", "largest error"]
    assert row[:3] == ["dx", "(2, 2)", "WRONG"] and row[4].startswith("4 of 4 entries wrong, worst at [")
    assert all(text.strip() in str(report) for text in row)
    assert "exactly 0.5 times" in str(report) and "exactly 0.5 times" in report._repr_html_()
    assert repr(report) == str(report)


class Hidden:
    """A layer with a number that moves its output and has no gradient."""

    def __init__(self):
        self.W, self.scale = np.eye(2), np.full(2, 3.0)

    def forward(self, x):
        self.x = x
        return x @ self.W * self.scale

    def backward(self, dy):
        self.dW = self.x.T @ (dy * self.scale)
        return (dy * self.scale) @ self.W.T

    def __repr__(self):
        return "Hidden<b>&"


def test_names_are_escaped_and_what_is_not_checked_is_said():
    page = check_layer(Hidden(), np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 7.0]]))._repr_html_()
    assert "Hidden&lt;b&gt;&amp;: every gradient" in page and not Texts(page).open
    assert "scale: moving it changes the output, and no gradient was found for it" in page


def test_an_excerpt_marks_its_lines_and_leaves_out_what_is_far(tmp_path):
    file = tmp_path / "f.py"
    file.write_text(
        "def f():\n" + "".join(f"    line{k}\n" for k in range(2, 19)) + "\n\ndef g(): ...\n", encoding="utf-8"
    )
    shown = excerpt(str(file), [2, 17])
    assert [row.split()[-1] for row in shown if row.startswith(">")] == ["line2", "line17"]
    assert [row.split()[0] for row in shown if row[0] != ">"] == ["1", "3", "4", "5", "…", "14", "15", "16", "18"]
    assert shown[0] == "     1  def f():" and shown[1] == ">    2      line2"
    assert excerpt(str(tmp_path / "none.py"), [3]) == []


def test_a_layer_that_takes_any_arguments_is_made_with_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = "class Twice:\n    def __init__(self, *args, **kwargs):\n        pass\n"
    text += "    def forward(self, x):\n        return 2 * x\n\n    def backward(self, dy):\n        return 2 * dy\n"
    (tmp_path / "own.py").write_text(text, encoding="utf-8")
    assert command.main(["check", "own.py:Twice", "--inputs", "x=5x3"]) == 0
