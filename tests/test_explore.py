"""Both explorers, driven by mouse and key events as a window would send them, and judged by the pixels they draw.

The oracles are matplotlib's own drawing of the whole figure into a file, which knows nothing of blitting; the model
itself, asked directly; and places in the picture computed from where an axes lies, by hand.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import compare_classifiers
import explore_latent
import numpy as np
import pytest
from conftest import ROOT
from matplotlib.backend_bases import KeyEvent, MouseEvent, ResizeEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from scripts import fails, succeeds

from scratchnn import SGD, VAE, Adam, Bernoulli, Classifier, Dense, ReLU, Sequential, data
from scratchnn.data import Images
from scratchnn.scripts import explore, figures
from scratchnn.scripts.explore import ClassifierComparison, ExploreError, LatentExplorer
from scratchnn.scripts.trained import held_out_images
from scratchnn.training import SaveCheckpoint, Trainer, load_model

DIGITS = data.load("digits")
SHAPE = DIGITS.image_shape


def small_vae(n_z: int = 2, n_x: int = 64) -> VAE:
    """Random weights, large enough that the decoded image depends on z in every pixel."""
    rng = np.random.default_rng(n_z)
    decoder = Sequential([Dense(n_z, 20, rng), ReLU(), Dense(20, n_x, rng)])
    decoder.params *= 2
    return VAE(Sequential([Dense(n_x, 20, rng), ReLU(), Dense(20, 2 * n_z, rng)]), decoder, Bernoulli(), n_z)


def small_classifier(seed: int, n_classes: int = 10, n_x: int = 64) -> Classifier:
    classifier = Classifier(Sequential([Dense(n_x, n_classes, np.random.default_rng(seed))]))
    classifier.params *= 4
    return classifier


def canvas_figure() -> Figure:
    figure = Figure(figsize=explore.SIZE, dpi=80)
    FigureCanvasAgg(figure)
    return figure


@pytest.fixture
def explorer() -> LatentExplorer:
    explorer = LatentExplorer(canvas_figure(), small_vae(), DIGITS.test, SHAPE)
    explorer.figure.canvas.draw()
    return explorer


@pytest.fixture
def comparison() -> ClassifierComparison:
    classifiers = {f"classifier {seed}": small_classifier(seed) for seed in range(3)}
    comparison = ClassifierComparison(canvas_figure(), classifiers, DIGITS.test, SHAPE)
    comparison.figure.canvas.draw()
    return comparison


def mouse(figure: Figure, action: str, x: float, y: float, button: int | None = 1) -> None:
    name = {"press": "button_press_event", "move": "motion_notify_event", "release": "button_release_event"}[action]
    figure.canvas.callbacks.process(name, MouseEvent(name, figure.canvas, x, y, button))


def drag(figure: Figure, *places: tuple[float, float]) -> None:
    mouse(figure, "press", *places[0])
    for place in places[1:]:
        mouse(figure, "move", *place)
    mouse(figure, "release", *places[-1])


def press_key(figure: Figure, key: str) -> None:
    figure.canvas.callbacks.process("key_press_event", KeyEvent("key_press_event", figure.canvas, key))


def place_in(axes, x: float, y: float) -> tuple[float, float]:
    """The pixel, counted from the lower left of the figure, where (x, y) lies in axes with linear scales."""
    box, (left, right), (low, high) = axes.bbox, axes.get_xlim(), axes.get_ylim()
    return box.x0 + (x - left) / (right - left) * box.width, box.y0 + (y - low) / (high - low) * box.height


def screen(figure: Figure) -> np.ndarray:
    """The pixels that the canvas shows, from the upper left."""
    return np.array(figure.canvas.buffer_rgba())


def drawn_by_matplotlib(figure: Figure) -> np.ndarray:
    """The same figure, drawn whole into a file: nothing in this way is cached or blitted."""
    file = io.BytesIO()
    figure.savefig(file, dpi=figure.dpi)
    file.seek(0)
    return (imread(file) * 255).round().astype(np.uint8)


def colour_at(figure: Figure, x: float, y: float) -> np.ndarray:
    pixels = screen(figure)
    return pixels[len(pixels) - 1 - int(y), int(x), :3].astype(int)


def grey_levels(figure: Figure, axes, shape: tuple[int, int]) -> np.ndarray:
    """What is seen at the centre of every pixel of the image that fills these axes, row by row from the top."""
    box, (height, width) = axes.bbox, shape
    levels = np.zeros(shape, int)
    for row in range(height):
        for column in range(width):
            x = box.x0 + (column + 0.5) / width * box.width
            y = box.y1 - (row + 0.5) / height * box.height
            red, green, blue = colour_at(figure, x, y)
            assert red == green == blue
            levels[row, column] = red
    return levels


def shows(figure: Figure, axes, image: np.ndarray) -> None:
    assert np.ptp(image) > 0.3, "an image of one grey level tells nothing about its orientation"
    np.testing.assert_allclose(grey_levels(figure, axes, SHAPE), image.reshape(SHAPE) * 255, atol=1.5)


# --- the latent explorer


@pytest.mark.parametrize("target", [(1.5, -0.5), (-2.25, 1.0), (0.0, 2.0)])
def test_a_click_in_the_plane_moves_z_there_and_shows_what_it_decodes_to(explorer, target):
    x, y = place_in(explorer.axes, *target)
    drag(explorer.figure, (x, y))
    pixel = (explorer.axes.get_xlim()[1] - explorer.axes.get_xlim()[0]) / explorer.axes.bbox.width
    np.testing.assert_allclose(explorer.z, target, atol=pixel)
    assert explorer.z.dtype == np.float32
    shows(explorer.figure, explorer.picture.axes, explorer.model.decode(explorer.z[None])[0])
    for slider, value in zip(explorer.sliders, explorer.z, strict=True):
        assert slider.val == pytest.approx(value, abs=1e-6)
        assert slider.valtext.get_text() == f"{value:+.2f}"


def test_the_crosshair_and_the_ring_lie_at_z(explorer):
    box = explorer.axes.bbox
    blank = LatentExplorer(canvas_figure(), explorer.model, DIGITS.test, SHAPE, position=(-2.9, -2.9))
    blank.figure.canvas.draw()
    drag(explorer.figure, place_in(explorer.axes, 1.5, 0.7))
    x, y = place_in(explorer.axes, *explorer.z)
    grey, red = np.full(3, 0.3 * 255), np.array(to_rgb(explore.ACCENT)) * 255  # black lines let 0.3 of white through
    radius = explorer.ring.get_markersize() / 2 / 72 * explorer.figure.dpi
    diagonals = [(x + dx * radius, y + dy * radius) for dx in (-0.7, 0.7) for dy in (-0.7, 0.7)]
    ends = [(x, box.y0 + 20), (x, box.y1 - 20), (box.x0 + 20, y), (box.x1 - 20, y)]
    for colour, places in ((grey, ends), (red, diagonals)):
        for place in places:
            assert distance(explorer.figure, place, colour) < 60 < distance(blank.figure, place, colour)


def distance(figure: Figure, place: tuple[float, float], colour: np.ndarray) -> float:
    """From the colour to that of the most similar pixel among the nine at a place."""
    nine = [colour_at(figure, place[0] + dx, place[1] + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
    return min(np.abs(pixel - colour).max() for pixel in nine)


def test_the_sliders_move_one_coordinate_each(explorer):
    for k, slider in enumerate(explorer.sliders):
        before = explorer.z.copy()
        start, end = (place_in(slider.ax, value, 0.5) for value in (before[k], 2.0))
        drag(explorer.figure, start, (start[0] + 9, start[1]), end)
        assert explorer.z[k] == pytest.approx(2.0, abs=0.02) and explorer.z[1 - k] == before[1 - k]
        shows(explorer.figure, explorer.picture.axes, explorer.model.decode(explorer.z[None])[0])


def test_the_arrow_keys_step_and_r_returns_to_the_origin(explorer):
    step = explorer.limit / 30
    for key, moved in {"right": (1, 0), "up": (1, 1), "left": (0, 1), "down": (0, 0)}.items():
        press_key(explorer.figure, key)
        np.testing.assert_allclose(explorer.z, step * np.array(moved), atol=1e-6)
    drag(explorer.figure, place_in(explorer.axes, 1.0, 1.0))
    press_key(explorer.figure, "r")
    np.testing.assert_array_equal(explorer.z, 0)
    press_key(explorer.figure, "x")  # a key that means nothing does nothing
    np.testing.assert_array_equal(explorer.z, 0)
    for _ in range(40):
        press_key(explorer.figure, "up")
    np.testing.assert_allclose(explorer.z, [0, explorer.limit])


def walk(explorer: LatentExplorer) -> None:
    """Over the cloud, through the numbers on it, across both sliders, with keys in between."""
    axes, figure = explorer.axes, explorer.figure
    drag(figure, *(place_in(axes, *point) for point in [(0, 0), (1, 1), (-2, 0.5), (0.3, -2), (2.5, 2.5)]))
    for slider in explorer.sliders:
        drag(figure, place_in(slider.ax, slider.val, 0.5), place_in(slider.ax, -1, 0.5))
    for key in ("up", "right", "right", "down"):
        press_key(figure, key)


def test_after_blitting_the_screen_is_what_a_full_drawing_gives(explorer):
    untouched = screen(explorer.figure)
    walk(explorer)
    seen = screen(explorer.figure)
    assert (seen != untouched).any()
    np.testing.assert_array_equal(seen, drawn_by_matplotlib(explorer.figure))
    explorer.figure.canvas.draw()
    np.testing.assert_array_equal(seen, screen(explorer.figure))
    press_key(explorer.figure, "r")  # everything back in its place: not a trace of the walk is left
    np.testing.assert_array_equal(screen(explorer.figure), untouched)


def test_a_move_draws_nothing_that_stays(explorer, monkeypatch):
    drawn = []
    explorer.figure.canvas.mpl_connect("draw_event", drawn.append)
    blits = []
    monkeypatch.setattr(explorer.figure.canvas, "blit", blits.append)
    drag(explorer.figure, place_in(explorer.axes, 1, 1), place_in(explorer.axes, 2, 1))
    press_key(explorer.figure, "left")
    assert drawn == [] and len(blits) == 3


def resize(figure: Figure, width: float, height: float) -> None:
    """As a window does it: the new size, an event, and then a full drawing."""
    figure.set_size_inches(width, height, forward=False)
    figure.canvas.callbacks.process("resize_event", ResizeEvent("resize_event", figure.canvas))


@pytest.mark.parametrize("size", [(7, 5), (13, 8)])
@pytest.mark.parametrize("key_comes_first", [False, True])
def test_resizing(explorer, size, key_comes_first):
    drag(explorer.figure, place_in(explorer.axes, 1, 1))
    resize(explorer.figure, *size)
    if key_comes_first:  # a key that is pressed before the window has drawn its new size
        press_key(explorer.figure, "up")
        np.testing.assert_array_equal(screen(explorer.figure), drawn_by_matplotlib(explorer.figure))
    explorer.figure.canvas.draw()
    walk(explorer)
    assert screen(explorer.figure).shape == (size[1] * 80, size[0] * 80, 4)
    np.testing.assert_array_equal(screen(explorer.figure), drawn_by_matplotlib(explorer.figure))
    drag(explorer.figure, place_in(explorer.axes, -1, 2))
    np.testing.assert_allclose(explorer.z, (-1, 2), atol=0.05)
    shows(explorer.figure, explorer.picture.axes, explorer.model.decode(explorer.z[None])[0])


def test_saving_in_another_resolution_leaves_the_window_as_it_was(explorer):
    before = screen(explorer.figure)
    explorer.figure.savefig(io.BytesIO(), dpi=33)
    press_key(explorer.figure, "up")
    press_key(explorer.figure, "down")
    np.testing.assert_array_equal(screen(explorer.figure), before)


def test_a_drag_that_leaves_the_axes_stops_at_the_edge(explorer):
    figure, limit = explorer.figure, explorer.limit
    mouse(figure, "press", *place_in(explorer.axes, 1.0, 0.5))
    for place, edge in [
        ((5000, 5000), (limit, limit)),
        ((-300, -300), (-limit, -limit)),
        (place_in(explorer.picture.axes, 3, 3), (limit, None)),
        (place_in(explorer.sliders[0].ax, 0, 0.5), (None, -limit)),
    ]:
        mouse(figure, "move", *place)
        for value, expected in zip(explorer.z, edge, strict=True):
            assert abs(value) <= limit and (expected is None or value == expected)
    mouse(figure, "release", -300, -300)
    at_the_end = explorer.z.copy()
    mouse(figure, "move", *place_in(explorer.axes, 0, 0), button=None)
    np.testing.assert_array_equal(explorer.z, at_the_end)
    np.testing.assert_array_equal(screen(figure), drawn_by_matplotlib(figure))


def test_a_slider_dragged_out_of_the_figure_stops_at_its_end(explorer):
    (slider, other) = explorer.sliders
    start = place_in(slider.ax, 0, 0.5)
    drag(explorer.figure, start, (start[0] + 50, start[1] + 200), (9000, -50))
    assert explorer.z[0] == explorer.limit and explorer.z[1] == 0
    mouse(explorer.figure, "move", *place_in(other.ax, 1, 0.5))
    assert explorer.z[1] == 0


def test_other_buttons_and_the_toolbar_s_tools_move_nothing(explorer):
    place = place_in(explorer.axes, 1, 1)
    mouse(explorer.figure, "press", *place, button=3)
    mouse(explorer.figure, "move", *place, button=3)
    mouse(explorer.figure, "release", *place, button=3)
    explorer.figure.canvas.widgetlock(explorer)
    drag(explorer.figure, place, (place[0] + 30, place[1]))
    np.testing.assert_array_equal(explorer.z, 0)
    explorer.figure.canvas.widgetlock.release(explorer)
    drag(explorer.figure, place)
    assert (explorer.z > 0.9).all()


def test_a_canvas_that_cannot_blit_is_drawn_whole(monkeypatch):
    monkeypatch.setattr(FigureCanvasAgg, "supports_blit", False)
    explorer = LatentExplorer(canvas_figure(), small_vae(), DIGITS.test, SHAPE)
    explorer.figure.canvas.draw()
    walk(explorer)
    seen = screen(explorer.figure)
    np.testing.assert_array_equal(seen, drawn_by_matplotlib(explorer.figure))


def model_with_variances(scales: tuple[float, ...]) -> VAE:
    """A VAE whose mean of z_k is scales[k] times pixel 27 + k of the image, plus 5: variance apart from size."""
    n_z = len(scales)
    rng = np.random.default_rng(0)
    encoder, decoder = (Sequential([Dense(a, b, rng)]) for a, b in ((64, 2 * n_z), (n_z, 64)))
    linear = VAE(encoder, decoder, Bernoulli(), n_z)
    layer = linear.encoder.layers[0]
    layer.W[...], layer.b[...] = 0, 0
    for k, scale in enumerate(scales):
        layer.W[27 + k, k] = scale
        layer.b[k] = 5 - k
    return linear


def test_by_default_the_plane_has_the_dimensions_whose_means_vary_most():
    explorer = LatentExplorer(canvas_figure(), model_with_variances((0.1, 4, 0.2, 3, 0)), DIGITS.test, SHAPE)
    assert explorer.axes.get_xlabel() == "mean of z₂" and explorer.axes.get_ylabel() == "mean of z₄"
    assert [slider.label.get_text() for slider in explorer.sliders] == ["z₂", "z₄"]
    drag(explorer.figure, place_in(explorer.axes, 1, -2))
    np.testing.assert_allclose(explorer.z, [0, 1, 0, -2, 0], atol=0.05)
    texts = [text.get_text() for text in explorer.picture.axes.texts]
    assert texts == ["z has 5 dimensions; the other 3 stay at 0"]


def test_any_two_dimensions_through_any_image():
    model = small_vae(5)
    explorer = LatentExplorer(canvas_figure(), model, DIGITS.test, SHAPE, dimensions=(5, 2), image=17)
    mean = model.encode(DIGITS.test[17:18])[0][0]
    np.testing.assert_allclose(explorer.z, mean, atol=1e-6)
    explorer.figure.canvas.draw()
    drag(explorer.figure, place_in(explorer.axes, 1, -2))
    np.testing.assert_allclose(explorer.z, [mean[0], -2, mean[2], mean[3], 1], atol=0.05)
    shows(explorer.figure, explorer.picture.axes, model.decode(explorer.z[None])[0])
    assert LatentExplorer(canvas_figure(), model, DIGITS.test, SHAPE, (), (1, 2), 17, (0.5, -9.5)).z.tolist() == (
        pytest.approx([0.5, -9.5, *mean[2:].tolist()], abs=1e-6)
    )


def test_every_mean_lies_in_the_plane_with_the_colour_of_its_class(explorer):
    means = np.concatenate([explorer.model.encode(DIGITS.test[k : k + 1])[0] for k in range(300)])
    for label, cloud in zip(range(10), explorer.axes.collections, strict=True):
        np.testing.assert_allclose(cloud.get_offsets(), means[DIGITS.test.labels == label], atol=1e-5)
        np.testing.assert_allclose(cloud.get_facecolor()[0, :3], to_rgb(figures.CLASS_COLOURS[label]))
    assert np.abs(means).max() <= explorer.limit and explorer.limit >= 3


def test_images_without_labels_are_coloured_by_time():
    video = Images(DIGITS.test.pixels, 16)
    explorer = LatentExplorer(canvas_figure(), small_vae(), video, SHAPE)
    (cloud,) = explorer.axes.collections
    np.testing.assert_array_equal(cloud.get_array(), np.arange(300))
    explorer.figure.canvas.draw()
    walk(explorer)
    np.testing.assert_array_equal(screen(explorer.figure), drawn_by_matplotlib(explorer.figure))


@pytest.mark.parametrize(
    "n_z, arguments, message",
    [
        (3, {"dimensions": (1, 4)}, "there is no latent dimension 4: the model has 3, counted from 1 to 3"),
        (3, {"dimensions": (0, 1)}, "there is no latent dimension 0"),
        (3, {"dimensions": (2, 2)}, "a plane takes two different latent dimensions, got 2 twice"),
        (1, {}, "the model has a single latent dimension, which is a line"),
        (2, {"image": 300}, "there is no image 300: they are numbered from 0 to 299"),
        (2, {"image": -1}, "there is no image -1"),
        (2, {"position": (float("nan"), 0)}, "the point to start from must have finite coordinates"),
    ],
)
def test_what_the_latent_explorer_refuses(n_z, arguments, message):
    with pytest.raises(ExploreError, match=message):
        LatentExplorer(canvas_figure(), small_vae(n_z), DIGITS.test, SHAPE, **arguments)


def test_a_model_of_other_images_is_refused():
    with pytest.raises(ExploreError, match=r"made for other images: Dense\(70, 20\) expects x of shape \(N, 70\)"):
        LatentExplorer(canvas_figure(), small_vae(n_x=70), DIGITS.test, SHAPE)
    with pytest.raises(ExploreError, match=r"odd was made for other images: Dense\(70, 10\) expects x"):
        ClassifierComparison(canvas_figure(), {"odd": small_classifier(0, n_x=70)}, DIGITS.test, SHAPE)


# --- classifiers side by side


def shows_image(comparison: ClassifierComparison, number: int, classifiers: dict[str, Classifier]) -> None:
    """The image, its label, and for every classifier its bars, its prediction and certainty are those of `number`."""
    figure, label = comparison.figure, DIGITS.test.labels[number]
    assert comparison.image == number and comparison.slider.val == number
    assert comparison.title.get_text() == f"true class {label}"
    shows(figure, comparison.picture.axes, DIGITS.test[number])
    for k, classifier in enumerate(classifiers.values()):
        probabilities = classifier.probabilities(DIGITS.test[number : number + 1])[0]
        best = int(probabilities.argmax())
        prediction, certainty = (text.get_text() for text in comparison.verdicts[k])
        assert prediction == f"{best} {'✓' if best == label else '✗'}"
        assert float(certainty) == pytest.approx(100 * probabilities[best], abs=0.06)
        middle = best - 0.4 + 0.8 * (k + 0.5) / len(classifiers)
        pixel = 1 / comparison.axes.bbox.width
        if 4 * pixel < probabilities[best] < 1 - 4 * pixel:
            inside, outside = (
                colour_at(figure, *place_in(comparison.axes, probabilities[best] + d * pixel, middle)) for d in (-3, 3)
            )
            colour = np.array(to_rgb(figures.CLASS_COLOURS[k])) * 255
            np.testing.assert_allclose(inside, colour, atol=2)
            assert np.abs(outside - colour).max() > 20
    band = colour_at(figure, *place_in(comparison.axes, 0.999, label + 0.45))
    above = colour_at(figure, *place_in(comparison.axes, 0.9985, label - 0.55 if label else 1.45))
    assert band.max() < 230 < above.min()
    np.testing.assert_array_equal(screen(figure), drawn_by_matplotlib(figure))


def test_slider_and_keys_choose_the_image(comparison):
    classifiers = {f"classifier {seed}": small_classifier(seed) for seed in range(3)}
    figure, slider = comparison.figure, comparison.slider
    shows_image(comparison, 0, classifiers)
    press_key(figure, "left")
    shows_image(comparison, 0, classifiers)
    press_key(figure, "right")
    shows_image(comparison, 1, classifiers)
    drag(figure, place_in(slider.ax, 1, 0.5), place_in(slider.ax, 123, 0.5))
    shows_image(comparison, 123, classifiers)
    drag(figure, place_in(slider.ax, 123, 0.5), (9000, 9000))
    shows_image(comparison, 299, classifiers)
    press_key(figure, "right")
    press_key(figure, "left")
    shows_image(comparison, 298, classifiers)


def test_d_and_e_go_round_all_the_images_they_promise():
    """Three classifiers that know the answer, and are taught where to disagree and where to be wrong."""
    labels = DIGITS.test.labels
    right = np.eye(10)[labels]
    wrong = np.roll(right, 1, axis=1)

    class Oracle:
        def __init__(self, mistakes):
            self.answers, self.at = np.where(np.isin(np.arange(300), mistakes)[:, None], wrong, right), 0

        def probabilities(self, x):
            self.at += len(x)
            return self.answers[self.at - len(x) : self.at]

    oracles = {"a": Oracle([7, 50, 299]), "b": Oracle([50, 120]), "c": Oracle([50])}
    comparison = ClassifierComparison(canvas_figure(), oracles, DIGITS.test, SHAPE)
    figure = comparison.figure
    (hint,) = (text.get_text() for text in figure.texts)
    assert "next of 3 on which they disagree" in hint and "next of 4 that at least one gets wrong" in hint
    for key, numbers in {"d": [7, 120, 299, 7], "e": [50, 120, 299, 7, 50]}.items():
        for number in numbers:
            press_key(figure, key)
            assert comparison.image == number
    alone = ClassifierComparison(canvas_figure(), {"a": Oracle([])}, DIGITS.test, SHAPE, image=5)
    for key in "de":
        press_key(alone.figure, key)
        assert alone.image == 5


def test_the_bars_are_the_probabilities_of_all_classes(comparison):
    press_key(comparison.figure, "right")
    for seed, bars in enumerate(comparison.bars):
        expected = small_classifier(seed).probabilities(DIGITS.test[1:2])[0]
        for label, path in enumerate(bars.get_paths()):
            (left, top), (right, bottom) = path.vertices.min(axis=0), path.vertices.max(axis=0)
            assert left == 0 and right == pytest.approx(expected[label], abs=1e-6)
            assert label - 0.4 <= top + 1e-9 and bottom - 1e-9 <= label + 0.4
            assert (top + bottom) / 2 == pytest.approx(label + 0.8 * (seed - 1) / 3)


def test_a_drag_over_the_images_stays_exact_and_survives_a_new_size(comparison):
    figure, slider = comparison.figure, comparison.slider
    places = [place_in(slider.ax, number, 0.5) for number in (0, 40, 41, 200, 77)]
    drag(figure, *places)
    np.testing.assert_array_equal(screen(figure), drawn_by_matplotlib(figure))
    resize(figure, 12, 7)
    figure.canvas.draw()
    drag(figure, place_in(slider.ax, 77, 0.5), place_in(slider.ax, 150, 0.5))
    assert comparison.image == 150
    np.testing.assert_array_equal(screen(figure), drawn_by_matplotlib(figure))


def test_what_the_comparison_refuses():
    one = {"one": small_classifier(0)}
    with pytest.raises(ExploreError, match="these images have no labels"):
        ClassifierComparison(canvas_figure(), one, Images(DIGITS.test.pixels, 16), SHAPE)
    with pytest.raises(ExploreError, match="there is no image 300: they are numbered from 0 to 299"):
        ClassifierComparison(canvas_figure(), one, DIGITS.test, SHAPE, image=300)
    with pytest.raises(ExploreError, match="from 1 to 10 classifiers can be shown at once, got 11"):
        ClassifierComparison(canvas_figure(), {str(k): small_classifier(k) for k in range(11)}, DIGITS.test, SHAPE)
    with pytest.raises(ExploreError, match="other tells 3 classes apart, and one 10"):
        ClassifierComparison(canvas_figure(), {**one, "other": small_classifier(1, 3)}, DIGITS.test, SHAPE)


# --- the scripts


def checkpoint(folder: Path, model, **settings) -> Path:
    """The folder of a run that was trained on a few images."""
    folder.mkdir(parents=True, exist_ok=True)
    optimiser = SGD(model, lr=0.1) if isinstance(model, Classifier) else Adam(model)
    trainer = Trainer(model, optimiser, np.random.default_rng(0), settings)
    few = DIGITS.train.split(100)[0]
    batches = data.Labelled(few) if isinstance(model, Classifier) else few
    trainer.fit(batches, epochs=1, batch_size=50, after_epoch=[SaveCheckpoint(folder / "checkpoint.npz")])
    return folder


def test_the_latent_script_writes_the_picture_of_where_it_starts(tmp_path):
    folder = checkpoint(tmp_path / "run", small_vae(3), data="digits")
    out = tmp_path / "new" / "point.png"
    printed = succeeds(explore_latent.main, folder, "--dims", 3, 1, "--image", 4, "--z", "1.0", "-0.5", "--out", out)
    assert printed.endswith(f"written: {out}\n") and [*out.parent.iterdir()] == [out]
    model, _ = load_model(folder / "checkpoint.npz")
    figure = Figure(figsize=explore.SIZE, dpi=130)
    FigureCanvasAgg(figure)
    explorer = LatentExplorer(figure, model, DIGITS.test, SHAPE, (), (3, 1), 4, (1.0, -0.5))
    assert explorer.z[2] == 1.0 and explorer.z[0] == -0.5
    figure.canvas.draw()
    np.testing.assert_array_equal((imread(out) * 255).round().astype(np.uint8), screen(figure))


def test_binary_pixels_for_a_model_trained_on_them(tmp_path):
    images, shape, names = held_out_images({"data": "digits", "binarisation": "threshold"})
    assert set(np.unique(images.pixels)) == {0, 1} and shape == (8, 8) and len(images) == 300
    assert names == tuple("0123456789")


def test_the_comparison_script_names_classifiers_after_their_folders(tmp_path, monkeypatch):
    runs = [checkpoint(tmp_path / name, small_classifier(k), data="digits") for k, name in enumerate(["raw", "deep"])]
    seen = {}

    def remember(self, figure, classifiers, *rest):
        seen.update(classifiers=classifiers, rest=rest)
        init(self, figure, classifiers, *rest)

    init = ClassifierComparison.__init__
    monkeypatch.setattr(ClassifierComparison, "__init__", remember)
    succeeds(
        compare_classifiers.main,
        runs[0],
        runs[1] / "checkpoint.npz",
        "--image",
        17,
        "--out",
        tmp_path / "a.png",
    )
    assert list(seen["classifiers"]) == ["raw", "deep"] and seen["rest"][-1] == 17
    assert np.ptp(imread(tmp_path / "a.png")[..., :3]) > 0.5
    other = checkpoint(tmp_path / "elsewhere" / "raw", small_classifier(5), data="digits")
    succeeds(compare_classifiers.main, runs[0], other, "--out", tmp_path / "b.png")
    assert list(seen["classifiers"]) == [str(runs[0]), str(other)]


@pytest.fixture
def runs(tmp_path) -> dict[str, Path]:
    return {
        "vae": checkpoint(tmp_path / "vae", small_vae(3), data="digits"),
        "line": checkpoint(tmp_path / "line", small_vae(1), data="digits"),
        "classifier": checkpoint(tmp_path / "classifier", small_classifier(0), data="digits"),
        "binary": checkpoint(tmp_path / "binary", small_classifier(0), data="digits", binarisation="fixed"),
        "clothes": checkpoint(tmp_path / "clothes", small_classifier(0), data="fashion-mnist"),
        "unknown": checkpoint(tmp_path / "unknown", small_vae(), data="cifar"),
        "silent": checkpoint(tmp_path / "silent", small_vae()),
        "nothing": tmp_path / "nothing",
    }


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["vae", "--dims", "2", "4"], "error: there is no latent dimension 4: the model has 3, counted from 1 to 3"),
        (["vae", "--dims", "2", "2"], "error: a plane takes two different latent dimensions, got 2 twice"),
        (["vae", "--dims", "0", "1"], "argument --dims: expected a whole number of at least 1, got 0"),
        (["vae", "--image", "300"], "error: there is no image 300: they are numbered from 0 to 299"),
        (["vae", "--z", "nan", "0"], "error: the point to start from must have finite coordinates"),
        (["vae", "--z", "1"], "argument --z: expected 2 arguments"),
        (["vae", "--out", "x.pdf"], "error: pictures are written as PNG: --out takes a name that ends in .png, got"),
        (["line"], "error: the model has a single latent dimension, which is a line: to walk in a plane takes two"),
        (
            ["classifier"],
            "classifier holds a model of class Classifier, and this is for a VAE: scratchnn explore shows",
        ),
        (["unknown"], "error: there is no data set 'cifar': choose one of digits, mnist"),
        (["silent"], "error: the checkpoint does not say on which data set its model was trained"),
        (["nothing"], "error: there is no checkpoint"),
    ],
)
def test_a_mistake_with_the_latent_script_is_one_sentence(runs, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = [] if "--out" in arguments else ["--out", "x.png"]
    text = fails(explore_latent.main, runs[arguments[0]], *arguments[1:], *out)
    assert message in text and not Path("x.png").exists() and not Path("x.pdf").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["classifier", "vae"], "vae holds a model of class VAE, which is no classifier: leave it out"),
        (["classifier", "clothes"], "clothes was trained on other images than {classifier}: its data is fashion-mnist"),
        (["classifier", "binary"], "{classifier}: its binarisation is fixed, and not none"),
        (["classifier", "classifier"], "is given twice: each classifier can be shown once"),
        (["classifier", "--image", "300"], "error: there is no image 300: they are numbered from 0 to 299"),
        (["classifier", "nothing"], "error: there is no checkpoint"),
        ([], "the following arguments are required: RUN"),
    ],
)
def test_a_mistake_with_the_comparison_is_one_sentence(runs, arguments, message, tmp_path):
    given = [runs.get(argument, argument) for argument in arguments]
    text = fails(compare_classifiers.main, *given, "--out", tmp_path / "x.png")
    assert message.format(**runs) in text and not (tmp_path / "x.png").exists()


def test_a_data_set_that_cannot_be_found(tmp_path, monkeypatch):
    folder = checkpoint(tmp_path / "run", small_vae(), data="mnist")
    monkeypatch.setenv("SCRATCHNN_DATA", str(tmp_path / "no-such-folder"))
    text = fails(explore_latent.main, folder, "--out", tmp_path / "x.png")
    assert "SCRATCHNN_DATA is set to" in text and "there is no such folder" in text


def test_a_checkpoint_that_claims_the_wrong_data_set(tmp_path, monkeypatch):
    folder = checkpoint(tmp_path / "run", small_vae(), data="digits")
    monkeypatch.setattr(
        data, "load", lambda name, split: data.DataSet(name, *[Images(np.zeros((3, 6), np.uint8), 1)] * 3, (2, 3))
    )
    text = fails(explore_latent.main, folder, "--out", tmp_path / "x.png")
    assert "the model was made for other images: Dense(64, 20) expects x of shape (N, 64), got (3, 6)" in text


@pytest.mark.parametrize("script", [explore_latent, compare_classifiers])
def test_help_has_examples(script):
    text = succeeds(script.main, "--help")
    assert f"python examples/{script.__name__}.py runs/" in text and "--out FILE.png" in text


# --- windows


def environment(**changes: str) -> dict[str, str]:
    """This process's, without a display."""
    kept = {
        name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")
    }
    return {**kept, **changes}


