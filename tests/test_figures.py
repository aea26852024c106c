from __future__ import annotations

import os

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgba
from matplotlib.image import imread
from PIL import Image

from scratchnn.scripts import figures


@given(n=st.integers(1, 9), columns=st.integers(1, 4), height=st.integers(1, 3), width=st.integers(1, 3))
def test_every_image_of_a_mosaic_stands_in_its_place(n, columns, height, width):
    images = np.arange(n)[:, None] + np.zeros((n, height * width))
    sheet = figures.mosaic(images, (height, width), columns, gap=1)
    for k in range(n):
        top, left = (k // columns) * (height + 1), (k % columns) * (width + 1)
        np.testing.assert_array_equal(sheet[top : top + height, left : left + width], k)


def test_the_linear_grid_is_the_thesis_s():
    grid = figures.latent_grid(20, "linear").reshape(20, 20, 2)
    np.testing.assert_allclose(grid[0, :, 0], np.linspace(-3, 3, 20))
    np.testing.assert_allclose(grid[:, 0, 1], np.linspace(3, -3, 20))  # the first row of the picture is the top


def test_the_quantile_grid_cuts_the_normal_distribution_into_equal_parts():
    grid = figures.latent_grid(10, "quantile").reshape(10, 10, 2)
    np.testing.assert_allclose(scipy.stats.norm.cdf(grid[0, :, 0]), np.arange(0.05, 1, 0.1))


def test_another_spacing_is_refused():
    with pytest.raises(ValueError, match='"linear" or "quantile", got \'log\''):
        figures.latent_grid(3, "log")


def test_figures_are_written_whole(tmp_path, rng):
    history = [{"held_out_loss": 20.0}, {"held_out_loss": 15.0}]
    images = rng.random((7, 6))
    pictures = {
        "loss": figures.loss_curve(np.linspace(30, 15, 40), history, "t", floor=10.0, mean_image=25.0),
        "progress": figures.progress_of_one_image(images[0], images[1:], (2, 3), "t"),
        "grid": figures.image_grid(images, (2, 3), 4, "t"),
        "manifold": figures.manifold(lambda z: np.repeat(z > 0, 3, axis=1), (2, 3), "t", n=4),
        "scatter": figures.latent_scatter(rng.normal(size=(50, 2)), "t", rng.integers(0, 10, 50)),
        "video": figures.latent_scatter(rng.normal(size=(50, 2)), "t"),
        "space": figures.latent_scatter_3d(rng.normal(size=(50, 2)), "t", rng.integers(0, 10, 50)),
        "video in space": figures.latent_scatter_3d(rng.normal(size=(50, 2)), "t"),
        "latent use": figures.latent_use(np.array([3.0, 0.0, 5.0]), np.array([True, False, True]), "t"),
        "collage": figures.collage({"a": images, "b": images}, (2, 3), 4, "t"),
    }
    for name, figure in pictures.items():
        figures.save(figure, tmp_path / f"{name}.png", {})
        assert np.ptp(imread(tmp_path / f"{name}.png")[..., :3]) > 0.5
    assert len(list(tmp_path.iterdir())) == len(pictures)


def test_every_class_is_drawn_where_its_images_lie(rng):
    means, labels = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
    (axes,) = figures.latent_scatter(means, "t", labels).axes
    for label, cloud in zip(range(3), axes.collections, strict=True):
        np.testing.assert_array_equal(cloud.get_offsets(), means[labels == label])
    assert [text.get_text() for text in axes.texts] == ["0", "1", "2"]


@pytest.mark.parametrize("n_z, labelled, name", [(3, True, "mean of z₃"), (2, True, "class"), (2, False, "position")])
def test_the_third_axis_is_a_dimension_or_the_class_or_the_time(n_z, labelled, name, rng):
    means, labels = rng.normal(size=(60, n_z)), rng.integers(0, 3, 60) if labelled else None
    axes = figures.latent_scatter_3d(means, "t", labels).axes[0]
    assert name in axes.get_zlabel()
    heights = means[:, 2] if n_z == 3 else labels if labelled else np.arange(60)
    clouds = [heights == heights] if labels is None else [labels == label for label in range(3)]
    for rows, cloud in zip(clouds, axes.collections, strict=True):
        x, y, z = cloud._offsets3d
        np.testing.assert_array_equal(np.column_stack([x, y, z]), np.column_stack([means[:, :2], heights])[rows])


def test_the_latent_dimensions_stand_in_the_order_of_their_kl():
    (axes,) = figures.latent_use(np.array([3.0, 0.01, 5.0]), np.array([True, False, True]), "t").axes
    bars = {bar.get_x() + bar.get_width() / 2: bar.get_height() for group in axes.containers for bar in group}
    assert {round(x): height for x, height in bars.items()} == {1: 5.0, 2: 3.0, 3: 0.01}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["active: 2", "not active: 1"]


def test_a_collage_shows_every_sheet_under_its_name(rng):
    panels = {"a": rng.random((4, 6)), "b": rng.random((4, 6))}
    places = figures.collage(panels, (2, 3), 2, "t").axes
    for place, (name, images) in zip(places, panels.items(), strict=True):
        assert place.get_title() == name
        np.testing.assert_array_equal(place.images[0].get_array(), figures.mosaic(images, (2, 3), 2))


def test_reconstructions_stand_in_the_order_of_the_epochs(rng):
    image, snapshots = rng.random(6), rng.random((4, 6))
    axes = figures.progress_of_one_image(image, snapshots, (2, 3), "t").axes
    assert [a.get_title() for a in axes[:5]] == ["input", "untrained", "epoch 1", "epoch 2", "epoch 3"]
    for place, picture in zip(axes, [image, *snapshots], strict=False):
        (shown,) = place.images
        np.testing.assert_array_equal(shown.get_array(), picture.reshape(2, 3))
        assert shown.get_clim() == (0, 1)


def test_of_many_epochs_the_first_are_shown_and_the_last(rng):
    axes = figures.progress_of_one_image(rng.random(6), rng.random((1001, 6)), (2, 3), "t").axes
    shown = [int(title.removeprefix("epoch ")) for a in axes if (title := a.get_title()).startswith("epoch")]
    assert shown[:5] == [1, 2, 3, 4, 5] and shown[-1] == 1000 and shown == sorted(set(shown))


def test_the_second_half_of_a_training_fills_its_panel():
    history = [{"train_loss": loss, "held_out_loss": loss + 1} for loss in (90.0, 80.0, 72.0, 71.0)]
    whole, half = figures.loss_curve(
        [99.0, 81.0, 80.0, 80.0, 72.5, 71.5, 71.2, 70.8], history, "t", floor=10.0, untrained=540.0
    ).axes
    assert half.get_xlim() == (4, 8) and 69 < half.get_ylim()[0] < 70.8 and 73 < half.get_ylim()[1] < 75
    assert whole.get_xlim() == (0, 8) and whole.get_ylim()[0] < 10 and whole.get_ylim()[1] > 540
    assert any(line.get_label() == "untrained: 540.00" and line.get_xdata()[0] == 0 for line in whole.get_lines())


def test_the_loss_curve_shows_its_scale():
    history = [{"train_loss": 25.0, "held_out_loss": 21.0}]
    figure = figures.loss_curve([30.0, 20.0], history, "t", floor=10.0, mean_image=25.0)
    axes = figure.axes[0]
    lines = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
    assert lines["floor, entropy of the pixels: 10.00"][0] == 10 and lines["one mean image for all: 25.00"][0] == 25
    assert lines["training images, mean of an epoch"] == [25.0]
    assert lines["validation images, after each epoch"] == [21.0]
    assert axes.get_ylim()[0] < 10 and axes.get_ylim()[1] > 25
    assert "nats" in axes.get_ylabel()


def test_the_loss_curve_of_another_weight_of_the_kl_tells_two_quantities_apart():
    history = [{"train_loss": 30.0, "held_out_loss": 20.0}, {"train_loss": 25.0, "held_out_loss": 15.0}]
    for minimised, quantity, (in_training, held_out) in (
        ("−ELBO", "−ELBO (nats per image)", ("", "")),
        ("reconstruction + 4·KL", "nats per image", (", reconstruction + 4·KL", ", −ELBO")),
    ):
        figure = figures.loss_curve([30.0, 20.0], history, "t", untrained=40.0, minimised=minimised)
        assert {axes.get_ylabel() for axes in figure.axes} == {quantity}
        assert [text.get_text() for text in figure.legends[0].get_texts()] == [
            f"one training batch{in_training}",
            f"training images, mean of an epoch{in_training}",
            f"validation images, after each epoch{held_out}",
            f"untrained{held_out}: 40.00",
        ]


def test_class_colours_differ_for_colour_blind_readers():
    """Ten colours, pairwise at least 5 units apart in CIELAB after simulated deuteranopia and protanopia: about twice
    the difference that is just noticeable side by side (matrices of Viénot, Brettel and Mollon, 1999)."""
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in figures.CLASS_COLOURS])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    deuteranopia = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    protanopia = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    for simulated in (np.eye(3), deuteranopia, protanopia):
        lab = cielab(np.clip(linear @ simulated.T, 0, 1))
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)[np.triu_indices(len(lab), 1)]
        assert apart.min() > 5


