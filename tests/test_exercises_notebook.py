"""The exercises in notebooks: the tasks shown, the cells checked, and the notebooks that the command writes.

Cells are executed here in one process and without a kernel, which takes a second or more to start: compiled from source
that `linecache` knows, one after another in one namespace; the value of a last expression is what a cell shows. That is
what IPython does with plain Python. With SCRATCHNN_LONG=1 a kernel executes the same notebooks.
"""

from __future__ import annotations

import ast
import builtins
import json
import linecache
import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from conftest import LONG

from scratchnn.exercises import cells, task
from scratchnn.exercises.__main__ import main
from scratchnn.exercises.exercise import ladder, reference, upper
from scratchnn.exercises.road import PARTS
from scratchnn.exercises.yours import yours

SLOW = {} if LONG else {"train_vae"}  # its training takes as long as all the others together


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a notebook of every part, as a kernel has it: as its working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builtins, "input", lambda *asked: pytest.fail("a question waits for standard input"))
    assert main(["notebooks", "."]) == 0
    cells.task.cache_clear()
    return tmp_path


def notebooks(folder: Path) -> dict[str, Any]:
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.ipynb"))}


def execute(sources: list[str], name: str = "") -> list[Any]:
    """What each cell shows."""
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    for number, source in enumerate(sources, 1):
        file = f"<cell {number} of {name}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        body = ast.parse(source, file).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), file, "exec"), names)
        shown.append(eval(compile(ast.Expression(last.value), file, "eval"), names) if last else None)
    return shown


def code_of(notebook: Any) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def checked(name: str, right: str, wrong: str) -> cells.Outcome:
    """What the cell of an exercise shows with its solution, of which one piece is replaced."""
    assert right in upper(name)
    code = upper(name).replace(right, wrong).partition('\n"""\n')[2]
    function = reference(name).EXERCISE.function
    return execute(["from scratchnn.exercises import task", f'{code}\n\ntask("{name}").check({function})'], name)[-1]


def solve(folder: Path) -> None:
    """Puts the solutions into the cells, and saves the notebooks."""
    for file, notebook in notebooks(folder).items():
        for cell in notebook["cells"]:
            if name := cell["metadata"].get("exercise"):
                own = getattr(reference(name), "mended_file", None)
                whole = own(reference(name).day()) if own else upper(name)
                check = "".join(cell["source"]).splitlines()[-1]
                cell["source"] = [whole.partition('\n"""\n')[2] + "\n\n" + check]
        (folder / file).write_text(json.dumps(notebook), encoding="utf-8")


# ---- the notebooks


def test_a_notebook_of_every_part_has_all_its_exercises_and_is_never_written_over(folder, capsys):
    found = notebooks(folder)
    assert list(found) == [
        "1_one_number_changes.ipynb", "2_layers.ipynb", "3_learning.ipynb", "4_the_bound.ipynb",
        "5_images_and_sequences.ipynb",
    ]  # fmt: skip
    for (part, steps), notebook in zip(PARTS.items(), found.values(), strict=True):
        names = [cell["metadata"]["exercise"] for cell in notebook["cells"] if cell["metadata"]]
        assert names == [step.name for step in steps] and f"# {part}\n" in notebook["cells"][0]["source"]
        ids = [cell["id"] for cell in notebook["cells"]]
        assert len(ids) == len(set(ids)) and all(re.fullmatch(r"[\w-]{1,64}", each) for each in ids)
        assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    (folder / "2_layers.ipynb").write_text("mine", encoding="utf-8")
    main(["notebooks", "."])
    assert (folder / "2_layers.ipynb").read_text(
        encoding="utf-8"
    ) == "mine" and "kept as they were: 1_one" in capsys.readouterr().out


def test_cells_that_are_not_written_say_so_and_raise_nothing(folder):
    for file, notebook in notebooks(folder).items():
        _, *shown = execute(code_of(notebook), file)
        assert len(shown) == len(PARTS[list(PARTS)[int(file[0]) - 1]])
        for outcome in shown:
            if getattr(reference(outcome.name), "PIECES", ()):
                assert "look at the exercise" in str(outcome) and "is not written yet" in str(outcome)
            else:
                assert not outcome.verdict.written
                assert re.fullmatch(rf"{outcome.name}: \w+ is not written yet: replace the dots \(...\)", str(outcome))
            assert not outcome.passed and "<strong>" in outcome._repr_html_()


