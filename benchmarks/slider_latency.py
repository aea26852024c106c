"""How long the explorers take from an event to the picture that answers it.

    python -m benchmarks.slider_latency
    python -m benchmarks.slider_latency --run runs/vae-mnist-z2-seed0

Real mouse events drag through the plane and along a slider, and the arrow keys are pressed; each is timed until the
canvas has been blitted and, in a window, until the toolkit has no work left. First on a canvas in memory (Agg), then,
if there is a display, in a window. The bar is 30 ms, about a frame of film. Without --run the network has the sizes of
the thesis and random weights, and the images are noise: the time is the same. A full redraw, what every event would
cost without blitting, stands beside it.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backend_bases import KeyEvent, MouseButton, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scratchnn import VAE, Classifier, Dense, Sequential
from scratchnn.data import Images
from scratchnn.scripts import cli, explore
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.scripts.trained import held_out_images
from scratchnn.training.checkpoints import load_model

EVENTS, N_IMAGES, BAR_MS = 200, 10_000, 30


def drag(figure: Figure, start: tuple[float, float], end: tuple[float, float]) -> list[Callable[[], None]]:
    """The events of a drag between two points in pixels, a quarter of an ellipse so that every one moves both ways."""
    canvas: Any = figure.canvas
    angles = np.linspace(0, np.pi / 2, EVENTS)
    xs, ys = (a + (b - a) * way for a, b, way in zip(start, end, (np.sin(angles), 1 - np.cos(angles)), strict=True))

    def event(name: str, x: float, y: float) -> Callable[[], None]:
        return lambda: canvas.callbacks.process(name, MouseEvent(name, canvas, round(x), round(y), MouseButton.LEFT))

    motions = [event("motion_notify_event", x, y) for x, y in zip(xs, ys, strict=True)]
    return [event("button_press_event", *start), *motions, event("button_release_event", *end)]


def keys(figure: Figure, names: list[str]) -> list[Callable[[], None]]:
    canvas = figure.canvas

    def event(key: str) -> Callable[[], None]:
        return lambda: canvas.callbacks.process("key_press_event", KeyEvent("key_press_event", canvas, key))

    return [event(names[k % len(names)]) for k in range(EVENTS)]


def milliseconds(figure: Figure, actions: list[Callable[[], None]]) -> np.ndarray:
    """The time of each action, until the toolkit, if there is one, has shown what it was given."""
    took = []
    for action in actions:
        began = time.perf_counter()
        action()
        figure.canvas.flush_events()
        took.append(1000 * (time.perf_counter() - began))
    return np.array(took)


def measure(new_figure: Callable[[], Figure], vae: VAE, images: Images, image_shape: tuple[int, int]) -> None:
    """Prints the latency of both explorers, each on a figure of its own."""
    figure = new_figure()
    explorer = explore.LatentExplorer(figure, vae, images, image_shape)
    figure.canvas.draw()
    plane, slider = (axes.bbox for axes in (explorer.axes, explorer.sliders[0].ax))
    row(figure, "drag in the plane", drag(figure, (plane.x0 + 9, plane.y0 + 9), (plane.x1 - 9, plane.y1 - 9)))
    middle = (slider.y0 + slider.y1) / 2
    row(figure, "drag of a slider", drag(figure, (slider.x0 + 1, middle), (slider.x1 - 1, middle)))
    row(figure, "arrow keys", keys(figure, ["up", "right", "down", "left"]))
    row(figure, "full redraw", [figure.canvas.draw] * 10)

    figure = new_figure()
    rng = np.random.default_rng(0)
    classifiers = {
        f"classifier {k}": Classifier(Sequential([Dense(images.pixels.shape[1], 10, rng)])) for k in (1, 2, 3, 4)
    }
    labels = rng.integers(0, 10, len(images)).astype(np.uint8)
    labelled = Images(images.pixels, images.max_value, labels)
    comparison = explore.ClassifierComparison(figure, classifiers, labelled, image_shape)
    figure.canvas.draw()
    slider = comparison.slider.ax.bbox
    middle = (slider.y0 + slider.y1) / 2
    row(figure, "4 classifiers, slider", drag(figure, (slider.x0 + 1, middle), (slider.x1 - 1, middle)))
    row(figure, "4 classifiers, keys", keys(figure, ["right", "d", "e"]))
    row(figure, "full redraw", [figure.canvas.draw] * 10)


def row(figure: Figure, what: str, actions: list[Callable[[], None]]) -> None:
    took = milliseconds(figure, actions)
    print(f"  {what:24} {np.median(took):8.1f} {np.percentile(took, 95):8.1f} {took.max():8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="folder or checkpoint of a VAE, instead of random weights")
    args = parser.parse_args()
    if args.run is None:
        rng = np.random.default_rng(0)
        vae: VAE = thesis_vae(784, 500, 2, rng)
        images, image_shape = Images(rng.integers(0, 256, (N_IMAGES, 784)).astype(np.uint8), 255), (28, 28)
    else:
        vae, settings = load_model(args.run)
        images, image_shape, _ = held_out_images(settings)

    print(f"python {platform.python_version()}; numpy {np.__version__}; matplotlib {matplotlib.__version__}")
    print(f"milliseconds from event to drawn image, bar {BAR_MS} {'median':>8} {'95 %':>8} {'largest':>8}")
    for dpi in (100, 200):

        def in_memory(dpi: int = dpi) -> Figure:
            figure = Figure(figsize=explore.SIZE, dpi=dpi)
            FigureCanvasAgg(figure)
            return figure

        print(f"in memory, {size(in_memory())}")
        measure(in_memory, vae, images, image_shape)

    def in_window() -> Figure:
        figure = explore.window()
        figure.show()
        figure.canvas.flush_events()
        return figure

    try:
        print(f"in a window, {size(in_window())}, {matplotlib.get_backend()}")
    except explore.ExploreError as error:
        print(f"in a window: not measured, {error}")
        return
    measure(in_window, vae, images, image_shape)


def size(figure: Figure) -> str:
    return " × ".join(map(str, figure.canvas.get_width_height())) + " pixels"


if __name__ == "__main__":
    cli.forgiving_terminal()
    main()