def cielab(linear: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    t = linear @ to_xyz.T / [0.9505, 1, 1.089]
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def test_a_confusion_matrix_shows_every_count_in_its_cell(tmp_path):
    counts = np.array([[970, 29, 1], [0, 500, 0], [3, 0, 997]])
    figure = figures.confusion_matrix(counts, "t")
    for axes, form in zip(figure.axes, ("{:d}", "{:.1f}"), strict=True):
        shown = {text.get_position(): text.get_text() for text in axes.texts}
        values = counts if form == "{:d}" else 100 * counts / counts.sum(axis=1, keepdims=True)
        cells = {(column, row): form.format(values[row, column]) for row in range(3) for column in range(3)}
        assert shown == {place: text for place, text in cells.items() if counts[place[1], place[0]]}
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "right class")
        (image,) = axes.images
        np.testing.assert_allclose(image.get_array(), 100 * counts / counts.sum(axis=1, keepdims=True))
    figures.save(figure, tmp_path / "confusion.png", {})


def test_the_numbers_of_a_confusion_matrix_can_be_read_on_every_shade():
    """Per cents from 1 to 99, each on the colour of its cell: a contrast of 4.5, as WCAG 2 asks for."""
    counts = np.zeros((50, 50), int)
    counts[:, 0], counts[:, 1] = np.arange(1, 51), np.arange(99, 49, -1)
    axes = figures.confusion_matrix(counts, "t").axes[1]
    (image,) = axes.images
    assert len(axes.texts) == 100
    for text in axes.texts:
        column, row = text.get_position()
        background = luminance(image.cmap(image.norm(image.get_array()[row, column])))
        dark, light = sorted([background, luminance(to_rgba(text.get_color()))])
        assert (light + 0.05) / (dark + 0.05) > 4.5, text.get_text()


