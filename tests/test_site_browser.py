"""The built site in Chromium: nothing leaves it, nothing fails, formulas and code light up together, keys reach all.

It needs `python -m website --short`, playwright and Chromium, and axe-core, which the build installs with KaTeX.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT))
from website.places import BUILD, NPM

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: python -m pip install playwright")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HTML = BUILD / "html"
AXE = NPM / "node_modules/axe-core/axe.min.js"
if not CHROMIUM:
    pytest.skip("needs Chromium", allow_module_level=True)
if not (HTML / "index.html").is_file():
    pytest.skip("no site is built: python -m website --short", allow_module_level=True)

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
KINDS = [
    "index.html", "start.html", "learn/index.html", "learn/layers/dense.html", "learn/vae.html",
    "exercises/index.html", "exercises/e14_bottleneck.html", "gallery/index.html", "gallery/elbo_tour.html",
    "explore.html", "practice.html", "teach.html", "findings.html", "results.html", "mistakes.html", "diagnosis.html",
    "reference/index.html", "reference/scratchnn.gradcheck.html", "files/examples/tiny_vae.py.html", "search.html",
    "es/index.html", "es/start.html", "es/gallery/elbo_tour.html",
]  # fmt: skip
# without two long ones, whose templates others have too
EXAMINED = [name for name in KINDS if name not in ("learn/vae.html", "es/gallery/elbo_tour.html")]
# of each template and each kind of element one: dark colours and narrow pages change nothing but these
DRAWN = [
    "index.html", "learn/layers/dense.html", "exercises/e14_bottleneck.html", "gallery/elbo_tour.html", "explore.html",
    "practice.html", "findings.html", "mistakes.html", "reference/scratchnn.gradcheck.html", "search.html",
]  # fmt: skip


@dataclass
class Watched:
    """A page, with what its console said and where its requests went."""

    page: playwright.Page
    address: str
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: message.type == "error" and self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, name: str) -> playwright.Page:
        self.page.goto(self.address + name)
        return self.page

    def is_quiet(self) -> bool:
        outside = [url for url in self.requests if not url.startswith((self.address, "data:", "blob:"))]
        assert outside == [] and self.said == []
        return True


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The site at an address of this machine."""
    handler = functools.partial(Silent, directory=str(HTML))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(params=["file", "http"])
def watched(request, browser, server) -> Iterator[Watched]:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    yield Watched(page, HTML.as_uri() + "/" if request.param == "file" else server)
    page.close()


