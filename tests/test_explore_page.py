"""The explorer's page: what rounding the weights can do, what is in the page, what is refused.

The oracles are the library's own decoder with and without rounded weights, one case by hand in which the bound is
reached, and Node, where it is installed, for the forward pass in JavaScript.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import PACKAGE, ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnn import (
    VAE,
    Autoencoder,
    Bernoulli,
    BinaryCrossEntropy,
    Classifier,
    ContinuousBernoulli,
    ConvTranspose2D,
    Dense,
    DiscretisedLogistic,
    Dropout,
    Gaussian,
    Identity,
    MeanSquaredError,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    SigmoidMean,
    Softplus,
    Tanh,
)
from scratchnn.scripts import explore_page, figures
from scratchnn.scripts.command import main
from scratchnn.scripts.explore_page import Decoder, at_most, in_page, page, rounded, view_of
from scratchnn.training import save_weights
from scratchnn.training.weights import Points

FILES = PACKAGE / "scripts/page"
N_X, SHAPE = 6, (2, 3)


def model_of(kind: str = "bernoulli", n_z: int = 2, n_hidden: int = 7, scale: float = 1.5, seed: int = 0):
    """A decoder of every kind that the page knows, with weights that leave no pixel alone."""
    rng = np.random.default_rng(seed)
    outputs = 2 * N_X if kind.startswith("gaussian") else N_X
    between = {"bernoulli": ReLU, "continuous": Tanh, "squares": Softplus, "entropy": Sigmoid}.get(kind, ReLU)
    hidden = [Dense(n_z, n_hidden, rng, b=0.3), between(), Dropout(0.5, rng)]
    top = {"gaussian-sigmoid": [SigmoidMean()], "squares": [Sigmoid()], "entropy": [Identity()]}.get(kind, [])
    decoder = Sequential([Sequential(hidden), Dense(n_hidden, outputs, rng, b=-0.2), *top])
    decoder.params *= scale
    encoder = Sequential([Dense(N_X, n_z if kind in ("squares", "entropy") else 2 * n_z, rng)])
    if kind in ("squares", "entropy"):
        return Autoencoder(encoder, decoder, MeanSquaredError() if kind == "squares" else BinaryCrossEntropy())
    likelihood = {"bernoulli": Bernoulli(), "continuous": ContinuousBernoulli()}.get(kind, Gaussian())
    return VAE(encoder, decoder, likelihood, n_z)


KINDS = ("bernoulli", "continuous", "gaussian", "gaussian-sigmoid", "squares", "entropy")


def points(n_z: int = 2, n: int = 20, labels: bool = True) -> Points:
    rng = np.random.default_rng(n_z)
    means = rng.standard_normal((n, n_z)).astype(np.float32)
    return Points(
        means, np.arange(n, dtype=np.uint8) % 3 if labels else None, SHAPE, ("a", "b", "<c>") if labels else ()
    )


# ---- what rounding does


@given(st.integers(1, 30), st.integers(1, 9), st.sampled_from([8, 16]), st.integers(0, 2**32), st.floats(-30, 30))
def test_a_weight_is_off_by_half_a_step_at_most(n_in, n_out, bits, seed, exponent):
    rng = np.random.default_rng(seed)
    W = (rng.standard_normal((n_in, n_out)) * 2.0**exponent).astype(np.float32)
    W[:, 0] = 0  # a unit without weights
    layer = rounded(W, np.zeros(n_out, np.float32), bits)
    assert layer.q.dtype == (np.int8 if bits == 8 else np.int16) and not layer.q[:, 0].any() and layer.scale[0] == 0
    # the scale, the quotient and the product are rounded to 53 bits, of numbers up to 2^15 steps
    assert np.all(np.abs(layer.weights - W) <= layer.scale * (0.5 + 2**15 * 2**-50))
    assert np.all(np.abs(layer.q[:, 1:]).max(axis=0, initial=0) == (127 if bits == 8 else 32_767))


def test_weights_of_32_bits_are_not_rounded(rng):
    W = rng.standard_normal((3, 4)).astype(np.float32)
    layer = rounded(W, np.zeros(4, np.float32), 32)
    assert np.array_equal(layer.weights, W.astype(np.float64)) and layer.half == 0


@settings(max_examples=60)
@given(
    st.sampled_from(KINDS), st.integers(2, 4), st.sampled_from([8, 16, 32]), st.integers(0, 2**32), st.floats(0.1, 8)
)
def test_no_pixel_is_off_by_more_than_its_bound(kind, n_z, bits, seed, scale):
    model = model_of(kind, n_z, scale=scale, seed=seed)
    z = 3 * np.random.default_rng(seed).standard_normal((20, n_z))
    decoder = Decoder(model, N_X, bits)
    pixels, bound = decoder.decode(z)
    right = np.clip(model.astype(np.float64).decode(z), 0, 1)
    assert np.all(np.abs(pixels - right) <= bound + 1e-12)
    # and the decoder of the page is the library's own, with rounded weights
    np.testing.assert_allclose(pixels, np.clip(decoder.in_model(model).decode(z), 0, 1), rtol=0, atol=1e-12)


def test_the_bound_is_reached_where_all_errors_add_up():
    """By hand: one layer, 8 bits, a step of 1 in either unit. Every weight but the largest lies half a step below a
    whole number (0.5 and 2.5 go to the even one, 0 and 2; their errors have the sign of the inputs)."""
    W = np.array([[127, -127], [0.5, 2.5]], np.float32)
    layer = rounded(W, np.zeros(2, np.float32), 8)
    assert layer.q.tolist() == [[127, -127], [0, 2]] and layer.scale.tolist() == [1, 1]
    decoder = object.__new__(Decoder)
    decoder.bits, decoder.pixels, decoder.parts = 8, "clipped", [layer]
    z = np.array([[0.0, 0.1]])
    pixels, bound = decoder.decode(z)
    right = np.clip(z @ W, 0, 1)
    np.testing.assert_allclose(right - pixels, [[0.05, 0.05]], atol=1e-15)  # ½ · 0.1
    np.testing.assert_allclose(bound, [[0.05, 0.05]], atol=1e-15)


def test_a_unit_that_is_surely_off_passes_no_error_on():
    decoder = object.__new__(Decoder)
    first = rounded(np.array([[1.0, 1.0]], np.float32), np.array([-9.0, 9.0]), 8)  # off, and on, for z around 1
    last = rounded(np.array([[5.0], [0.0]], np.float32), np.zeros(1), 32)  # which reads the unit that is off
    decoder.pixels, decoder.parts = "clipped", [first, "ReLU", last]
    assert decoder.decode(np.array([[1.0]]))[1].tolist() == [[0.0]]
    decoder.parts = [first, last]
    assert decoder.decode(np.array([[1.9]]))[1] >= 0  # without the ReLU it would: 5 · ½ · 1.9/127, below a clipped 0


@pytest.mark.parametrize("pixel_error, bits", [(1.0, 8), (0.05, 16), (1e-9, 32)])
def test_the_page_gets_the_fewest_bits_that_keep_the_bound(pixel_error, bits):
    model, where = model_of(n_hidden=60, scale=4), points()
    found = in_page(model, "m", where, pixel_error)
    assert found["bits"] == bits
    assert found["error"]["measured"] <= found["error"]["bound"] <= pixel_error
    assert found["error"]["n"] == len(where.means) + explore_page.TILES**2
    fewer = {16: 8, 32: 16}.get(bits)
    if fewer:
        tried = np.concatenate([where.means, view_of(where.means.astype(float), True).grid()])
        assert Decoder(model, N_X, fewer).decode(tried)[1].max() > pixel_error


# ---- the directions of the map and the sliders


def test_two_dimensions_are_shown_as_they_are(rng):
    codes = rng.standard_normal((50, 2)) + np.array([1, 0])
    of_vae, of_autoencoder = view_of(codes, symmetric=True), view_of(codes, symmetric=False)
    assert np.array_equal(of_vae.directions, np.eye(2)) and not of_vae.centre.any() and of_vae.reach.min() >= 3
    np.testing.assert_allclose(of_autoencoder.centre, codes.mean(axis=0))
    z = of_vae.grid()
    assert np.array_equal(np.unique(z[:, 0]), np.linspace(-1, 1, explore_page.TILES) * of_vae.reach[0])


def test_more_dimensions_are_shown_along_the_directions_of_largest_variance(rng):
    codes = rng.standard_normal((400, 12)) @ rng.standard_normal((12, 12)) + 5
    view = view_of(codes, symmetric=True)
    centred = codes - codes.mean(axis=0)
    _, singular, rows = np.linalg.svd(centred, full_matrices=False)  # by other means: no covariance is formed
    assert view.directions.shape == (2 + explore_page.SLIDERS, 12)
    np.testing.assert_allclose(np.abs(np.sum(view.directions * rows[:10], axis=1)), 1, atol=1e-6)
    np.testing.assert_allclose(view.share, singular[:10] ** 2 / np.sum(singular**2), rtol=1e-9)
    np.testing.assert_allclose(view.centre, codes.mean(axis=0))
    largest = view.directions[np.arange(10), np.abs(view.directions).argmax(axis=1)]
    assert (largest > 0).all()  # the same page for the same run, whatever sign a library gives


def test_codes_that_are_all_the_same_can_be_shown():
    view = view_of(np.ones((5, 3)), symmetric=False)
    assert np.isfinite(view.grid()).all() and (view.reach > 0).all() and np.isfinite(view.share).all()


# ---- the page


class Elements(HTMLParser):
    """Every element with its attributes, the text of scripts and styles, and what would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {}
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        self.texts.setdefault(self.inside, []).append(data)