def luminance(rgba: tuple[float, ...]) -> float:
    rgb = np.array(rgba[:3])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_the_label_curve_shows_mean_and_spread_on_a_logarithmic_axis():
    accuracies = {"raw": np.array([[0.7, 0.9], [0.8, 0.92], [0.9, 0.94]]), "one": np.array([[0.5, 0.6]])}
    (axes,) = figures.label_curve([100, 55_000], accuracies, "t").axes
    assert axes.get_xscale() == "log" and "%" in axes.get_ylabel()
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["100", "55,000"]
    raw, one = axes.containers
    np.testing.assert_allclose(raw.lines[0].get_xydata(), [[100, 80], [55_000, 92]])
    ends = [segment[:, 1] for segment in raw.lines[2][0].get_segments()]
    np.testing.assert_allclose(ends, [[70, 90], [90, 94]])  # sample standard deviations 10 and 2
    np.testing.assert_allclose(one.lines[0].get_ydata(), [50, 60])
    assert not one.has_yerr  # a single training has no spread
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["raw", "one"]


clouds = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=10)


@given(clouds, st.floats(0.01, 100))
def test_names_that_would_hide_each_other_are_pushed_apart(points, gap):
    """Also those that coincide. One that no other comes near stays where it is, but for a thousandth of the gap."""
    points = np.array(points, float)
    places = figures.pushed_apart(points, gap)
    distance = np.linalg.norm(places[:, None] - places, axis=2) + np.diag(np.full(len(points), np.inf))
    assert distance.min() >= gap
    if len(points) == 1:
        np.testing.assert_allclose(places, points, atol=1.5e-3 * gap)


def test_names_with_room_stay_in_the_middle_of_their_clouds():
    points = np.array([[0.0, 0], [0, 0.1], [5, 5]])
    places = figures.pushed_apart(points, 1.0)
    np.testing.assert_allclose(places[2], points[2], atol=1.5e-3)
    np.testing.assert_allclose(places[:2].mean(axis=0), [0, 0.05], atol=1.5e-3)  # both give way alike


def test_names_of_overlapping_clouds_can_all_be_read(rng, tmp_path):
    """All classes around one point: ten boxes, no two of which overlap, each with a line to its cloud."""
    labels = np.repeat(np.arange(10), 20)
    codes = rng.normal(size=(200, 2))
    for figure in (figures.latent_scatter(codes, "t", labels), figures.views(dict.fromkeys("abc", codes), labels, "t")):
        figures.save(figure, tmp_path / "names.png", {})
        for axes in figure.axes:
            boxes = [text.get_bbox_patch().get_window_extent() for text in axes.texts]
            assert len(boxes) == 10
            assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
            for label, text in enumerate(axes.texts):
                np.testing.assert_array_equal(text.xy, np.median(codes[labels == label], axis=0))


