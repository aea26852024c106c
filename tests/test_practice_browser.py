"""The exercises in Chromium, as a learner does them: write, check, read why, come back another day; nothing leaves.

It needs `python -m website --short`, playwright and Chromium. The interpreter is that of the npm package pyodide, which
has no NumPy: a stand-in of NumPy's name and one of the library's, whose judge knows a few answers, are put beside it.
The real judge is tried where a whole distribution lies in build/website/pyodide.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import ROOT

from scratchnn.exercises.exercise import stub, upper

sys.path.insert(0, str(ROOT))
from website.places import BUILD, NPM, PYODIDE

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: python -m pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HTML = BUILD / "html"
INTERPRETER = NPM / "node_modules/pyodide"
AXE = NPM / "node_modules/axe-core/axe.min.js"
if not CHROMIUM:
    pytest.skip("needs Chromium", allow_module_level=True)
if not (HTML / "practice.html").is_file():
    pytest.skip("no site is built: python -m website --short", allow_module_level=True)

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SOURCE, STATUS, REPORT = "#practice-source", "#practice-status", "#practice-report"
SERIOUS = ("serious", "critical")
LOADING = 600_000  # milliseconds, of a busy machine
STAND_IN = '''
"""Of the library what the page calls; it knows an answer by what stands in it."""
import os

def own_stubs():
    return {"daily_bug": "# the bug of today\\nline = ...\\n"}

def check(name, sources, folder):
    source = sources.get(name, "line = ...")
    if "while True" in source:
        while True:
            pass
    if "os._exit" in source:
        os._exit(3)
    written, passed = "= ..." not in source, "dW = x.T @ dy\\n" in source
    labels = ["SCALE:1/N"] if written and not passed else []
    head = ("right", f"{name}: right") if passed else ("wrong", f"{name}: dW wrong")
    table = [["", "shape", ""], ["dW", "(3, 7)", "ok" if passed else "WRONG"]]
    parts = [head, ("table", table), ("fact", "line 28, <b>`dW`</b>, is wrong.")]
    parts = parts if written else [("unwritten", "dots")]
    return {"passed": passed, "written": written, "labels": labels, "parts": parts, "certificate": ""}
'''


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def served(folder: Path) -> tuple[ThreadingHTTPServer, str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}/"


def with_links(folder: Path) -> Path:
    """The site's folder again, to put something else beside the page."""
    for path in HTML.iterdir():
        if path.name not in ("pyodide", "practice"):
            (folder / path.name).symlink_to(path)
    return folder