def test_with_the_solutions_in_the_cells_everything_passes(folder, capsys):
    solve(folder)
    names = []
    for file, notebook in notebooks(folder).items():
        sources = [source for source in code_of(notebook) if not any(f'task("{name}")' in source for name in SLOW)]
        for outcome in execute(sources, file)[1:]:
            assert outcome.passed, str(outcome)
            assert "The derivation:" in str(outcome) and "<pre>" in outcome._repr_html_()
            names.append(outcome.name)
            if outcome.certificate:
                assert '<img alt="' in outcome._repr_html_() and (folder / "37_train_digits.html").exists()
    assert names == [name for name in ladder() if name not in SLOW]
    assert "step   800" in capsys.readouterr().out


@pytest.mark.skipif(not LONG, reason="kernels take long to start: SCRATCHNN_LONG=1")
def test_a_kernel_executes_them_too(folder):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    for solved in (False, True):
        if solved:
            solve(folder)
        for file in notebooks(folder):
            notebook = nbformat.read(folder / file, as_version=4)
            nbformat.validate(notebook)
            nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
            for cell in notebook.cells:
                if name := cell.metadata.get("exercise"):
                    (shown,) = [output.data for output in cell.outputs if output.output_type == "execute_result"]
                    assert (f"{name}: right" in shown["text/plain"]) == solved, shown["text/plain"]
                    assert f"<strong>{name}: " in shown["text/html"]


def test_a_capstone_finds_its_pieces_in_the_notebooks_or_says_that_there_are_none(folder):
    solve(folder)
    linear, adam = yours("3_learning.ipynb", "linear", "adam")
    assert linear.backward.__name__ == "backward" and adam.LR == reference("adam").LR
    shutil.copy(folder / "2_layers.ipynb", folder / "2_layers-Copy1.ipynb")  # which comes before it in the alphabet
    solve(folder)
    copy = json.loads((folder / "2_layers-Copy1.ipynb").read_text(encoding="utf-8"))
    for cell in copy["cells"]:
        cell["source"] = ["raise ValueError('an old copy')"] if cell["metadata"].get("exercise") else cell["source"]
    (folder / "2_layers-Copy1.ipynb").write_text(json.dumps(copy), encoding="utf-8")
    (folder / "0_broken.ipynb").write_text("{", encoding="utf-8")
    assert yours("3_learning.ipynb", "linear")[0].backward
    (folder / "2_layers-Copy1.ipynb").unlink()
    (folder / "2_layers.ipynb").unlink()
    with pytest.raises(FileNotFoundError, match="no notebook here with the exercise linear"):
        yours("3_learning.ipynb", "linear")


# ---- what a check shows


def test_a_wrong_answer_has_its_line_and_its_reason_as_text_and_as_a_page():
    outcome = checked("linear", "x.T @ dy", "x.T @ dy / len(x)")
    assert not outcome.passed and str(outcome).startswith("linear: 1 of 3 wrong\n")
    html = outcome._repr_html_()
    for shown in (str(outcome), html):
        assert "WRONG" in shown and "dW is exactly 0.2 times the right gradient" in shown and "derivation:" not in shown
    (marked,) = re.findall(r'<span style="[^"]*">(.*?)</span>', html)
    assert marked.startswith("&gt;") and marked.endswith("dW = x.T @ dy / len(x)")
    assert f"line {marked.split()[1]}, <code>dW = x.T @ dy / len(x)</code>" in html


def test_an_answer_of_another_kind_shows_what_it_was_tried_on():
    outcome = checked("modes_counted", "100 * (50 * 20 + 20 * 1)", "100 * (100 * 50 + 50 * 20 + 20 * 1)")
    assert "WRONG  by_slopes" in str(outcome) and "which is not needed" in str(outcome)
    assert "<strong>WRONG</strong>" in outcome._repr_html_()
    outcome = checked("iwae", "np.mean(w, axis=1)", "np.sum(w, axis=1)")
    assert "right" in str(outcome).splitlines()[1] and "numeric" not in str(outcome)


@pytest.mark.parametrize(
    "right, wrong, told",
    [
        ("x.T @ dy", "x.T @ dyy", "linear: line {}, `dW = x.T @ dyy`: NameError: name 'dyy' is not defined"),
        ("dy @ W.T", "dy @ W", "`dy @ W`, does not fit: dy has shape (5, 7), W has shape (3, 7)"),
        ("y = x @ W + b", "y = x @ W", "linear: forward was changed: it no longer returns what it was given to return"),
        ("return dx, dW, db", "return dx, dW", "linear: backward returned 2 values, expected a tuple of 3: dx, dW, db"),
    ],
)
def test_what_goes_wrong_is_one_sentence(right, wrong, told):
    outcome = checked("linear", right, wrong)
    assert "\n" not in str(outcome) and "reset" not in str(outcome)
    assert re.sub(r"line \d+( \(in backward\))?", "line {}", str(outcome)).find(told) >= 0, str(outcome)


