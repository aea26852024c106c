"""Every plot, each a function from arrays to a matplotlib Figure; `save` writes it as PNG.

Nothing here needs a window or changes matplotlib's global state. Ten classes get ten colours that people with any of
the common colour deficiencies can tell apart (Petroff, "Accessible color sequences for data visualization", 2021), and
the class is written into its cloud as well. `@drawing` (provenance.py) marks what makes a figure, so that the file can
say which code has drawn it.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn.machinery.extras import missing
from scratchnn.machinery.files import written_whole
from scratchnn.machinery.parameters import Array
from scratchnn.scripts.provenance import drawing, text_of

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator
    from PIL import Image, PngImagePlugin
except ModuleNotFoundError as error:
    raise missing(error, "drawing figures") from error

CLASS_COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip


ACROSS = 32  # images side by side, if they were to fill the longer side of a plane
LOSS_CURVES = (
    ("train_loss", "#1b4f86", "training images, mean of an epoch"),
    ("held_out_loss", "#bd1f01", "validation images, after each epoch"),
)


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure, `width` × `height` inches, drawn without a window."""
    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    return figure


def save(figure: Figure, path: Path, settings: Mapping[str, Any]) -> None:
    """Writes the figure as PNG, whole or not at all.

    The file carries, as text, the command that is running, the settings of the run it shows, and the fingerprint of
    the function that has drawn it: `provenance.read` returns them.
    """
    write_png(figure, path, text_of(figure, settings))


def write_png(figure: Figure, path: Path, texts: Mapping[str, str]) -> None:
    """Writes the figure as PNG of 256 colours, with these texts in it, whole or not at all."""
    text = PngImagePlugin.PngInfo()
    for name, value in texts.items():
        text.add_itxt(name, value.encode("utf-8", "backslashreplace").decode())  # a folder's name need not be UTF-8
    canvas: Any = FigureCanvasAgg(figure)
    for axes in figure.axes:
        if axes.name == "3d":  # before Matplotlib 3.11 its tick labels have no place until they are drawn
            axes.draw(canvas.get_renderer())
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    # colours far from one another, however few pixels have them, as those of a legend; k-means then puts each in the
    # middle of what it stands for, and so large areas keep theirs
    few_colours = (
        Image.open(drawn)
        .convert("RGB")
        .quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    )
    with written_whole(path) as file:
        few_colours.save(file, format="png", optimize=True, pnginfo=text)


