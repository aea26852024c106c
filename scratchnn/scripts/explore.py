"""Pictures that move: a walk through a latent space (thesis, Fig. 38), and classifiers image by image (Fig. 33).

A slider has to answer within a few hundredths of a second, and drawing a scatter of ten thousand points alone takes
longer. So what stays is drawn once, and its pixels are kept. A move puts these pixels back, draws the few
things that have changed on top of them, and sends the result to the window: *blitting*. `Blitted` does it, and is all
that the two classes below share; the rest of each says which things move, and where to.

Both draw on a matplotlib figure that somebody else made: one in a window (`show`), one without, or in a notebook

    %matplotlib widget
    import matplotlib.pyplot as plt
    model, settings = load_model(Path("runs/vae-mnist-z2-seed0"))
    explorer = LatentExplorer(plt.figure(figsize=explore.SIZE), model, *held_out_images(settings))

where `%matplotlib widget` comes with the package ipympl. Its canvas does not blit, so every move draws the whole figure
again. Without ipympl a notebook shows the picture as it stands, without sliders. Keep the object, here `explorer`, for
as long as the picture is to answer: matplotlib itself does not hold on to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn.classifier import Classifier
from scratchnn.data import Images
from scratchnn.evaluation import encode
from scratchnn.machinery.files import written_whole
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import figures  # which says so where matplotlib is missing
from scratchnn.vae import VAE

import matplotlib  # isort: skip
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import (
    Event,
    FigureManagerBase,
    KeyEvent,
    MouseButton,
    MouseEvent,
    key_press_handler,
)
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.widgets import Slider

SIZE = (10.0, 6.4)  # inches, what the layouts below are made for
ACCENT = "#bd1f01"  # of what moves
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class ExploreError(ValueError):
    """What was asked for cannot be shown. The message says why."""


class Blitted:
    """A figure in which a few artists move over a background that is drawn once, and keys do something.

    moving  the artists that move, in the order in which they are drawn; every one belongs to some axes of the figure
    keys    what each key does; all other keys keep the meaning that matplotlib gives them
    """

    def __init__(self, figure: Figure, moving: Sequence[Artist], keys: Mapping[str, Callable[[], None]]) -> None:
        self.figure, self.moving, self.keys = figure, moving, keys
        self.background: Any = None  # the pixels of all that does not move, once there are any
        for k, artist in enumerate(moving):
            artist.set_animated(True)  # so that matplotlib leaves it out of the background
            artist.set_zorder(10 + k)  # and in a file, where all is drawn in one go, it lies on top as well
        canvas = figure.canvas
        if canvas.manager is not None and canvas.manager.key_press_handler_id is not None:
            canvas.mpl_disconnect(canvas.manager.key_press_handler_id)  # it would take the arrow keys to undo a zoom
        canvas.mpl_connect("draw_event", self.on_draw)
        canvas.mpl_connect("resize_event", self.on_resize)
        canvas.mpl_connect("key_press_event", self.on_key)

    def on_draw(self, event: Any) -> None:
        """The background has been drawn, for the first time or again: keeps it, and adds what moves."""
        canvas = event.canvas
        if canvas.is_saving():  # to a file, and then matplotlib draws what moves as well
            return
        self.background = canvas.copy_from_bbox(self.figure.bbox) if canvas.supports_blit else None
        self.draw_moving(event.renderer)

    def on_resize(self, event: Event) -> None:
        self.background = None  # it has the old size; the window is about to draw a new one

    def on_key(self, event: KeyEvent) -> None:
        if event.key is not None and event.key in self.keys:
            self.keys[event.key]()
        elif event.canvas.manager is not None:
            key_press_handler(event)

    def redraw(self) -> None:
        """Shows what moves where it is now."""
        canvas: Any = self.figure.canvas
        if self.background is None:  # nothing drawn yet, or a canvas that cannot blit
            canvas.draw_idle()
            return
        canvas.restore_region(self.background)
        self.draw_moving(canvas.get_renderer())
        canvas.blit(self.figure.bbox)

    def draw_moving(self, renderer: Any) -> None:
        for artist in self.moving:
            artist.draw(renderer)


class LatentExplorer(Blitted):
    """A plane through the latent space: a point in it on the left, the image it decodes to on the right.

    Two sliders, a click or a drag in the plane, and the arrow keys move the point; r returns to the plane's origin. In
    the plane lie the means of q(z|x) of the given images, coloured by class or, without labels, by position.

    figure       an empty figure, about `SIZE`
    images       N images of D pixels, as the encoder wants them; image_shape (height, width), of D pixels
    class_names  what the labels mean; without them, numbers
    dimensions   two latent dimensions that span the plane, counted from 1 as in z₁; by default the two whose means
                 vary most over the images
    image        the other coordinates stay at the means of this image, numbered from 0; without one, at 0
    position     where in the plane to start; by default where the image is, or else the origin

    `z` (n_z,) is where the point is. ExploreError if a dimension or image does not exist, or the sizes do not fit.
    """

    def __init__(
        self,
        figure: Figure,
        model: VAE,
        images: Images,
        image_shape: tuple[int, int],
        class_names: Sequence[str] = (),
        dimensions: tuple[int, int] | None = None,
        image: int | None = None,
        position: tuple[float, float] | None = None,
    ) -> None:
        if image is not None:
            expect_number(image, images)
        expect_plane(model, dimensions)
        if position is not None and not np.isfinite(np.asarray(position).astype(model.params.dtype)).all():
            raise ExploreError(f"the point to start from must have finite coordinates, got {position}")
        try:
            means, _ = encode(model, images)
        except ValueError as error:
            raise ExploreError(f"the model was made for other images: {error}") from error
        if dimensions is None:
            first, second = sorted(np.argsort(-means.var(axis=0), kind="stable")[:2].tolist())
            dimensions = first + 1, second + 1
        self.model, self.image_shape = model, image_shape
        self.plane = np.array(dimensions) - 1
        self.z = np.zeros(model.n_z, model.params.dtype) if image is None else means[image].copy()
        if position is not None:
            self.z[self.plane] = position
        # a square that holds every mean, the start, and at least three standard deviations of N(0, I)
        self.limit = float(np.ceil(max(3.0, np.abs(means[:, self.plane]).max(), np.abs(self.z[self.plane]).max())))

        names = [f"z{k}".translate(SUBSCRIPTS) for k in dimensions]
        self.axes = figure.add_axes((0.07, 0.25, 0.46, 0.69))
        figures.scatter(figure, self.axes, tuple(means[:, self.plane].T), images.labels)
        self.axes.set_aspect("equal")
        self.axes.grid(alpha=0.25)
        reach = (-1.03 * self.limit, 1.03 * self.limit)
        self.axes.set(xlabel=f"mean of {names[0]}", ylabel=f"mean of {names[1]}", xlim=reach, ylim=reach)
        if images.labels is not None:
            figures.name_clouds(
                self.axes, means[:, self.plane], images.labels, class_names, kept_free=[self.z[self.plane]]
            )
        self.axes.set_title(f"where the encoder puts {len(images):,} images", fontsize=11)
        cross: dict[str, Any] = {"color": "black", "linewidth": 0.8, "alpha": 0.7}
        self.cross = self.axes.axvline(**cross), self.axes.axhline(**cross)
        (self.ring,) = self.axes.plot(
            [], [], "o", markersize=13, markeredgewidth=2.5, markeredgecolor=ACCENT, markerfacecolor="none"
        )

        place = figure.add_axes((0.59, 0.25, 0.37, 0.69))
        place.set_title("what the decoder makes of the point", fontsize=11)
        self.picture = show_image(place, image_shape)
        if model.n_z > 2:
            where = "at 0" if image is None else f"where image {image:,} is"
            others = f"z has {model.n_z} dimensions; the other {model.n_z - 2} stay {where}"
            place.text(0.5, -0.04, others, transform=place.transAxes, ha="center", va="top", fontsize=9)

        self.sliders = tuple(
            make_slider(figure, bottom, name, -self.limit, self.limit, float(start), "%+.2f")
            for bottom, name, start in zip((0.115, 0.065), names, self.z[self.plane], strict=True)
        )
        write_hint(figure, "drag a slider or in the plane  ·  arrow keys: small steps  ·  r: to the origin")
        step = self.limit / 30
        super().__init__(
            figure,
            [self.picture, *self.cross, self.ring, *(part for slider in self.sliders for part in moving_parts(slider))],
            {
                "left": lambda: self.move_by(-step, 0),
                "right": lambda: self.move_by(step, 0),
                "down": lambda: self.move_by(0, -step),
                "up": lambda: self.move_by(0, step),
                "r": lambda: self.move_to(0, 0),
            },
        )
        self.dragging = False
        for slider in self.sliders:
            slider.on_changed(self.on_slider)
        figure.canvas.mpl_connect("button_press_event", self.on_press)
        figure.canvas.mpl_connect("motion_notify_event", self.on_motion)
        figure.canvas.mpl_connect("button_release_event", self.on_release)
        self.decode()

    def move_to(self, horizontal: float, vertical: float) -> None:
        """Moves the point to these coordinates in the plane, or as far as the sliders go."""
        for slider, value in zip(self.sliders, (horizontal, vertical), strict=True):
            slider.eventson = False  # two sliders move, and one picture is drawn
            slider.set_val(np.clip(value, -self.limit, self.limit))
            slider.eventson = True
        self.on_slider()

    def move_by(self, horizontal: float, vertical: float) -> None:
        self.move_to(self.sliders[0].val + horizontal, self.sliders[1].val + vertical)

    def on_slider(self, _: float | None = None) -> None:
        self.z[self.plane] = [slider.val for slider in self.sliders]
        self.decode()
        self.redraw()

    def decode(self) -> None:
        """Puts the crosshair at z, and what z decodes to into the picture."""
        horizontal, vertical = self.z[self.plane]
        self.cross[0].set_xdata([horizontal, horizontal])
        self.cross[1].set_ydata([vertical, vertical])
        self.ring.set_data([horizontal], [vertical])
        self.picture.set_array(self.model.decode(self.z[None])[0].reshape(self.image_shape))

    def on_press(self, event: MouseEvent) -> None:
        free = not event.canvas.widgetlock.locked()  # otherwise the toolbar's zoom or pan has the mouse
        if event.inaxes is self.axes and event.button == MouseButton.LEFT and free:
            self.dragging = True
            self.on_motion(event)

    def on_motion(self, event: MouseEvent) -> None:
        if self.dragging:  # outside the axes as well, where an event has no xdata
            horizontal, vertical = self.axes.transData.inverted().transform((event.x, event.y))
            self.move_to(horizontal, vertical)

    def on_release(self, event: MouseEvent) -> None:
        self.dragging = False


class ClassifierComparison(Blitted):
    """One image, and what every classifier makes of it: its probabilities as bars, its prediction, its certainty.

    A slider chooses the image, the arrow keys the one before or after; d jumps to the next image about which the
    classifiers disagree, e to the next that at least one gets wrong, and after the last image it goes on at the first.

    figure        an empty figure, about `SIZE`
    classifiers   by name, as many as there are colours
    images        labelled images of D pixels, as the classifiers want them; image_shape (height, width), of D pixels
    class_names   what the labels mean; without them, numbers
    image         the number of the image to start with, from 0

    `image` is the number of the image shown, `probabilities` (classifiers, N, classes). ExploreError if there is no
    such image, there are no labels, or the sizes do not fit.
    """

    def __init__(
        self,
        figure: Figure,
        classifiers: Mapping[str, Classifier],
        images: Images,
        image_shape: tuple[int, int],
        class_names: Sequence[str] = (),
        image: int = 0,
    ) -> None:
        if images.labels is None:
            raise ExploreError("these images have no labels, so there is no telling which classifier is right")
        if not 1 <= len(classifiers) <= len(figures.CLASS_COLOURS):
            raise ExploreError(
                f"from 1 to {len(figures.CLASS_COLOURS)} classifiers can be shown at once, got {len(classifiers)}"
            )
        expect_number(image, images)
        self.images, self.labels, self.image_shape = images, images.labels, image_shape
        self.probabilities = all_probabilities(classifiers, images)
        self.predictions = self.probabilities.argmax(axis=2)
        self.disputed = np.flatnonzero((self.predictions != self.predictions[0]).any(axis=0))
        self.mistaken = np.flatnonzero((self.predictions != self.labels).any(axis=0))

        place = figure.add_axes((0.03, 0.44, 0.40, 0.49))
        self.picture = show_image(place, image_shape)
        self.title = place.set_title("", fontsize=12)
        table = figure.add_axes((0.03, 0.17, 0.43, 0.235))
        table.set_axis_off()
        self.axes = figure.add_axes((0.52, 0.22, 0.45, 0.71))
        self.verdicts: list[list[Text]] = []
        self.bars: list[PolyCollection] = []
        n_classes = self.probabilities.shape[2]
        if self.labels.max(initial=0) >= n_classes or 0 < len(class_names) < n_classes:
            raise ExploreError(
                f"a classifier of {n_classes} classes does not fit these images: their labels go up to "
                f"{self.labels.max(initial=0)}, and {len(class_names)} classes have names"
            )
        font: dict[str, Any] = {"fontsize": min(10.0, 330 / max(map(len, classifiers))), "va": "center"}
        for right, heading in ((0.76, "predicts"), (0.98, "certainty, %")):
            table.text(right, 0.94, heading, fontsize=9, color="0.35", ha="right", va="center")
        for k, name in enumerate(classifiers):
            colour, line = figures.CLASS_COLOURS[k], 0.94 - 0.94 * (k + 1) / max(4, len(classifiers))
            table.text(0.02, line, "■", color=colour, **font)
            table.text(0.07, line, name, **font)
            self.verdicts.append([table.text(right, line, "", ha="right", **font) for right in (0.76, 0.98)])
            self.bars.append(PolyCollection([], color=colour, linewidth=0))
            self.axes.add_collection(self.bars[-1])
        self.axes.set(xlim=(0, 1), ylim=(n_classes - 0.5, -0.5), xlabel="probability", ylabel="class")
        self.names = [figures.name_of(label, class_names) for label in range(n_classes)]
        self.axes.set_yticks(range(n_classes), self.names)
        self.axes.tick_params(axis="y", length=0)
        self.axes.set_title("grey: the true class", fontsize=11)
        self.axes.xaxis.grid(alpha=0.3)
        self.band = Rectangle((0, 0), 1, 1, color="0.88")
        self.axes.add_patch(self.band)

        self.slider = make_slider(figure, 0.085, "image", 0, len(images) - 1, image, "%d", step=1)
        write_hint(
            figure,
            f"left, right: one image back or on  ·  d: next of {len(self.disputed):,} on which they disagree  ·  "
            f"e: next of {len(self.mistaken):,} that at least one gets wrong",
        )
        super().__init__(
            figure,
            [
                self.picture, self.title, self.band, *self.bars,
                *(text for verdict in self.verdicts for text in verdict), *moving_parts(self.slider),
            ],
            {
                "left": lambda: self.slider.set_val(max(self.image - 1, 0)),
                "right": lambda: self.slider.set_val(min(self.image + 1, len(images) - 1)),
                "d": lambda: self.jump(self.disputed),
                "e": lambda: self.jump(self.mistaken),
            },
        )  # fmt: skip
        self.slider.on_changed(self.on_slider)
        self.choose(image)

    def on_slider(self, value: float) -> None:
        self.choose(round(value))
        self.redraw()

    def jump(self, numbers: Array) -> None:
        """To the first of these ascending image numbers after the present one, or else the first of all."""
        if len(numbers):
            self.slider.set_val(int(numbers[np.searchsorted(numbers, self.image, side="right") % len(numbers)]))

    def choose(self, image: int) -> None:
        """Puts an image and what the classifiers make of it into the picture, the table and the bars."""
        self.image, label = image, self.labels[image]
        self.picture.set_array(self.images[image].reshape(self.image_shape))
        self.title.set_text(f"true class {self.names[label]}")
        self.band.set_y(label - 0.5)
        for k, (bars, verdict) in enumerate(zip(self.bars, self.verdicts, strict=True)):
            probabilities, prediction = self.probabilities[k, image], self.predictions[k, image]
            bars.set_verts(list(bar_corners(probabilities, k, len(self.bars))))
            right = prediction == label
            verdict[0].set_text(f"{self.names[prediction]} {'✓' if right else '✗'}")
            verdict[1].set_text(f"{100 * probabilities[prediction]:.1f}")
            for text in verdict:
                text.set_color("black" if right else ACCENT)


def bar_corners(lengths: Array, k: int, n: int) -> Array:
    """The corners (C, 4, 2) of C horizontal bars from 0, the k-th of n at every class; one artist draws all C."""
    top = np.arange(len(lengths)) - 0.4 + 0.8 * k / n
    bottom, start = top + 0.8 / n, np.zeros(len(lengths))
    return np.stack([[start, lengths, lengths, start], [top, top, bottom, bottom]]).T


def expect_plane(model: VAE, dimensions: tuple[int, int] | None) -> None:
    if model.n_z < 2:
        raise ExploreError("the model has a single latent dimension, which is a line: to walk in a plane takes two")
    for dimension in dimensions or ():
        if not 1 <= dimension <= model.n_z:
            raise ExploreError(
                f"there is no latent dimension {dimension}: the model has {model.n_z}, counted from 1 to {model.n_z}"
            )
    if dimensions is not None and dimensions[0] == dimensions[1]:
        raise ExploreError(f"a plane takes two different latent dimensions, got {dimensions[0]} twice")


def expect_number(image: int, images: Images) -> None:
    if not 0 <= image < len(images):
        raise ExploreError(f"there is no image {image}: they are numbered from 0 to {len(images) - 1}")


def all_probabilities(classifiers: Mapping[str, Classifier], images: Images) -> Array:
    """The probabilities (classifiers, N, classes) of every classifier for every image."""
    found = []
    for name, classifier in classifiers.items():
        try:
            chunks = [classifier.probabilities(images[i : i + 500]) for i in range(0, len(images), 500)]
        except ValueError as error:
            raise ExploreError(f"{name} was made for other images: {error}") from error
        found.append(np.concatenate(chunks))
        if found[-1].shape != found[0].shape:
            raise ExploreError(
                f"{name} tells {found[-1].shape[1]} classes apart, and {next(iter(classifiers))} {found[0].shape[1]}"
            )
    return np.array(found)


def show_image(axes: Axes, image_shape: tuple[int, int]) -> Any:
    """A black image that fills the axes; `set_array` puts another, (height, width) with values in [0, 1], in its place.

    Every pixel is a square of its own: for images as small as these that is several times faster than `imshow`.
    """
    picture = axes.pcolormesh(np.zeros(image_shape), cmap="gray", vmin=0, vmax=1)
    axes.set_aspect("equal")
    axes.invert_yaxis()  # the first row is the top one
    axes.set_axis_off()
    return picture


def make_slider(
    figure: Figure,
    bottom: float,
    name: str,
    low: float,
    high: float,
    start: float,
    form: str,
    step: float | None = None,
) -> Slider:
    """A slider near the lower edge of the figure that leaves all drawing to `Blitted`."""
    slider = Slider(
        figure.add_axes((0.12, bottom, 0.74, 0.035)), name, low, high,
        valinit=start, valfmt=form, valstep=step, color="#3f90da", initcolor="none",
    )  # fmt: skip
    slider.drawon = False
    return slider


def moving_parts(slider: Slider) -> list[Artist]:
    return [slider.poly, *slider.ax.lines, slider.valtext]


def write_hint(figure: Figure, text: str) -> None:
    figure.text(0.5, 0.025, text, ha="center", va="center", fontsize=9, color="0.35")


def show(draw: Callable[[Figure], Blitted], out: Path | None = None) -> None:
    """Draws in a window and returns when it is closed; or, given `out`, writes the picture as PNG and opens none.

    ExploreError if there is no window to be had, or the file is to be of another kind.
    """
    if out is not None:
        if out.suffix.lower() != ".png":
            raise ExploreError(f"pictures are written as PNG: --out takes a name that ends in .png, got {out}")
        figure = Figure(figsize=SIZE, dpi=130)
        FigureCanvasAgg(figure)
        draw(figure)
        with written_whole(out) as file:
            figure.savefig(file, format="png")
        return
    figure = window()
    alive = draw(figure)  # as long as this name lives, the picture answers
    import matplotlib.pyplot as plt

    plt.show()
    del alive


def window() -> Figure:
    """An empty figure in a window that appears with pyplot's `show`; ExploreError if there can be none."""
    try:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=SIZE)
    except Exception as error:  # every toolkit has its own
        raise ExploreError(f"no window can be opened ({error}): --out FILE.png writes a picture instead") from error
    if type(figure.canvas.manager) is FigureManagerBase:  # matplotlib has fallen back to drawing without a window
        raise ExploreError(
            f"no window can be opened (there is no display, or no toolkit such as tkinter or PyQt6, or MPLBACKEND asks "
            f"for none; matplotlib uses {matplotlib.get_backend()}): --out FILE.png writes a picture instead"
        )
    return figure