@pytest.mark.parametrize(
    "name, right, wrong, told",
    [
        ("slope", "3 * x**2", "3 * x^2", "^ is no power in Python"),
        ("sum", "dy[:, None] * np.ones_like(x)", "dy", "was something summed that should not be, or is a [:, None]"),
        ("bias", "axis=0)", "axis=0, keepdims=True)", "It has an axis of length 1 too many"),
        ("broadcast", "axis=1, keepdims=True)", "axis=1)", "An axis of length 1 is missing: in a sum, keepdims=True"),
        ("broadcast", "np.sum(dy * x, axis=1, keepdims=True)", "dy * x", "Where forward repeats along an axis of"),
        ("iwae", "largest[:, 0] + np", "largest + np", "bound the shape (5, 5), it must be (5,). A column and a row"),
        ("iwae", "axis=1, keepdims=True)\n", "axis=1)\n", "log_w has shape (5, 7), largest has shape (5,)"),
        ("gaussian", "dlog_prob = dlog_prob[:, None]", "pass", "`dlog_prob[:, None] * (x - mean)` would fit"),
        (
            "chain",
            "dy * (1 - s) - dy * s",
            "dy * (1 + s)",
            "«through the second s» counts −2 times, and everything else",
        ),
        ("reparameterise", "eps * 0.5 * np.exp(0.5 * log_var)", "eps", "dlog_var is 2/σ times the right gradient"),
        ("elbo_identity", "((x - mean) ** 2 + v)", "(x - mean) ** 2", "reconstruction is wrong, too: mend that first"),
        ("checker", "dx.shape == x.shape and ", "dx[3, 2] < 9 and ", "(with: one row in the place of four, wrong)"),
        ("checker", "np.abs(dx - numeric)", "dx - numeric", "too small by a thousandth"),
    ],
)
def test_what_learners_stumble_over_is_told_in_their_words(name, right, wrong, told):
    outcome = checked(name, right.replace("\\n", "\n"), wrong.replace("\\n", "\n"))
    assert not outcome.passed and told in str(outcome), str(outcome)


def test_a_function_does_not_change_what_the_judge_has():
    """In a file it cannot: there it gets copies."""
    code = (
        'def is_right(forward, backward, x):\n    x[:] = 0\n    return forward(x)[0].sum() == 0\n\n\ntask("checker")'
        ".check(is_right)"
    )
    first, second = (execute(["from scratchnn.exercises import task", code])[-1] for _ in range(2))
    assert not first.passed and str(first) == str(second)


def test_hints_come_one_more_at_a_time_and_the_solution_asks_nothing(folder, capsys):
    checked("linear", "x.T @ dy", "x.T @ dy / len(x)")
    for count in (1, 2, 3, 4, 5, 5):
        task("linear").hint()
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == count and lines[0].startswith("linear, hint 1 of 5: right already: dx, db.")
    task("linear").solution()
    assert "dW = x.T @ dy" in capsys.readouterr().out


# ---- the task


@pytest.mark.parametrize("name", ladder())
def test_a_task_is_shown_as_text_and_as_html(name):
    shown = task(name)
    html = shown._repr_html_()
    tree = ElementTree.fromstring(f"<div>{html}</div>")  # every element is closed
    assert "\n\n" not in html, "an empty line would end the HTML in a cell of Markdown"
    words, plain = " ".join("".join(tree.itertext()).split()), " ".join(repr(shown).replace("  - ", " ").split())
    assert words.replace(" ", "") == plain.replace(" ", "").replace("`", "")
    assert "Read before:" in plain and repr(shown).startswith(f"{shown.title}\n")


def test_the_shapes_of_a_task_are_those_of_its_check():
    assert "takes, among others: x (5, 3), W (3, 7), b (7,). Return: dx, dW, db." in repr(task("linear"))


def test_lists_and_displays_are_told_from_text():
    html = cells.paragraphs(
        "A word,\nand `code`:\n\n    y = x < 2\n\nGo on:\n  - one,\n    which goes on\n  - two\nEnd."
    )
    assert html.split("\n") == [
        "<p>A word, and <code>code</code>:</p>", "<pre>y = x &lt; 2</pre>", "<p>Go on:</p>",
        "<ul><li>one, which goes on</li><li>two</li></ul>", "<p>End.</p>",
    ]  # fmt: skip


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="there is no exercise 'liner'; there are: slope, chain, "):
        task("liner")