def written(*kinds: str) -> str:
    return page("A & B", [in_page(model_of(kind), kind, points(), 0.05) for kind in kinds])


def test_a_page_refers_to_nothing_outside_and_runs_nothing_but_its_scripts():
    found = Elements(written("bernoulli"))
    for tag, attributes in found.elements:
        addresses = [attributes[name] for name in ("src", "href", "action", "data") if name in attributes]
        assert addresses == (["data:,"] if tag == "link" else []), tag
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
    (policy,) = [a["content"] for _, a in found.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:; ") and "unsafe" not in policy
    data, *scripts = found.texts["script"]
    for text in (*scripts, *found.texts["style"]):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
        assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", text)
    assert len(scripts) == 2 and json.loads(data)["models"][0]["name"] == "bernoulli"
    assert found.texts["title"] == ["A & B"] and ("html", {"lang": "en"}) in found.elements


def test_a_name_cannot_end_the_data_or_begin_a_script():
    found = in_page(model_of(), "</script><script>alert(1)</script>", points(), 0.05)
    text = page("t", [found])
    assert len(Elements(text).texts["script"]) == 3 and "<script>alert" not in text
    assert json.loads(Elements(text).texts["script"][0])["models"][0]["name"] == found["name"]


def test_the_colours_are_those_of_the_figures():
    css = (FILES / "explorer.css").read_text(encoding="utf-8")
    colours = re.findall(r"--class-(\d): (#\w{6});", css)
    assert colours == [(str(k), colour) for k, colour in enumerate(figures.CLASS_COLOURS)]


def test_the_same_run_makes_the_same_page():
    assert written("bernoulli") == written("bernoulli")


def test_every_control_has_a_name():
    found = Elements(written("bernoulli"))
    text = written("bernoulli")
    for tag, attributes in found.elements:
        if tag == "input":  # each stands in its label
            assert re.search(rf"<label[^>]*>[^/]*<input[^>]*id=\"{attributes['id']}\"", text), attributes
    assert sum(tag == "main" for tag, _ in found.elements) == 1


# ---- the same in JavaScript

NODE = shutil.which("node")
PROGRAM = """
const fs = require("fs");
const source = fs.readFileSync(process.argv[1], "utf8");
const { unpacked, decode, difference } = new Function(source + "; return { unpacked, decode, difference };")();
const { models, z } = JSON.parse(fs.readFileSync(0, "utf8"));
const answers = models.map((model, k) => {
  const decoder = unpacked(model);
  const images = z[k].map((point) => decode(decoder, point));
  const [pixels, bound] = [images.map((image) => [...image.pixels]), images.map((image) => image.bound)];
  return { off: difference(decoder, model.fixture), pixels, bound };
});
console.log(JSON.stringify(answers, (_, value) => (Number.isNaN(value) ? "NaN" : value)));
"""


def in_node(models, z) -> list[dict]:
    content = json.dumps({"models": models, "z": [np.asarray(points).tolist() for points in z]})
    done = subprocess.run(
        [NODE, "-e", PROGRAM, str(FILES / "decoder.js")], input=content, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_javascript_computes_what_python_computes(rng):
    """Every kind of decoder with every number of bits; also far out, where e^x overflows if it is written plainly."""
    cases = [(kind, bits) for kind in KINDS for bits in (8, 16, 32)]
    errors = {8: 1.0, 16: 1e-3, 32: 1e-30}
    models = [model_of(kind, 3, scale=3 if bits < 16 else 0.3, seed=bits) for kind, bits in cases]
    found = [in_page(m, "m", points(3), errors[bits]) for m, (_, bits) in zip(models, cases, strict=True)]
    assert {model["bits"] for model in found} == {8, 16, 32}
    z = [np.concatenate([3 * rng.standard_normal((4, 3)), [[900.0, -800, 700], [0, 0, 0]]]) for _ in cases]
    for model, description, points_z, answer in zip(models, found, z, in_node(found, z), strict=True):
        assert answer["off"] < 1e-6
        pixels, bound = Decoder(model, N_X, description["bits"]).decode(points_z)
        np.testing.assert_allclose(answer["pixels"], pixels, rtol=0, atol=1e-9)
        np.testing.assert_allclose(answer["bound"], bound.max(axis=1), rtol=1e-6, atol=1e-9)


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_a_damaged_page_is_noticed():
    """A weight, a scale, a function, and a fixture that is too short."""
    right = in_page(model_of(), "m", points(), 0.05)

    def spoilt(change) -> dict:
        model = json.loads(json.dumps(right))
        change(model)
        return model

    def flip(layer, name):
        raw = bytearray(base64.b64decode(layer[name]))
        raw[-1] ^= 0x20
        layer[name] = base64.b64encode(raw).decode()

    models = [
        right,
        spoilt(lambda model: flip(model["layers"][0], "q")),
        spoilt(lambda model: flip(model["layers"][-1], "scale")),
        spoilt(lambda model: model.update(pixels="clipped")),
        spoilt(lambda model: model["fixture"].update(images=model["fixture"]["images"][:-16])),
    ]
    answers = in_node(models, [[[0, 0]]] * len(models))
    assert answers[0]["off"] < 1e-6
    for answer in answers[1:]:
        assert answer["off"] in ("NaN", None) or answer["off"] > 1e-3


# ---- the command


def run_of(folder, name: str, model, where=None, settings=None):
    save_weights(folder / f"{name}.npz", model, settings or {"data": "digits", "epochs": 3}, points=where)
    return str(folder / f"{name}.npz")


def test_two_runs_become_a_page(tmp_path, capsys):
    one = run_of(tmp_path, "one", model_of("bernoulli"), points())
    two = run_of(tmp_path, "two", model_of("squares", 4), points(4), {"data": "mnist", "beta": 2.0})
    assert main(["explore", one, two, "--html", str(tmp_path / "deep/p.html"), "--points", "9"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"one\.npz: weights of \d+ bits; for 234 z, pixels differ from the model's by \S+ at most", told)
    data = json.loads(Elements((tmp_path / "deep/p.html").read_text(encoding="utf-8")).texts["script"][0])
    assert [model["name"] for model in data["models"]] == [
        "VAE, 2 latent dimensions, digits, 3 epochs",
        "Autoencoder, 4 latent dimensions, β = 2.0, mnist",
    ]
    assert len(base64.b64decode(data["models"][0]["points"]["labels"])) == 9
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["p.html"]


def test_a_run_without_points_is_shown_with_its_test_images(tmp_path, rng):
    encoder = Sequential([Dense(64, 4, rng)])
    model = VAE(encoder, Sequential([Dense(2, 64, rng)]), Bernoulli(), 2)
    run = run_of(tmp_path, "digits", model)
    main(["explore", run, "--html", str(tmp_path / "p.html"), "--points", "30"])
    (found,) = json.loads(Elements((tmp_path / "p.html").read_text(encoding="utf-8")).texts["script"][0])["models"]
    assert found["image_shape"] == [8, 8] and found["class_names"] == list("0123456789")
    assert len(base64.b64decode(found["points"]["codes"])) == 30 * 2 * 4


def refused(*arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["explore", *arguments])
    assert isinstance(stop.value.code, str) and "\n" not in stop.value.code, stop.value.code
    return stop.value.code


def test_what_cannot_be_a_page_is_one_sentence(tmp_path, rng, monkeypatch):
    html = str(tmp_path / "p.html")
    labels = Classifier(Sequential([Dense(6, 3, rng)]))
    assert "a Classifier has no decoder" in refused(run_of(tmp_path, "classifier", labels), "--html", html)
    line = run_of(tmp_path, "line", model_of(n_z=1), points(1))
    assert "line.npz cannot be shown on a page: it has a single latent dimension" in refused(line, "--html", html)
    convolution = Autoencoder(
        Dense(6, 4, rng), Sequential([Reshape((1, 2, 2)), ConvTranspose2D(1, 1, (1, 2), rng)]), MeanSquaredError()
    )
    told = refused(run_of(tmp_path, "conv", convolution, points(4)), "--html", html)
    assert "its decoder has a Reshape, and a page knows Dense, ReLU, Sigmoid, Softplus, Tanh" in told
    levels = VAE(Dense(6, 4, rng), Dense(2, 12, rng), DiscretisedLogistic(), 2)
    assert "how a DiscretisedLogistic makes pixels" in refused(run_of(tmp_path, "dl", levels, points()), "--html", html)
    other = refused(run_of(tmp_path, "other", model_of(), points(3)), "--html", html)
    assert "its decoder makes 6 numbers of 2, and its 20 points are of 3 numbers and of images of 6 pixels" in other
    assert "there is no checkpoint" in refused(str(tmp_path / "none"), "--html", html)
    right = run_of(tmp_path, "right", model_of(), points())
    assert "cannot write into" in refused(right, "--html", str(tmp_path / "right.npz/p.html"))
    assert not (tmp_path / "p.html").exists()
    (tmp_path / "p.html").mkdir()
    assert refused(right, "--html", html).startswith("error: ")
    assert list((tmp_path / "p.html").iterdir()) == [] and not list(tmp_path.glob("*.part"))
    monkeypatch.setattr(explore_page, "LIMIT", 50)
    told = refused(right, "--html", str(tmp_path / "q.html"))
    assert re.search(r"with weights of 8 bits its decoder takes 0\.0 MB of a page, which may have 5e-05 MB", told)
    monkeypatch.setattr(explore_page, "LIMIT", 1000)
    assert "the page would have 0.0 MB, and may have 0.001 MB" in refused(right, "--html", str(tmp_path / "q.html"))


def test_log_variances_take_no_space_of_a_page(monkeypatch, rng):
    """2·5 + 5·6 weights of one byte, and four letters for three bytes: 53."""
    dense = [Dense(2, 5, rng), Dense(5, 12, rng)]  # a Gaussian's outputs for 6 pixels
    monkeypatch.setattr(explore_page, "LIMIT", 53)
    explore_page.expect_fits(dense, 6, 8)
    with pytest.raises(ValueError, match="with weights of 16 bits its decoder takes"):
        explore_page.expect_fits(dense, 6, 16)
    monkeypatch.setattr(explore_page, "LIMIT", 52)
    with pytest.raises(ValueError, match="with weights of 8 bits its decoder takes"):
        explore_page.expect_fits(dense, 6, 8)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_models_that_come_along_make_pages_without_their_data(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SCRATCHNN_DATA", str(tmp_path))
    file = ROOT / f"docs/models/{name}.npz"
    assert file.stat().st_size < 700_000
    main(["explore", str(file), "--html", str(tmp_path / "p.html")])
    printed, table = capsys.readouterr().out, (ROOT / "docs/models/README.md").read_text(encoding="utf-8")
    error, bound = re.search(r"by (\S+) at most, and the bound is (\S+)", printed).groups()
    stated = re.search(rf"`{name}\.npz` \| .* \| (\S+), (\S+) \|", table).groups()
    assert [float(error), float(bound)] == [pytest.approx(float(number), rel=0.05) for number in stated]


def test_three_runs_and_no_target_are_refused_by_the_parser(tmp_path, capsys):
    run = run_of(tmp_path, "run", model_of(), points())
    for arguments in ([run, run, run, "--html", "p.html"], [run]):
        with pytest.raises(SystemExit) as stop:
            main(["explore", *arguments])
        assert stop.value.code == 2
    told = capsys.readouterr().err
    assert "one or two runs fit on a page, got 3" in told and "usage: scratchnn explore" in told


def test_a_bound_is_rounded_up():
    assert [at_most(x) for x in (0.0149, 0.0101, 0.5, 0.0, np.inf)] == ["0.015", "0.011", "0.5", "0", "inf"]


@pytest.mark.parametrize("name", [".", "run.npz", "folder.html"])
def test_a_page_is_written_where_a_page_can_be(name, tmp_path, monkeypatch, capsys):
    """And never over the file that it is made of."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(SystemExit, match=r"2|names no page: give it a name that ends with .html"):
        main(["explore", "run.npz", "--html", name])
    assert not (tmp_path / "run.npz").exists()