@pytest.mark.skipif(sys.platform != "linux", reason="macOS and Windows need no DISPLAY: a window would open")
@pytest.mark.parametrize("changes", [{}, {"MPLBACKEND": "agg"}, {"MPLBACKEND": "tkagg"}, {"DISPLAY": ":987"}])
def test_without_a_display_the_script_says_how_to_get_a_picture(tmp_path, changes):
    folder = checkpoint(tmp_path / "run", small_vae(), data="digits")
    command = [sys.executable, str(ROOT / "examples/explore_latent.py"), str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment(**changes), timeout=60)
    assert ran.returncode == 1 and ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("error: no window can be opened (")
    assert ran.stderr.endswith("): --out FILE.png writes a picture instead\n")


def test_a_toolkit_that_fails_is_no_traceback(monkeypatch):
    import matplotlib.pyplot as plt

    class TclError(Exception):
        pass

    def figure(**_):
        raise TclError("couldn't connect to display")

    monkeypatch.setattr(plt, "figure", figure)
    with pytest.raises(ExploreError, match=r"couldn't connect to display\): --out FILE.png writes a picture instead"):
        explore.window()


@pytest.fixture
def display():
    """The name of a virtual X display, for as long as the test runs."""
    pytest.importorskip("tkinter", reason="this Python has no tkinter, so no window can be opened")
    if shutil.which("Xvfb") is None:
        pytest.skip("there is no Xvfb, and so no virtual display to open a window on")
    ours, theirs = os.pipe()
    command = ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "1280x900x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(command, pass_fds=[theirs], stderr=subprocess.DEVNULL)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        number = pipe.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()