def wheel(path: Path, files: dict[str, str]) -> str:
    """Writes an archive as a wheel is one; its hash."""
    name = path.name.partition("-")[0].removesuffix(".whl")
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{name}-0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n")
        archive.writestr(f"{name}-0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{name}-0.dist-info/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory) -> Iterator[str]:
    """The address of a site with the interpreter, and with stand-ins of NumPy and of the library."""
    if not (INTERPRETER / "pyodide.mjs").is_file():
        pytest.skip("the npm package pyodide is not installed: python -m website")
    folder = with_links(tmp_path_factory.mktemp("site"))
    (folder / "pyodide").mkdir()
    for path in INTERPRETER.iterdir():
        if path.name != "pyodide-lock.json":
            (folder / "pyodide" / path.name).symlink_to(path)
    lock = json.loads((INTERPRETER / "pyodide-lock.json").read_text(encoding="utf-8"))
    file = "numpy-0-py3-none-any.whl"
    lock["packages"]["numpy"] |= {"file_name": file, "version": "0", "depends": []}
    lock["packages"]["numpy"]["sha256"] = wheel(folder / "pyodide" / file, {"numpy/__init__.py": ""})
    (folder / "pyodide/pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")
    (folder / "practice").mkdir()
    judge = {f"scratchnn/{name}.py": "" for name in ("__init__", "exercises/__init__")}
    wheel(folder / "practice/scratchnn.whl", {**judge, "scratchnn/exercises/here.py": STAND_IN})
    server, address = served(folder)
    yield address
    server.shutdown()


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Iterator[str]:
    """The address of a site without Python."""
    server, address = served(with_links(tmp_path_factory.mktemp("bare")))
    yield address
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@dataclass
class Learner:
    """A page with what its console said and where its requests went."""

    page: sync_api.Page
    address: str
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(LOADING)
        self.page.on("console", lambda message: message.type == "error" and self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.context.on("request", lambda request: self.requests.append(request.url))

    def open(self, name: str = "") -> sync_api.Page:
        self.page.goto(f"{self.address}practice.html" + (f"?{name}" if name else ""))
        return self.page

    def write(self, text: str) -> None:
        self.page.fill(SOURCE, text)

    def check(self, expected: str) -> str:
        """Checks, and waits for this status; the report."""
        self.page.click("#practice-check")
        self.wait(expected)
        return self.page.inner_text(REPORT)

    def wait(self, expected: str) -> None:
        sync_api.expect(self.page.locator(STATUS)).to_contain_text(expected, timeout=LOADING)

    def is_quiet(self) -> bool:
        outside = [url for url in self.requests if not url.startswith((self.address, "data:", "blob:"))]
        assert outside == [] and self.said == []
        return True


@pytest.fixture
def learner(browser, stand_in) -> Iterator[Learner]:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    yield Learner(context.new_page(), stand_in)
    context.close()


@pytest.fixture
def writer(browser, bare) -> Iterator[Learner]:
    """A learner whose page has no Python."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    yield Learner(context.new_page(), bare)
    context.close()


def seen_as(page: sync_api.Page, theme: str, width: int) -> list[str]:
    """The serious problems of accessibility of the page as it is, and whether it is too wide."""
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    page.add_script_tag(path=AXE)
    result = page.evaluate("axe.run(document, { resultTypes: ['violations'], preload: false })")
    problems = [f"{p['id']}: {p['nodes'][0]['html'][:200]}" for p in result["violations"]]
    serious = [text for text, p in zip(problems, result["violations"], strict=True) if p["impact"] in SERIOUS]
    return serious + ["too wide"] * (page.evaluate("document.documentElement.scrollWidth") > width)


RIGHT = upper("linear")
WRONG = RIGHT.replace("dW = x.T @ dy", "dW = x.T @ dy / len(x)")


def test_a_wrong_answer_gets_its_label_a_right_one_is_kept_and_nothing_leaves(learner):
    page = learner.open("linear")
    page.wait_for_selector("#practice-task #hints")
    assert page.input_value(SOURCE) == stub("linear") and page.inner_text("#practice-file") == "03_linear.py"
    assert "dots" in learner.check("linear is not written yet")
    learner.write(WRONG)
    told = learner.check("linear is not right yet")
    assert "linear: dW wrong" in told and "SCALE:1/N" in told and "line 28, <b>dW</b>, is wrong" in told
    if AXE.is_file():
        assert [seen_as(page, *kind) for kind in (("dark", 390), ("light", 390), ("light", 1400))] == [[], [], []]
    page.get_by_role("button", name="Go to line 28").click()
    chosen = "e => document.activeElement === e && e.value.slice(e.selectionStart, e.selectionEnd)"
    assert page.eval_on_selector(SOURCE, chosen) == WRONG.splitlines()[27]
    learner.write(RIGHT)
    assert "linear: right" in learner.check("linear is right")
    assert page.inner_text("#practice-count") == "1 of 52 done"
    page.get_by_role("button", name="Compare with").click()
    assert page.evaluate("document.activeElement.parentElement.open")
    page.select_option("#practice-choice", "daily_bug")  # which Python writes
    sync_api.expect(page.locator(SOURCE)).to_have_value("# the bug of today\nline = ...\n", timeout=LOADING)
    assert page.is_enabled(SOURCE)
    page.select_option("#practice-choice", "linear")
    page = learner.open()  # another day
    assert page.input_value(SOURCE) == RIGHT and page.inner_text("#practice-count") == "1 of 52 done"
    assert page.input_value("#practice-choice") == "linear"
    assert learner.is_quiet() and any(url.endswith("pyodide.asm.wasm") for url in learner.requests)


def test_what_does_not_end_is_ended_and_python_started_again(learner):
    page = learner.open("linear")
    learner.write("while True:\n    pass\n")
    page.click("#practice-check")
    page.click("#practice-stop")
    learner.wait("Python was started again")
    assert "The check was stopped" in page.inner_text(REPORT) and page.input_value(SOURCE).startswith("while True")
    learner.write("import os\nos._exit(3)\n")
    assert "Python ended before there was a verdict" in learner.check("Python was started again")
    page.clock.install()  # a minute is over at once
    learner.write("while True:\n    pass\n")
    page.click("#practice-check")
    learner.wait("Checking")
    page.clock.run_for(61_000)
    sync_api.expect(page.locator(REPORT)).to_contain_text("ended after 60 seconds: is there an endless loop?")
    assert learner.is_quiet()


def test_the_keys_of_the_editor(writer):
    page = writer.open("slope")
    writer.write("def f():")
    page.keyboard.press("Enter")
    page.keyboard.type("x = 1")
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("y = 2")
    assert page.input_value(SOURCE) == "def f():\n    x = 1\ny = 2"
    page.keyboard.press("Tab")
    assert page.input_value(SOURCE).endswith("\ny = 2   ")
    page.keyboard.press("Control+a")
    page.keyboard.press("Tab")
    assert page.input_value(SOURCE) == "    def f():\n        x = 1\n    y = 2   "
    page.keyboard.press("Shift+Tab")
    assert page.input_value(SOURCE) == "def f():\n    x = 1\ny = 2   "
    page.keyboard.press("Control+z")
    assert page.input_value(SOURCE).startswith("    def")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "practice-check"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Control+Enter")
    writer.wait("There is no Python")


def test_reset_asks_and_brings_back_the_file(writer):
    page = writer.open("linear")
    writer.write("x")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.click("#practice-reset")
    assert page.input_value(SOURCE) == "x"
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#practice-reset")
    assert page.input_value(SOURCE) == stub("linear")


def test_without_python_one_sentence_says_what_to_put_where(browser, writer):
    page = writer.open("linear")
    assert writer.is_quiet()  # as long as nothing is written or checked
    page.click("#practice-check")
    writer.wait("There is no Python beside this page: put the files of a Pyodide distribution, NumPy among them, into")
    writer.wait(f"the folder {writer.address}pyodide/")
    with_file = Learner(browser.new_page(), HTML.as_uri() + "/")
    with_file.open("linear").click("#practice-check")
    with_file.wait("serve the folder of the site with python -m http.server")
    assert with_file.is_quiet()
    with_file.page.close()


@pytest.mark.skipif(not PYODIDE.is_dir(), reason="no distribution of Pyodide with NumPy in build/website/pyodide")
def test_the_real_judge(browser):
    """The library's wheel and NumPy, in the browser: right, wrong, and no Python at all."""
    server, address = served(HTML)
    learner = Learner(browser.new_context().new_page(), address)
    page = learner.open("linear")
    learner.write(WRONG)
    told = learner.check("linear is not right yet")
    assert "SCALE:1/N" in told and "line 28, dW = x.T @ dy / len(x), is the first that is wrong" in told
    learner.write(WRONG.replace("len(x)", "len(x"))
    assert "SyntaxError: '(' was never closed" in learner.check("linear is not right yet")
    learner.write(RIGHT)
    assert "linear: right, every entry of dx, dW, db" in learner.check("linear is right")
    page.select_option("#practice-choice", "daily_bug")
    sync_api.expect(page.locator(SOURCE)).to_have_value(re.compile("Find the bug of"), timeout=LOADING)
    assert learner.is_quiet()
    page.context.close()
    server.shutdown()