@pytest.fixture
def opened(browser) -> Iterator[Watched]:
    """A page opened as a file."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    yield Watched(page, HTML.as_uri() + "/")
    page.close()


def test_no_page_asks_for_anything_outside_or_complains(watched):
    for name in KINDS:
        page = watched.open(name)
        assert page.title(), name
        missing = "all => all.filter(i => !i.naturalWidth && i.loading !== 'lazy').length"
        broken = page.eval_on_selector_all("img", missing)
        assert broken == 0, name
    assert watched.is_quiet()


@pytest.mark.parametrize("part", range(6))
def test_every_formula_has_a_size_and_no_error(browser, part):
    """The build has typeset them, so no script runs here. One browser page for all files would run out of memory."""
    page = browser.new_page(viewport={"width": 1400, "height": 900}, java_script_enabled=False)
    watched = Watched(page, HTML.as_uri() + "/")
    files = sorted([*(HTML / "learn").rglob("*.html"), *(HTML / "exercises").glob("e*.html")])[part::6]
    assert len(files) > 10
    for path in files:
        watched.open(path.relative_to(HTML).as_posix())
        page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        for notation in ("code", "papers"):
            page.evaluate("notation => { document.documentElement.dataset.notation = notation; }", notation)
            empty = page.eval_on_selector_all(
                f".formula .in-{notation}",
                "all => all.filter(f => !f.querySelector('.katex') || f.getBoundingClientRect().width < 5).length",
            )
            assert empty == 0, (path.name, notation)
        assert page.locator(".katex-error").count() == 0
    assert watched.is_quiet()
    page.close()


def test_a_formula_and_its_line_light_up_together_by_pointer_and_by_key(opened):
    page = opened.open("learn/layers/dense.html")
    formula, line = page.locator("#formula-29"), page.locator(".line", has_text="out=self.dW")
    assert "lit" not in (line.get_attribute("class") or "")
    formula.hover()
    assert "lit" in line.get_attribute("class") and "lit" in formula.get_attribute("class")
    page.locator("h1").hover()
    assert "lit" not in line.get_attribute("class")
    line.hover()
    assert "lit" in formula.get_attribute("class")
    page.locator("h1").hover()
    formula.focus()
    assert "lit" in line.get_attribute("class")
    page.keyboard.press("Tab")  # the link to the line, inside of the formula
    assert page.evaluate("document.activeElement.getAttribute('href')") == f"#{line.get_attribute('id')}"
    page.keyboard.press("Enter")
    page.wait_for_function("location.hash.startsWith('#L')")


def test_the_notation_is_switched_by_key_and_kept(opened):
    page = opened.open("learn/layers/dense.html")
    code, paper = page.locator("#formula-29 .in-code").first, page.locator("#formula-29 .in-papers").first
    assert code.is_visible() and not paper.is_visible()
    page.get_by_role("button", name="the papers'").focus()
    page.keyboard.press("Enter")
    assert paper.is_visible() and not code.is_visible()
    page = opened.open("learn/vae.html")
    assert page.evaluate("document.documentElement.dataset.notation") == "papers"


def test_the_search_finds_a_page_without_a_server(opened):
    page = opened.open("search.html?q=reparameterisation")
    page.wait_for_selector("#search-results li a")
    assert any("vae" in link for link in page.eval_on_selector_all("#search-results a", "all => all.map(a => a.href)"))
    assert opened.is_quiet()


@pytest.mark.parametrize("name", ["index.html", "learn/layers/dense.html", "exercises/e03_linear.html"])
def test_the_tab_key_reaches_everything(opened, name):
    page = opened.open(name)
    wanted = page.evaluate(
        """() => [...document.querySelectorAll("a[href], button, summary, input, [tabindex='0']")].filter(e =>
             e.checkVisibility({ visibilityProperty: true }) && e.tabIndex >= 0 && !e.disabled
             && !e.closest("dialog:not([open])")).map((e, k) => e.dataset.key = k).length"""
    )
    reached = set()
    for _ in range(wanted + 20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.key"))
    missing = page.evaluate(
        "keys => [...document.querySelectorAll('[data-key]')].filter(e => !keys.includes(e.dataset.key))"
        ".map(e => e.outerHTML)",
        [key for key in reached if key is not None],
    )
    assert wanted > 10 and missing == []


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: python -m website")
@pytest.mark.parametrize(
    ("theme", "width", "names"),
    [("light", 1400, EXAMINED[::2]), ("light", 1400, EXAMINED[1::2]), ("dark", 1400, DRAWN), ("light", 390, DRAWN)],
    ids=["one half", "the other", "dark", "narrow"],
)
def test_no_serious_problem_of_accessibility(browser, theme, width, names):
    """In the dark other colours stand on the same elements."""
    rules = {"runOnly": ["color-contrast", "link-in-text-block"]} if theme == "dark" else {}
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    context.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')")
    page = context.new_page()
    found = []
    for name in names:
        page.goto(HTML.as_uri() + "/" + name)
        page.add_script_tag(path=AXE)
        result = page.evaluate("o => axe.run(document, { ...o, resultTypes: ['violations'], preload: false })", rules)
        found += [
            f"{name}: {problem['id']}: {problem['nodes'][0]['html'][:200]}"
            for problem in result["violations"]
            if problem["impact"] in ("serious", "critical")
        ]
    context.close()
    assert found == []


def test_no_page_is_wider_than_a_phone(browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    wide = []
    for name in KINDS:
        page.goto(HTML.as_uri() + "/" + name)
        if page.evaluate("document.documentElement.scrollWidth") > 390:
            wide.append(name)
    page.close()
    assert wide == []