def mosaic(images: Array, image_shape: tuple[int, int], columns: int, gap: int = 1) -> Array:
    """Images (n, D) set side by side, `columns` to a row, with white lines `gap` pixels wide between them."""
    height, width = image_shape
    rows = -(-len(images) // columns)
    sheet = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap))
    for position, image in enumerate(images):
        top, left = (position // columns) * (height + gap), (position % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image.reshape(image_shape)
    return sheet


@drawing
def image_grid(
    images: Array, image_shape: tuple[int, int], columns: int, title: str, ticks: Array | None = None
) -> Figure:
    """Images (n, D) with values in [0, 1], `columns` to a row: samples, or a manifold with the z of its columns."""
    sheet = mosaic(images, image_shape, columns)
    width = max(6.0, 0.5 * columns)  # inches: a pixel of an image is to be seen
    beside, below = (0.0, 0.0) if ticks is None else (0.58, 0.43)  # inches; what ticks and their names take
    height = (width - beside) * sheet.shape[0] / sheet.shape[1] + below
    figure = new_figure(width, height + 0.35 + 0.2 * title.count("\n"), title)
    axes = figure.add_subplot()
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    if ticks is None:
        axes.set_axis_off()
        return figure
    values = MaxNLocator(8, steps=[1, 2, 5, 10]).tick_values(ticks[0], ticks[-1])
    values = values[(values >= ticks[0]) & (values <= ticks[-1])]  # round numbers, which may lie between two columns
    names = [f"{value:g}".replace("-", "−") for value in values]
    across, down = (middles(columns, size) for size in reversed(image_shape))
    axes.set_xticks(np.interp(values, ticks, across), names)
    axes.set_yticks(np.interp(values, ticks, down[::-1]), names)
    axes.set(xlabel="z₁", ylabel="z₂")
    return figure


def middles(n: int, size: int, gap: int = 1) -> Array:
    """Where the middles of n images of `size` pixels are in a mosaic; pixel k reaches from k − ½ to k + ½."""
    return np.arange(n) * (size + gap) + (size - 1) / 2


@drawing
def loss_curve(
    iteration_losses: Sequence[float],
    history: Sequence[dict[str, float]],
    title: str,
    floor: float | None = None,
    mean_image: float | None = None,
    untrained: float | None = None,
    minimised: str = "−ELBO",
    evaluated: str = "−ELBO",
) -> Figure:
    """The loss of every batch, its mean over and the held-out loss after every epoch, and two lines for a scale.

    Twice: the whole training, from the loss of the untrained network on; and its second half, enlarged. `evaluated` is
    what the held-out loss and that of the untrained network are, whatever is minimised.
    """
    figure = new_figure(10.5, 4.6, title)
    n, n_epochs = len(iteration_losses), len(history)
    iterations, ends = np.arange(1, n + 1), np.linspace(0, n, n_epochs + 1)
    means = {
        name: np.array([record[name] for record in history if name in record])
        for name in ("train_loss", "held_out_loss")
    }
    whole, half = figure.subplots(1, 2)
    size = min(4.0, 12 / n_epochs**0.5)
    quantity, in_training, held_out = f"{evaluated} (nats per image)", "", ""
    if minimised != evaluated:
        quantity, in_training, held_out = "nats per image", f", {minimised}", f", {evaluated}"
    for axes in (whole, half):
        batches = f"one training batch{in_training}"
        axes.plot(iterations, iteration_losses, color="#3f90da", linewidth=0.5, alpha=0.6, label=batches)
        for (name, colour, label), marker, what in zip(LOSS_CURVES, "os", (in_training, held_out), strict=True):
            if len(means[name]):
                axes.plot(ends[1:], means[name], marker, color=colour, linestyle="-", linewidth=1.5, markersize=size,
                          label=label + what)  # fmt: skip
        if mean_image is not None:
            axes.axhline(mean_image, color="black", linestyle=":", label=f"one mean image for all: {mean_image:.2f}")
        if floor is not None:
            axes.axhline(floor, color="black", linestyle="--", label=f"floor, entropy of the pixels: {floor:.2f}")
        axes.set(xlabel="iteration", ylabel=quantity)
        axes.grid(alpha=0.25)
    if untrained is not None:
        name = f"untrained{held_out}: {untrained:.2f}"
        whole.plot(0, untrained, "D", color="black", markersize=6, clip_on=False, label=name)
    late = [
        np.percentile(iteration_losses[n // 2 :], (5, 95)),
        *(of[len(of) // 2 :] for of in means.values() if len(of)),
    ]
    early = [np.array(iteration_losses), *([] if untrained is None else [np.array([untrained])])]
    scale = [np.array([line]) for line in (floor, mean_image) if line is not None]
    for axes, shown, name in ((whole, early + scale, "from the first step"), (half, late, "the second half, enlarged")):
        low, high = min(of.min() for of in shown), max(of.max() for of in shown)
        room = (high - low) or 1.0  # a single loss has no range
        axes.set(title=name, ylim=(low - 0.05 * room, high + 0.05 * room))
    whole.set_xlim(0, n)
    half.set_xlim(n // 2, n)
    handles, labels = whole.get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside lower center", ncols=3)
    return figure


@drawing
def progress_of_one_image(image: Array, snapshots: Array, image_shape: tuple[int, int], title: str) -> Figure:
    """An image (D,), then its reconstructions (1 + E, D): by the untrained network, and after each of E epochs.

    Of many epochs some are shown, nearly all of the first and ever fewer later on.
    """
    shown = np.unique(np.geomspace(1, len(snapshots), 40).round().astype(int)) - 1
    columns = 10
    rows = -(-(len(shown) + 1) // columns)
    figure = new_figure(8, 0.95 * rows * image_shape[0] / image_shape[1] + 0.6, title)
    axes = figure.subplots(rows, columns, squeeze=False)
    captions = [f"epoch {epoch}" if epoch else "untrained" for epoch in shown]
    pictures = [("input", image), *zip(captions, snapshots[shown], strict=True)]
    for position, place in enumerate(axes.flat):
        place.set_axis_off()
        if position < len(pictures):
            caption, picture = pictures[position]
            place.imshow(picture.reshape(image_shape), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            place.set_title(caption, fontsize=8, pad=2)
    return figure


def latent_grid(n: int, spacing: str) -> Array:
    """n × n points (n², 2) of a 2-D latent space, row by row from the top left.

    "linear": evenly spaced over [−3, 3]², as in the thesis. "quantile": the inverse normal CDF of an even grid over
    the unit square, as in the AEVB paper: every cell of the picture then has the same probability under N(0, I).
    """
    if spacing == "linear":
        ticks = np.linspace(-3, 3, n)
    elif spacing == "quantile":
        from scipy.special import ndtri

        ticks = ndtri((np.arange(n) + 0.5) / n)
    else:
        raise ValueError(f'spacing must be "linear" or "quantile", got {spacing!r}')
    horizontal, vertical = np.meshgrid(ticks, ticks[::-1])  # z₂ grows upwards, as in the scatter plot
    return np.column_stack([horizontal.ravel(), vertical.ravel()])


@drawing
def manifold(
    decode: Callable[[Array], Array], image_shape: tuple[int, int], title: str, spacing: str = "linear", n: int = 20
) -> Figure:
    """What a 2-D latent space decodes to, point by point; `decode` turns z (n², 2), float32, into images (n², D)."""
    grid = latent_grid(n, spacing)
    return image_grid(decode(grid.astype(np.float32)), image_shape, n, title, ticks=grid[:n, 0])


@drawing
def latent_scatter(means: Array, title: str, labels: Array | None = None, class_names: Sequence[str] = ()) -> Figure:
    """The means (N, 2) of q(z|x) of many images, coloured by class (labels from 0) or, without labels, by position.

    class_names: what the labels mean; without them, numbers.
    """
    figure = new_figure(6.4, 6, title)
    axes = figure.add_subplot()
    scatter(figure, axes, (means[:, 0], means[:, 1]), labels)
    axes.set_aspect("equal", "datalim")
    if labels is not None:
        name_clouds(axes, means, labels, class_names)
    axes.set(xlabel="mean of z₁", ylabel="mean of z₂")
    axes.grid(alpha=0.25)
    return figure


# a cloud of points does not show what the images look like where they lie; thousands of small images would cover one
# another, so as many are shown as fit without touching
def without_overlap(centres: Array, width: float, height: float) -> Array:
    """Which rectangles of this size, around centres (N, 2), can be shown; their rows, in order.

    Each is taken in turn and shown if it overlaps none that is shown already. The plane is divided into cells of the
    size of a rectangle. Two centres in one cell overlap, so a cell has at most one that is shown, and only those in the
    nine cells around can be in the way: no matter how many images there are.
    """
    shown: dict[tuple[int, int], int] = {}
    cells = np.floor(centres / (width, height)).astype(int)
    for row, (column, line) in enumerate(cells):
        around = (shown.get((column + right, line + up)) for right in (-1, 0, 1) for up in (-1, 0, 1))
        if not any(overlap(centres[row], centres[other], width, height) for other in around if other is not None):
            shown[column, line] = row
    return np.array(sorted(shown.values()), int)


def overlap(a: Iterable[float], b: Iterable[float], width: float, height: float) -> bool:
    """Whether two rectangles of this size overlap, the one around a, the other around b."""
    (ax, ay), (bx, by) = a, b
    return abs(ax - bx) < width and abs(ay - by) < height


@drawing
def images_in_plane(
    codes: Array,
    images: Array,
    image_shape: tuple[int, int],
    title: str,
    names: tuple[str, str] = ("mean of z₁", "mean of z₂"),
) -> Figure:
    """Images (N, D) with values in [0, 1], each around its code (N, 2): as many as do not overlap, the first first."""
    low, high = codes.min(axis=0), codes.max(axis=0)
    size = float((high - low).max()) / ACROSS or 1.0  # all codes the same: one image, of whatever size
    height, width = size * np.array(image_shape) / max(image_shape)
    rows = without_overlap(codes, width, height)
    figure = new_figure(8, 8, f"{title}\n{len(rows):,} of {len(codes):,} images shown")
    axes = figure.add_subplot()
    for (x, y), image in zip(codes[rows], images[rows], strict=True):
        axes.imshow(
            image.reshape(image_shape), cmap="gray", vmin=0, vmax=1,
            extent=(x - width / 2, x + width / 2, y - height / 2, y + height / 2),
        )  # fmt: skip
    margin = np.array([width, height])
    (left, bottom), (right, top) = low - margin, high + margin
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xlabel=names[0], ylabel=names[1])
    return figure


@drawing
def latent_scatter_3d(means: Array, title: str, labels: Array | None = None, class_names: Sequence[str] = ()) -> Figure:
    """The same in space, for means (N, 3); of means (N, 2) the third axis shows the class, or the position."""
    figure = new_figure(7, 6.4, title)
    axes = figure.add_subplot(projection="3d")
    if means.shape[1] == 3:
        height, name = means[:, 2], "mean of z₃"
    elif labels is None:
        height, name = np.arange(len(means)), "position in the sequence"
    else:
        height, name = labels, "class"
        axes.set_zticks(np.unique(labels), [name_of(label, class_names) for label in np.unique(labels)])
    scatter(figure, axes, (means[:, 0], means[:, 1], height), labels)
    if labels is not None:
        handles = [
            Line2D([], [], marker="o", linestyle="", color=CLASS_COLOURS[label % len(CLASS_COLOURS)],
                   label=name_of(label, class_names))
            for label in np.unique(labels)
        ]  # fmt: skip
        columns = 5 if any(len(name) > 2 for name in class_names) else 10
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=8, handletextpad=0)
    axes.set(xlabel="mean of z₁", ylabel="mean of z₂", zlabel=name)
    axes.set_box_aspect((4, 4, 3), zoom=1.05)
    return figure


@drawing
def latent_use(kl: Array, active: Array, title: str) -> Figure:
    """The mean KL (n_z,) of every latent dimension, largest first; the active ones in colour."""
    order = np.argsort(-kl)
    figure = new_figure(6.4, 3.4, title)
    axes = figure.add_subplot()
    for which, colour, name in ((active, "#3f90da", "active"), (~active, "#94a4a2", "not active")):
        axes.bar(
            np.flatnonzero(which[order]) + 1, kl[order][which[order]], color=colour, label=f"{name}: {which.sum()}"
        )
    axes.set(xlabel="latent dimensions, by their KL", ylabel="KL (nats per image)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=8)
    axes.grid(alpha=0.25, axis="y")
    return figure


@drawing
def collage(panels: Mapping[str, Array], image_shape: tuple[int, int], columns: int, title: str) -> Figure:
    """Several sheets of images (n, D) side by side, `columns` images to a row of each, under their names."""
    sheets = {name: mosaic(images, image_shape, columns) for name, images in panels.items()}
    first = next(iter(sheets.values()))
    figure = new_figure(2.4 * len(sheets), 2.4 * first.shape[0] / first.shape[1] + 0.6, title)
    for place, (name, sheet) in zip(figure.subplots(1, len(sheets), squeeze=False)[0], sheets.items(), strict=True):
        place.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        place.set_title(name, fontsize=9, pad=3)
        place.set_axis_off()
    return figure


def name_of(label: int, class_names: Sequence[str]) -> str:
    """The name of a class, or its number where the classes have no names."""
    return class_names[label] if class_names else str(label)


def scatter(figure: Figure, axes: Any, coordinates: tuple[Array, ...], labels: Array | None) -> None:
    """A point for every image: the colour is that of its class or, without labels, of its position in the sequence."""
    n = len(coordinates[0])
    size = np.clip(6000 / n, 3, 18)  # a few hundred points must be visible, ten thousand must not smear
    if labels is None:
        points = axes.scatter(*coordinates, c=np.arange(n), s=size, cmap="viridis", linewidths=0)
        figure.colorbar(points, ax=axes, label="position in the sequence", shrink=0.8)
        return
    for label in np.unique(labels):
        cloud = [axis[labels == label] for axis in coordinates]
        axes.scatter(*cloud, color=CLASS_COLOURS[label % len(CLASS_COLOURS)], s=size, linewidths=0, alpha=0.7)


def name_clouds(
    axes: Any, means: Array, labels: Array, class_names: Sequence[str] = (), kept_free: Sequence[Any] = ()
) -> None:
    """Writes every class into the middle of its means (N, 2), or beside it, with a line to it, where another stands.

    No name is written over a point (2,) of `kept_free`. The axes must have the same scale, by `set_aspect`.
    """
    axes.apply_aspect()  # otherwise the limits are those of the data, one by one, until the figure is drawn
    classes = np.unique(labels)
    centres = np.stack([np.median(means[labels == label], axis=0) for label in classes])
    words = any(len(name) > 2 for name in class_names)
    size = max(np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim()))
    gap = size * np.array([0.2, 0.055] if words else [0.07, 0.07])  # a word is wider than high
    fixed = np.reshape(kept_free, (-1, 2)) if len(kept_free) else np.empty((0, 2))
    places = pushed_apart(np.concatenate([fixed, centres]) / gap, 1.0, len(fixed))[len(fixed) :] * gap
    for label, centre, place in zip(classes, centres, places, strict=True):
        colour = CLASS_COLOURS[label % len(CLASS_COLOURS)]
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": colour, "linewidth": 2, "alpha": 0.9}
        line = {"arrowstyle": "-", "color": colour, "linewidth": 2, "shrinkB": 0}
        axes.annotate(
            name_of(label, class_names), centre, place, fontsize=8 if words else 12, weight="bold", ha="center",
            va="center", bbox=box, arrowprops=line,
        )  # fmt: skip


def pushed_apart(points: Array, gap: float, n_fixed: int = 0) -> Array:
    """Points (n, 2), those that are nearer to each other than `gap` moved until none are; the first n_fixed stay."""
    turns = np.arange(len(points))[:, None] + [0, np.pi / 2]
    moves = np.arange(len(points))[:, None] >= n_fixed
    points = points + moves * 1e-3 * gap * np.cos(turns)  # where several coincide, each needs a direction of its own
    no_matter = np.eye(len(points), dtype=bool)
    no_matter[:n_fixed, :n_fixed] = True
    while True:
        between = points[:, None] - points
        distance = np.where(no_matter, np.inf, np.linalg.norm(between, axis=2))
        if distance.min() >= gap:
            return points
        missing = np.maximum(1.05 * gap / distance - 1, 0)  # a little more than all, so that there is an end
        points = points + moves * 0.1 * np.sum(missing[..., None] * between, axis=1)


@drawing
def confusion_matrix(counts: Array, title: str, class_names: Sequence[str] = ()) -> Figure:
    """A confusion matrix (C, C) twice: in counts, and in per cent of the examples of a class. Rows: the right class.

    The colours are those of the per cents, and their scale is stretched at the low end, where the mistakes are.
    """
    per_cent = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(11, 5.6, title)
    panels = figure.subplots(1, 2)
    as_text = (np.char.mod("%d", counts), np.char.mod("%.1f", per_cent))
    for axes, text, caption in zip(panels, as_text, ("counts", "per cent of the row"), strict=True):
        axes.imshow(per_cent, cmap="Blues", norm=PowerNorm(0.35, vmin=0, vmax=100))
        for row, column in np.argwhere(counts):  # a zero says as much as an empty cell, and less loudly
            colour = "white" if per_cent[row, column] > 38 else "black"
            axes.text(column, row, text[row, column], color=colour, fontsize=8, ha="center", va="center")
        axes.set(title=caption, xlabel="predicted class", ylabel="right class")
        names = [name_of(label, class_names) for label in range(len(counts))]
        axes.set_xticks(range(len(counts)), names, rotation=45 if any(len(name) > 2 for name in names) else 0)
        axes.set_yticks(range(len(counts)), names)
    return figure


@drawing
def label_curve(n_labels: Sequence[int], accuracies: Mapping[str, Array], title: str) -> Figure:
    """Accuracy against the number of labels, for several classifiers by name: mean and standard deviation.

    n_labels (K,); each of the accuracies (R, K) from 0 to 1, R repetitions. The spread is left out where R is 1.
    """
    figure = new_figure(7, 4.8, title)
    axes = figure.add_subplot()
    styles = itertools.cycle(zip(CLASS_COLOURS[:3] + CLASS_COLOURS[4:], "osD^vP*Xh", strict=True))
    for (name, values), (colour, marker) in zip(accuracies.items(), styles, strict=False):
        mean, spread = 100 * values.mean(axis=0), None
        if len(values) > 1:
            spread = 100 * values.std(axis=0, ddof=1)
        axes.errorbar(n_labels, mean, spread, color=colour, marker=marker, markersize=5, capsize=4, label=name)
    axes.set_xscale("log")
    axes.set_xticks(n_labels, [f"{n:,}" for n in n_labels])
    axes.minorticks_off()
    axes.set(xlabel="labelled training images", ylabel="accuracy (%)")
    axes.legend(fontsize=9)
    axes.grid(alpha=0.25)
    return figure


@drawing
def learning_curves(panels: Mapping[str, Mapping[str, tuple[Array, Array]]], title: str) -> Figure:
    """Training (solid) and validation (dashed) curves, epoch by epoch, each the mean over runs.

    A panel for every quantity by name, as {"loss": {"a model": (training, validation)}} with arrays (R, E) of R runs
    and E epochs. The band is one standard deviation of the validation curve, and is left out where R is 1.
    """
    figure = new_figure(1.5 + 5 * len(panels), 4.8, title)
    colours = dict(zip(next(iter(panels.values())), itertools.cycle(CLASS_COLOURS), strict=False))
    styles: dict[str, Any] = {"training": "-", "validation": "--"}
    handles: list[Any] = [Line2D([], [], color="black", linestyle=style, label=part) for part, style in styles.items()]
    for axes, (quantity, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name, both in curves.items():
            for runs, style in zip(both, styles.values(), strict=True):
                epochs = np.arange(1, runs.shape[1] + 1)
                axes.plot(epochs, runs.mean(axis=0), style, color=colours[name], marker=".", markersize=4)
            if len(runs) > 1:
                middle, spread = runs.mean(axis=0), runs.std(axis=0, ddof=1)
                axes.fill_between(epochs, middle - spread, middle + spread, color=colours[name], alpha=0.2, linewidth=0)
        axes.set(xlabel="epoch", ylabel=quantity)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
    if axes.collections:  # bands
        handles.append(Patch(color="black", alpha=0.2, linewidth=0, label="validation ± standard deviation"))
    names = [Patch(color=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=names, fontsize=8, loc="outside lower left", ncols=3)
    figure.legend(handles=handles, fontsize=8, loc="outside lower right")
    return figure


@drawing
def rows_of_images(rows: Mapping[str, Array], image_shape: tuple[int, int], title: str) -> Figure:
    """Rows of as many images (n, D) each, under one another, with their names: originals and reconstructions."""
    n = len(next(iter(rows.values())))
    height, width = image_shape
    sheet = mosaic(np.concatenate([images[:n] for images in rows.values()]), image_shape, n)
    figure = new_figure(0.3 + 0.1 * max(map(len, rows)) + 0.75 * n, 0.8 + 0.75 * len(rows) * height / width, title)
    axes = figure.add_subplot()
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_anchor("W")  # width that is left over goes to the right; were it shared out, the names would be cut
    axes.set_yticks(middles(len(rows), height), list(rows))
    axes.set_xticks([])
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure


@drawing
def views(panels: Mapping[str, Array], labels: Array, title: str, class_names: Sequence[str] = ()) -> Figure:
    """The same images by several codes of two numbers (N, 2), side by side, coloured by class (N,)."""
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(4.4 * columns, 4.4 * rows + 0.5, title)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for place in places:
        place.set_axis_off()
    for place, (name, codes) in zip(places, panels.items(), strict=False):
        place.set_axis_on()
        scatter(figure, place, (codes[:, 0], codes[:, 1]), labels)
        place.set_aspect("equal", "datalim")
        name_clouds(place, codes, labels, class_names)
        place.set_title(name, fontsize=9)
        place.set_xlabel("first number", fontsize=8)
        place.set_ylabel("second number", fontsize=8)
        place.tick_params(labelsize=7)
    return figure


@drawing
def probability_bars(
    images: Array,
    probabilities: Array,
    labels: Array,
    image_shape: tuple[int, int],
    title: str,
    columns: int = 4,
    class_names: Sequence[str] = (),
) -> Figure:
    """Images (n, D) with values in [0, 1], and beside each the probabilities (C,) that a classifier gives its classes.

    The bar of the right class (labels (n,)) is blue; where another one is the longest, that is red.
    """
    n_classes = probabilities.shape[1]
    n_rows = -(-len(images) // columns)
    names = [name_of(label, class_names) for label in range(n_classes)]
    words = any(len(name) > 2 for name in names)
    figure = new_figure((3.4 if words else 2.7) * columns, (1.7 if words else 1.35) * n_rows + 0.9, title)
    of_right, of_wrong = "#3f90da", "#bd1f01"
    places = figure.subplots(n_rows, 2 * columns, squeeze=False, width_ratios=[1, 1.4] * columns)
    for place in places.flat:
        place.set_axis_off()
    for position, (image, p, label) in enumerate(zip(images, probabilities, labels, strict=True)):
        row, column = position // columns, 2 * (position % columns)
        picture, bars = places[row, column], places[row, column + 1]
        picture.imshow(image.reshape(image_shape), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        guess = int(p.argmax())
        right = guess == label
        verdict = f"{names[guess]}: {100 * p[guess]:.0f} %" + ("" if right else f", right: {names[label]}")
        picture.set_title(verdict, fontsize=7, pad=2, color=of_right if right else of_wrong)
        colours = ["#94a4a2"] * n_classes
        colours[guess] = of_wrong
        colours[label] = of_right
        bars.set_axis_on()
        bars.bar(range(n_classes), p, color=colours)
        bars.set(ylim=(0, 1), yticks=[])
        bars.set_xticks(range(n_classes), names, rotation=90 if words else 0)
        bars.tick_params(labelsize=6, length=0, pad=1)
    legend = ((of_right, "the right class"), (of_wrong, "the most probable class, where it is not the right one"))
    handles = [Patch(color=colour, label=name) for colour, name in legend]
    figure.legend(handles=handles, fontsize=8, loc="outside lower center", ncols=2)
    return figure


@drawing
def named_images(
    images: Array, labels: Array, image_shape: tuple[int, int], title: str, class_names: Sequence[str], columns: int = 5
) -> Figure:
    """Images (n, D) with values in [0, 1], and above each the name of its class (labels (n,))."""
    rows = -(-len(images) // columns)
    figure = new_figure(1.3 * columns, 1.42 * rows * image_shape[0] / image_shape[1] + 0.5, title)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for place in places:
        place.set_axis_off()
    for place, image, label in zip(places, images, labels, strict=False):
        place.imshow(image.reshape(image_shape), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        place.set_title(name_of(label, class_names), fontsize=9, pad=2)
    return figure


@drawing
def image_as_numbers(pixels: Array, image_shape: tuple[int, int], title: str) -> Figure:
    """An image (D,) of bytes as what it is: a grid of numbers, each in the grey that it stands for."""
    height, width = image_shape
    figure = new_figure(0.32 * width + 0.4, 0.32 * height + 0.6, title)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.imshow(pixels.reshape(image_shape), cmap="gray", vmin=0, vmax=pixels.max(), interpolation="nearest")
    for (row, column), value in np.ndenumerate(pixels.reshape(image_shape)):
        colour = "black" if value > pixels.max() / 2 else "white"
        axes.text(column, row, str(value), color=colour, fontsize=7, ha="center", va="center")
    return figure