DRIVER = """\
import sys
import matplotlib.pyplot as plt
import numpy as np
from PIL import ImageGrab
sys.path.insert(0, {examples!r})
import explore_latent
from scratchnn.scripts import explore

show = plt.show

def drive():
    try:
        drag_and_press()
    finally:
        plt.close("all")

def drag_and_press():
    # what a hand would do, as events of the toolkit, and then a look at the screen of the display itself
    explorer = next(o for o in __import__("gc").get_objects() if isinstance(o, explore.LatentExplorer))
    canvas, widget = explorer.figure.canvas, explorer.figure.canvas.get_tk_widget()
    root = widget.winfo_toplevel()

    def there(x, y):
        x, y = explorer.axes.transData.transform((x, y))
        return dict(x=round(x), y=round(len(pixels()) - y))

    def pixels():
        return np.asarray(canvas.buffer_rgba())[..., :3]

    def matches():
        root.update()
        left, top, (height, width, _) = widget.winfo_rootx(), widget.winfo_rooty(), pixels().shape
        seen = np.array(ImageGrab.grab(xdisplay={display!r}))[top : top + height, left : left + width, :3]
        return np.array_equal(seen, pixels())

    def report(what):
        print(what, *np.round(explorer.z, 2).tolist(), "screen", "equal" if matches() else "DIFFERENT", flush=True)

    report("start")
    drawn = []
    explorer.figure.canvas.mpl_connect("draw_event", drawn.append)
    widget.event_generate("<Motion>", **there(1, 1))
    widget.event_generate("<ButtonPress-1>", **there(1, 1))
    widget.event_generate("<Motion>", **there(1.5, 0), state=0x100)
    widget.event_generate("<Motion>", **there(2, -1), state=0x100)
    widget.event_generate("<ButtonRelease-1>", **there(2, -1), state=0x100)
    report("drag")
    widget.focus_force()
    root.update()
    for key in ("Up", "Up", "Left"):
        widget.event_generate(f"<KeyPress-{{key}}>")
    report("keys")
    print("drawn", len(drawn), flush=True)
    root.geometry("900x620")
    report("resized")
    widget.event_generate("<KeyPress-r>")
    report("origin")
    ImageGrab.grab(xdisplay={display!r}).save({screenshot!r})

def show_and_drive():
    plt.gcf().canvas.get_tk_widget().after(300, drive)
    show()

plt.show = show_and_drive
explore_latent.main([{folder!r}])
print("closed", flush=True)
"""


