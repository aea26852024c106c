"""The explorer's page in Chromium, driven through playwright as a person would: pointer, finger, keys.

The oracle is Python: the pixels of the canvas are those that the page's decoder, computed in Python, has at the point
where the mouse or the key should have led. Both programs are needed, and the tests are skipped where one is missing;
that of accessibility also needs axe-core, which `python -m website` installs.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil

import numpy as np
import pytest
from conftest import ROOT
from test_explore_page import N_X, model_of, points

from scratchnn.scripts.explore_page import Decoder, in_page, page, view_of

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
MODELS = [model_of("bernoulli"), model_of("entropy", 4)]  # a VAE, and an autoencoder with more than two dimensions
POINTS = [points(2), points(4)]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    found = [in_page(m, f"model {k}", p, 0.05) for k, (m, p) in enumerate(zip(MODELS, POINTS, strict=True))]
    path = tmp_path_factory.mktemp("page") / "p.html"
    path.write_text(page("Two latent spaces", found), encoding="utf-8")
    return path


@contextlib.contextmanager
def shown(browser, file, **options):
    """The page; and afterwards: nothing was asked of a network, and nothing went wrong."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    opened, requests, troubles = context.new_page(), [], []
    opened.on("request", lambda request: requests.append(request.url))
    opened.on("console", lambda message: troubles.append(message.text))
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.goto(file.as_uri())
    yield opened
    context.close()
    assert requests == [file.as_uri()] and troubles == []


def drawn(opened, number: int = 0) -> np.ndarray:
    """The grey pixels of a picture, from 0 to 255."""
    code = """(id) => {
        const copy = new OffscreenCanvas(3, 2).getContext("2d");  // the page's own would be made for being read
        copy.drawImage(document.getElementById(id), 0, 0);
        return [...copy.getImageData(0, 0, 3, 2).data];
    }"""
    return np.array(opened.evaluate(code, f"picture-{number}")).reshape(-1, 4)[:, 0]


def until(opened, code: str) -> None:
    """Waits for something to be true; the page's policy keeps wait_for_function from asking more than once."""
    for _ in range(600):
        if opened.evaluate(code):
            return
        opened.wait_for_timeout(50)
    pytest.fail(f"30 seconds have not made it true: {code}")


def coordinates(opened, number: int = 0) -> np.ndarray:
    return np.array(opened.evaluate("number => [...panels[number].c]", number))


def view(number: int):
    return view_of(POINTS[number].means.astype(float), symmetric=number == 0)


def expect_image_at(opened, c, number: int = 0) -> None:
    """The picture is what Python decodes at these coordinates, to a level of grey, and the page says where that is."""
    np.testing.assert_allclose(coordinates(opened, number), c, atol=1e-9)
    z = view(number).centre + np.asarray(c) @ view(number).directions
    pixels, _ = Decoder(MODELS[number], N_X, opened.evaluate("n => panels[n].model.bits", number)).decode(z[None])
    np.testing.assert_allclose(drawn(opened, number), 255 * pixels[0], atol=0.51)
    told = opened.locator(f"#panels > section:nth-child({number + 1}) .slider output").all_inner_texts()
    assert [float(text.replace("−", "-")) for text in told] == [pytest.approx(c_k, abs=0.0051) for c_k in c]


def place(opened, number: int, c) -> tuple[float, float]:
    """Where on the screen the map has these coordinates."""
    opened.locator(f"#map-{number}").scroll_into_view_if_needed()
    box = opened.locator(f"#map-{number}").bounding_box()
    right, up = (np.asarray(c)[:2] / view(number).reach[:2] + 1) / 2
    return box["x"] + right * box["width"], box["y"] + (1 - up) * box["height"]


def test_it_begins_at_a_test_image_and_has_checked_itself(browser, file):
    with shown(browser, file) as opened:
        assert opened.locator("#main").is_visible() and not opened.locator("#trouble").is_visible()
        for number in (0, 1):
            code = POINTS[number].means[0].astype(float)
            expect_image_at(opened, (code - view(number).centre) @ view(number).directions.T, number)
        assert opened.locator("#legend li").all_inner_texts() == ["a", "b", "<c>"]
        until(opened, "panels.every((panel) => panel.tiles.width === 45)")  # 15 images of 3 columns
        status = opened.locator("#status-0")
        sync_api.expect(status).to_have_text(re.compile(r"^z = \(−?\d\.\d\d, .*\); of the 15 nearest .* are of class "))
        assert opened.locator("#exact li").count() == 2


@pytest.mark.parametrize("spoil", ['"b":"', '"images":"'])
def test_a_damaged_page_says_so_and_shows_nothing(spoil, browser, file, tmp_path):
    text = file.read_text(encoding="utf-8")
    at = text.rindex(spoil.replace(":", ": ")) + len(spoil) + 1 + 8
    (tmp_path / "bad.html").write_text(text[:at] + ("Q" if text[at] != "Q" else "A") * 3 + text[at + 3 :], "utf-8")
    with shown(browser, tmp_path / "bad.html") as opened:
        assert not opened.locator("#main").is_visible()
        told = opened.get_by_role("alert").inner_text()
        assert "its images differ from those that Python computed by" in told and "Write it again" in told