def test_views_have_one_scale_on_both_axes(rng, tmp_path):
    """A code on a line looks like one: a step of 1 is as long upwards as to the right."""
    line = np.column_stack([np.linspace(0, 9, 30), np.zeros(30)])
    codes = {"line": line, "all but a point": 1e-7 * line, "cloud": rng.normal(size=(30, 2))}
    figure = figures.views(codes, np.arange(30) % 3, "t")
    figures.save(figure, tmp_path / "views.png", {})
    assert [axes.get_title() for axes in figure.axes] == list(codes)
    for axes in figure.axes:
        (x0, y0), (x1, y1) = axes.transData.transform([[0, 0], [1, 1]])
        assert x1 - x0 == pytest.approx(y1 - y0)
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("first number", "second number")


@pytest.mark.parametrize("spacing, values", [("linear", range(-3, 4)), ("quantile", np.arange(-1.5, 2, 0.5))])
def test_the_ticks_of_a_manifold_are_round_and_stand_where_z_has_that_value(spacing, values):
    """With 20 columns of 8 + 1 pixels; between two columns z is read off the straight line through their middles."""
    (axes,) = figures.manifold(lambda z: np.zeros((len(z), 64)), (8, 8), "t", spacing).axes
    expected = [f"{value:g}".replace("-", "\N{MINUS SIGN}") for value in values]
    column = figures.latent_grid(20, spacing)[:20, 0]
    for ticks, sign in ((axes.get_xticks(), 1), (axes.get_yticks(), -1)):
        middle = (20 * 9 - 1) / 2 - 0.5  # the first pixel reaches from −½ to ½
        places = middle + sign * 9 * (np.interp(values, column, np.arange(20)) - 9.5)
        np.testing.assert_allclose(ticks, places, atol=1e-9)
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == expected


def test_names_of_rows_stand_at_the_middle_of_their_images(rng):
    figure = figures.rows_of_images({"a": rng.random((3, 64)), "b": rng.random((3, 64))}, (8, 8), "t")
    assert figure.axes[0].get_yticks().tolist() == [3.5, 12.5]  # pixels 0 to 7, a white line, pixels 9 to 16


@pytest.mark.parametrize("n_runs", [1, 3])
def test_the_legends_of_learning_curves_tell_colours_from_styles(n_runs, rng):
    curves = {name: (rng.random((n_runs, 5)), rng.random((n_runs, 5))) for name in ("a", "b")}
    figure = figures.learning_curves({"loss": curves, "accuracy": curves}, "t")
    colours, styles = figure.legends
    shown = {line.get_color() for line in figure.axes[0].lines}
    assert [text.get_text() for text in colours.get_texts()] == ["a", "b"]
    assert [patch.get_facecolor() for patch in colours.get_patches()] == [to_rgba(c) for c in figures.CLASS_COLOURS[:2]]
    assert shown == set(figures.CLASS_COLOURS[:2]) and not colours.get_lines()
    assert [line.get_linestyle() for line in styles.get_lines()] == ["-", "--"]
    assert {line.get_color() for line in styles.get_lines()} == {"black"}
    band = ["validation ± standard deviation"] if n_runs > 1 else []
    assert [text.get_text() for text in styles.get_texts()] == ["training", "validation", *band]
    assert [len(axes.collections) for axes in figure.axes] == [2 * len(band)] * 2


@pytest.mark.parametrize("side, n", [(8, 10), (8, 2), (28, 12)])
@pytest.mark.parametrize("long", ["x", "no-output-dropout", "a name with as many letters as fit a sentence", 20 * "W"])
def test_names_of_rows_are_never_cut(long, side, n, rng, tmp_path):
    """Every name lies within the picture that is saved, beside the images."""
    rows = {name: rng.random((n, side * side)) for name in ("test image", long, "PCA")}
    figure = figures.rows_of_images(rows, (side, side), "Images\nand a second line")
    figures.save(figure, tmp_path / "rows.png", {})
    (axes,) = figure.axes
    for label in axes.get_yticklabels():
        place = label.get_window_extent()
        assert place.x0 >= 0 and place.x1 <= axes.images[0].get_window_extent().x0
        assert place.y0 >= 0 and place.y1 <= figure.bbox.y1
    assert [label.get_text() for label in axes.get_yticklabels()] == list(rows)