def test_in_a_real_window(tmp_path, display):
    """The script opens it, the toolkit's own events drive it, and the display's pixels are those of the canvas."""
    folder = checkpoint(tmp_path / "run", small_vae(), data="digits")
    screenshot = os.environ.get("SCRATCHNN_SCREENSHOT", str(tmp_path / "screen.png"))
    code = textwrap.dedent(DRIVER).format(
        examples=str(ROOT / "examples"), folder=str(folder), display=display, screenshot=screenshot
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
        env=environment(DISPLAY=display, MPLBACKEND="tkagg"),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    start, dragged, keyed, drawn, resized, origin, closed = ran.stdout.splitlines()
    assert start == "start 0.0 0.0 screen equal" and origin == "origin 0.0 0.0 screen equal" and closed == "closed"
    what, x, y, *rest = dragged.split()
    assert what == "drag" and (float(x), float(y)) == pytest.approx((2, -1), abs=0.05) and rest == ["screen", "equal"]
    step = 3 / 30
    what, x2, y2, *rest = keyed.split()
    assert (float(x2), float(y2)) == pytest.approx((float(x) - step, float(y) + 2 * step), abs=0.05)
    assert rest == ["screen", "equal"] and drawn == "drawn 0"
    assert resized.split()[1:] == keyed.split()[1:]


def test_a_classifier_of_other_classes_does_not_fit(tmp_path):
    few = {"few": small_classifier(0, n_classes=5)}
    with pytest.raises(ExploreError, match="of 5 classes does not fit these images: their labels go up to 9"):
        ClassifierComparison(canvas_figure(), few, DIGITS.test, SHAPE)
    with pytest.raises(ExploreError, match="and 3 classes have names"):
        ClassifierComparison(canvas_figure(), {"ten": small_classifier(0)}, DIGITS.test, SHAPE, ("a", "b", "c"))