def test_the_page_may_ask_nothing_of_anybody(browser, file):
    context = browser.new_context()
    opened, asked = context.new_page(), []
    context.route("http://**", lambda route: (asked.append(route.request.url), route.abort()))
    opened.goto(file.as_uri())
    refused = "fetch('http://127.0.0.1:9/').then(() => 'fetched', (error) => error.name)"
    assert opened.evaluate(refused) == "TypeError" and asked == []  # the page's own policy, before any network
    context.close()


def test_the_pointer_drags_the_point_and_stops_at_the_edge(browser, file):
    with shown(browser, file) as opened:
        start, end = np.array([0.0, 0.0]), np.array([1.5, -2.0])
        opened.mouse.move(*place(opened, 0, start))
        opened.mouse.down()
        opened.mouse.move(*place(opened, 0, end), steps=5)
        screen = place(opened, 0, end)
        box = opened.locator("#map-0").bounding_box()
        reach = view(0).reach[0]
        np.testing.assert_allclose(coordinates(opened), end, atol=2 * reach / box["width"])  # a pixel of the screen
        expect_image_at(opened, coordinates(opened))
        opened.mouse.move(screen[0] + 3000, screen[1])
        assert coordinates(opened)[0] == reach
        opened.mouse.up()
        opened.mouse.move(*place(opened, 0, start))
        assert coordinates(opened)[0] == reach, "nothing is dragged any more"


def test_a_finger_drags_the_point_and_not_the_page(browser, file):
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
    with shown(browser, file, **phone) as opened:
        assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
        tall = opened.evaluate(
            "[...document.querySelectorAll('button, .slider, .row label')].map((e) => e.offsetHeight)"
        )
        assert min(tall) >= 24  # what a finger can hit
        at = place(opened, 0, [-1.0, 1.0])
        before = opened.evaluate("scrollY")
        touch = opened.context.new_cdp_session(opened)
        for kind, dy in (("touchStart", 0), ("touchMove", 20), ("touchMove", 40), ("touchEnd", None)):
            touched = [] if dy is None else [{"x": at[0], "y": at[1] + dy}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})
        width = opened.locator("#map-0").bounding_box()["width"]
        wanted = [-1.0, 1.0 - 40 * 2 * view(0).reach[1] / width]
        np.testing.assert_allclose(coordinates(opened), wanted, atol=2 * view(0).reach[0] / width)
        expect_image_at(opened, coordinates(opened))
        assert opened.evaluate("scrollY") == before


def test_keys_alone_reach_everything(browser, file):
    """From the top of the page, with Tab: both maps, all sliders, the walk, what is shown, the words about it."""
    with shown(browser, file) as opened:
        reached = []
        for _ in range(30):
            opened.keyboard.press("Tab")
            found = opened.evaluate(
                "[document.activeElement.id || document.activeElement.ariaLabel, document.activeElement.tagName]"
            )
            reached.append(found[0] or found[1])
            if found[1] == "SUMMARY":
                break
        controls = opened.evaluate("[...document.querySelectorAll('button, input, [tabindex], summary')].length")
        assert reached[0] == "map-0" and "map-1" in reached and reached[-1] == "SUMMARY"
        assert len(set(reached)) == len(reached) == controls
        opened.keyboard.press("Enter")
        assert opened.get_by_text("reckons with errors that all add up").is_visible()


def test_arrows_move_the_point_and_letters_set_the_ends_of_the_walk(browser, file):
    with shown(browser, file) as opened:
        opened.locator("#map-0").focus()
        step = view(0).reach[0] / 100
        opened.keyboard.press("Home")
        expect_image_at(opened, [0, 0])
        scrolled = opened.evaluate("scrollY")
        for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowDown"):
            opened.keyboard.press(key)
        expect_image_at(opened, [2 * step, -9 * step])
        assert opened.evaluate("scrollY") == scrolled
        opened.keyboard.press("b")
        opened.keyboard.press("Shift+ArrowLeft")
        opened.keyboard.press("a")
        ends = opened.evaluate("[[...panels[0].ends.A], [...panels[0].ends.B]]")
        np.testing.assert_allclose(ends, [[-8 * step, -9 * step], [2 * step, -9 * step]], atol=1e-12)