def test_classes_have_their_names_where_they_have_some(rng):
    names = ("shirt", "bag", "ankle boot")
    codes, labels = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
    assert [text.get_text() for text in figures.latent_scatter(codes, "t", labels, names).axes[0].texts] == [*names]
    assert [text.get_text() for text in figures.views({"a": codes}, labels, "t", names).axes[0].texts] == [*names]
    space = figures.latent_scatter_3d(codes, "t", labels, names)
    assert [text.get_text() for text in space.legends[0].get_texts()] == [*names]
    for axes in figures.confusion_matrix(np.eye(3), "t", names).axes:
        assert [label.get_text() for label in axes.get_xticklabels()] == [*names]
        assert [label.get_text() for label in axes.get_yticklabels()] == [*names]
    bars = figures.probability_bars(rng.random((2, 4)), np.eye(3)[:2], np.array([0, 2]), (2, 2), "t", class_names=names)
    assert [axes.get_title() for axes in bars.axes if axes.get_title()] == [
        "shirt: 100 %", "bag: 100 %, right: ankle boot",
    ]  # fmt: skip
    sheet = figures.named_images(rng.random((4, 4)), np.array([2, 0, 1, 0]), (2, 2), "t", names)
    assert [axes.get_title() for axes in sheet.axes if axes.get_title()] == ["ankle boot", "shirt", "bag", "shirt"]


def test_no_name_is_written_over_a_point_that_is_kept_free(rng):
    codes, labels = rng.normal(size=(300, 2)), np.repeat([0, 1], 150)
    codes -= np.median(codes[:150], axis=0)  # the first class lies at the origin
    figure = figures.new_figure(5, 5, "t")
    axes = figure.add_subplot()
    figures.scatter(figure, axes, tuple(codes.T), labels)
    axes.set_aspect("equal", "datalim")
    figures.name_clouds(axes, codes, labels, kept_free=[(0.0, 0.0)])
    size = max(np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim()))
    for name in axes.texts:
        assert np.linalg.norm(name.get_position()) >= 0.069 * size


def test_the_points_that_are_fixed_stay_where_they_are(rng):
    points = np.zeros((5, 2))
    moved = figures.pushed_apart(points, 1.0, 2)
    np.testing.assert_array_equal(moved[:2], 0)
    assert min(np.linalg.norm(a - b) for k, a in enumerate(moved) for b in moved[max(k + 1, 2) :]) >= 1


def test_an_image_as_numbers_shows_every_pixel():
    pixels = np.array([0, 7, 255, 3, 128, 1], np.uint8)
    (axes,) = figures.image_as_numbers(pixels, (2, 3), "t").axes
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(k % 3, k // 3): str(value) for k, value in enumerate(pixels)}


@pytest.mark.parametrize("draw", [figures.latent_scatter, figures.latent_scatter_3d])
def test_every_class_of_a_legend_keeps_its_colour_in_the_file(draw, tmp_path, rng):
    """Though a file has 256 colours, and clouds of points that shine through one another have thousands."""
    figures.save(draw(rng.normal(size=(1000, 2)), "t", np.arange(1000) % 10), tmp_path / "x.png", {})
    pixels = np.asarray(Image.open(tmp_path / "x.png").convert("RGB")).astype(int)
    colours = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in figures.CLASS_COLOURS])
    apart = abs(colours[:, None] - colours).max(axis=2)
    nearest = min(apart[apart > 0])  # of two classes: what is less than half of it away is taken for no other
    for colour in colours:
        assert abs(pixels - colour).max(axis=2).min() < nearest / 2, colour


def test_a_pane_of_a_figure_in_space_stays_grey_in_the_file(tmp_path, rng):
    """Its shade may be off by some levels of 255; a tint would be seen."""
    drawn = figures.latent_scatter_3d(rng.normal(size=(1000, 2)), "t", np.arange(1000) % 10)
    figures.save(drawn, tmp_path / "x.png", {})
    image = Image.open(tmp_path / "x.png").convert("RGB")
    for _, colour in sorted(image.getcolors(2**24), reverse=True)[:4]:  # the background, and the three panes
        assert max(colour) - min(colour) <= 3


def test_a_text_that_is_no_utf_8_does_not_cost_the_figure(tmp_path):
    """A folder's name may be any bytes: Python has them as half characters, which no encoding takes."""
    figures.write_png(figures.latent_use(np.array([3.0, 1.0]), np.array([True, False]), "t"), tmp_path / "f.png", {
        "Command": "--out " + os.fsdecode(b"o\xff"),
    })  # fmt: skip
    with Image.open(tmp_path / "f.png") as png:
        assert png.text["Command"] == "--out o\\udcff"