def test_two_points_are_joined_by_a_walk_in_both_panels(browser, file):
    with shown(browser, file) as opened:
        ends = opened.evaluate("panels.map((panel) => [[...panel.ends.A], [...panel.ends.B]])")
        way = opened.get_by_label("way")
        way.focus()
        for _ in range(25):
            opened.keyboard.press("ArrowRight")
        assert opened.locator("#way-value").inner_text() == "25 %"
        for number, (a, b) in enumerate(ends):
            expect_image_at(opened, 0.75 * np.array(a) + 0.25 * np.array(b), number)
        opened.get_by_role("button", name="A is here").click()
        way.fill("0")
        expect_image_at(opened, 0.75 * np.array(ends[1][0]) + 0.25 * np.array(ends[1][1]), 1)
        opened.get_by_role("button", name="Walk").click()
        until(opened, "Number(document.getElementById('way').value) > 0.05")
        stop = opened.get_by_role("button", name="Stop")
        assert stop.get_attribute("aria-pressed") == "true"
        stop.click()
        stopped = way.input_value()
        opened.wait_for_timeout(100)
        assert way.input_value() == stopped and opened.get_by_role("button", name="Walk").is_visible()


def test_sliders_move_along_the_other_directions(browser, file):
    with shown(browser, file) as opened:
        sliders = opened.locator("#panels > section:nth-child(2) input[type=range]")
        assert sliders.count() == 4 and opened.locator("#panels > section:nth-child(1) input[type=range]").count() == 2
        c = coordinates(opened, 1)
        until(opened, "panels[1].tiles.width > 0")
        opened.evaluate("before = panels[1].tiles")
        sliders.nth(2).focus()
        opened.keyboard.press("Home")
        c[2] = -view(1).reach[2]
        expect_image_at(opened, c, 1)
        assert re.match(r"direction 3 \(\d+ % of the variance\), model 1", sliders.nth(2).get_attribute("aria-label"))
        until(opened, "panels[1].tiles !== before")  # the map's images are new too
        assert opened.get_by_text("principal components").is_visible()


def test_a_test_image_is_gone_to_by_its_number(browser, file):
    with shown(browser, file) as opened:
        opened.get_by_label("go to test image").fill("7")
        for number in (0, 1):
            code = POINTS[number].means[7].astype(float)
            expect_image_at(opened, (code - view(number).centre) @ view(number).directions.T, number)
        opened.get_by_label("go to test image").fill("-3")
        opened.get_by_label("go to test image").fill("999")
        code = POINTS[0].means[7].astype(float)
        expect_image_at(opened, code)


def luminance(opened, name: str) -> float:
    text = opened.evaluate("(name) => colour(name)", name)
    channels = np.array([int(text[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_schemes_can_be_read(scheme, browser, file):
    """Contrast as WCAG 2 defines it: 4.5 for text, 3 for what is drawn."""
    with shown(browser, file, color_scheme=scheme) as opened:
        paper = luminance(opened, "--paper")
        assert (paper > 0.5) == (scheme == "light")
        for name, least in (("--ink", 4.5), ("--muted", 4.5), ("--focus", 3), ("--accent", 3)):
            a, b = sorted((paper, luminance(opened, name)))
            assert (b + 0.05) / (a + 0.05) >= least, name
        opened.emulate_media(color_scheme="dark" if scheme == "light" else "light")
        assert (luminance(opened, "--paper") > 0.5) == (scheme == "dark")


def test_axe_finds_nothing(browser, file):
    axe = ROOT / "build/website/npm/node_modules/axe-core/axe.min.js"
    if not axe.is_file():
        pytest.skip("axe-core is not installed: python -m website")
    with shown(browser, file, bypass_csp=True) as opened:
        opened.locator("summary").click()
        opened.evaluate(axe.read_text(encoding="utf-8"))
        for scheme in ("light", "dark"):
            opened.emulate_media(color_scheme=scheme)
            found = opened.evaluate("axe.run().then((result) => result.violations)")
            assert found == [], json.dumps([(v["id"], v["impact"], [n["html"] for n in v["nodes"]]) for v in found])


def test_frames_of_a_video_are_coloured_by_time(browser, tmp_path):
    (tmp_path / "v.html").write_text(page("t", [in_page(MODELS[0], "video", points(labels=False), 0.05)]), "utf-8")
    with shown(browser, tmp_path / "v.html") as opened:
        assert opened.locator("#legend li").all_inner_texts() == [
            "no classes: coloured by their order, from blue to orange"
        ]
        sync_api.expect(opened.locator("#status-0")).to_have_text(re.compile(r"^z = \([^;]*\)$"))


def test_two_numbers_of_an_autoencoder_are_written_as_the_decoder_gets_them(browser, tmp_path):
    """Its map lies around the mean of its codes, here (3, −2) and a little, and not around 0."""
    codes = points(2)
    codes = codes._replace(means=codes.means + np.array([3, -2], np.float32))
    path = tmp_path / "p.html"
    path.write_text(page("Codes", [in_page(model_of("entropy"), "codes", codes, 0.05)]), encoding="utf-8")
    centre = view_of(np.asarray(codes.means, np.float64), symmetric=False).centre
    with shown(browser, path) as opened:
        opened.locator("#map-0").focus()
        opened.keyboard.press("Home")
        until(opened, f"document.getElementById('status-0').textContent.startsWith('z = ({centre[0]:.2f}, ')")
        written = opened.locator("#panels output").all_inner_texts()
    np.testing.assert_allclose([float(text.replace("−", "-")) for text in written[:2]], centre, atol=0.005 + 1e-6)
