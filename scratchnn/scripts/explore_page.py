"""scratchnn explore RUN --html FILE: the latent space of a trained model as one page for a browser.

The page holds all that it needs, weights and test images' codes included, and asks no server for anything: it works
from a file, on a telephone, by pointer, finger or keys. A second RUN is shown beside the first: a VAE beside an
autoencoder, or beside one with another weight of the KL. A window with sliders, by matplotlib, is
examples/explore_latent.py.

*The weights, rounded.* A weight of 32 bits is more than a picture needs. Every unit j of a dense layer gets a scale,

    scale_j = max_i |W_ij| / 127,   q_ij = round(W_ij / scale_j)

and the page holds the whole numbers q, of 8 bits, in place of W. With 16 bits, 32,767 stands in the place of 127. The
rounded weights Ŵ_ij = scale_j q_ij are off by half a step at most, scale_j / 2.

*What that does to a pixel.* Let x be what goes into a layer of the model, x̂ what goes into that of the page, and e_i at
least |x̂_i − x_i|. What comes out differs by

    Σ_i x̂_i Ŵ_ij − Σ_i x_i W_ij = Σ_i x̂_i (Ŵ_ij − W_ij) + Σ_i (x̂_i − x_i) W_ij

and since |W_ij| is at most half a step more than |Ŵ_ij|, by no more than

    scale_j (½ Σ_i |x̂_i| + Σ_i e_i (|q_ij| + ½))

which is the new e_j. An activation f grows from left to right, so f(x) lies between f(x̂ − e) and f(x̂ + e), and the
farther of the two from f(x̂) is the next e: 0 for a ReLU that is surely off. It begins with e = 0, as both decoders are
given the same z, and ends with the pixels. All that is in it the page has, so it has a bound for every image.

The bound reckons with errors that all add up. They mostly cancel, so the largest error that is measured is far smaller.
But nothing promises that they cancel, so the bound decides: the page gets the fewest bits with which it is at most
--pixel-error at every z that is tried. With --pixel-error 1, which allows anything, these are 8.
"""

from __future__ import annotations

import argparse
import base64
import functools
import hashlib
import html
import json
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scratchnn.grey_likelihoods import ContinuousBernoulli, mean_pixel
from scratchnn.layers import Dense, Dropout, Identity, ReLU, Sequential, Sigmoid, Softplus, Tanh
from scratchnn.layers.activations import sigmoid
from scratchnn.layers.layer import Module
from scratchnn.likelihoods import Bernoulli, Gaussian, SigmoidMean
from scratchnn.losses import BinaryCrossEntropy, MeanSquaredError
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli
from scratchnn.scripts.trained import expect_decoder, load_trained, points_of
from scratchnn.training import runs
from scratchnn.training.runs import OptionError
from scratchnn.training.weights import Points
from scratchnn.vae import VAE

BITS = {8: np.int8, 16: np.int16, 32: np.float32}  # of a weight; with 32 it is not rounded
ACTIVATIONS = (ReLU, Sigmoid, Softplus, Tanh)  # which the page has: all of them grow from left to right
TILES = 15  # decoded images along a side of the map
SLIDERS = 8  # for the directions of largest variance beyond the two of the map
LIMIT = 8_000_000  # bytes of a page, at most: a telephone has to read it

EXAMPLES = """\
  scratchnn train && scratchnn explore runs/vae-digits-z2-seed0 --html digits.html
  scratchnn explore runs/vae-digits-z2-seed0 runs/vae-digits-beta0-z2-seed0 --html beta.html    two beside each other
  scratchnn explore mnist.npz --html mnist.html    a file of weights, see scratchnn weights
"""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    parser.add_argument(
        "runs",
        type=Path,
        metavar="RUN",
        nargs="+",
        help="folder of a run, its checkpoint, or a file of weights; or two",
    )
    parser.add_argument("--html", type=Path, required=True, metavar="FILE", help="the page to write")
    parser.add_argument(
        "--points", type=cli.positive_int, default=2000, metavar="N", help="test images on the map (default: 2000)"
    )
    parser.add_argument(
        "--pixel-error", type=cli.positive_float, default=0.05, metavar="E",
        help="bound of the page's pixels, from 0 to 1, against the model's (default: 0.05; 1 allows anything)",
    )  # fmt: skip
    args = parser.parse_args(arguments)
    if len(args.runs) > 2:
        parser.error(f"one or two runs fit on a page, got {len(args.runs)}")
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    if args.html.suffix not in (".html", ".htm") or args.html.is_dir():
        raise OptionError(f"--html {args.html} names no page: give it a name that ends with .html")
    runs.prepare_folder(args.html.parent, "--html")
    models = []
    for run in args.runs:
        model, settings, points = load_trained(run)
        expect_decoder(model)
        points = points_of(model, settings, args.points) if points is None else first_points(points, args.points)
        try:
            models.append(in_page(model, name_of(model, settings), points, args.pixel_error))
        except ValueError as error:
            raise OptionError(f"{run} cannot be shown on a page: {error}") from error
    if len({model["name"] for model in models}) < len(models):
        for run, model in zip(args.runs, models, strict=True):
            model["name"] += f" ({run.resolve().name})"
    title = "A latent space" if len(models) == 1 else "Two latent spaces"
    runs.write_text(args.html, page(title, models))
    for run, model in zip(args.runs, models, strict=True):
        found = model["error"]
        print(
            f"{run}: weights of {model['bits']} bits; for {found['n']:,} z, pixels differ from the model's by "
            f"{found['measured']:.2g} at most, and the bound is {at_most(found['bound'])}"
        )
    print(f"written: {args.html}, {args.html.stat().st_size / 1000:,.0f} kB")


def at_most(bound: float) -> str:
    """A bound in two digits: rounded up, or it is none."""
    if not 0 < bound < np.inf:
        return f"{bound:g}"
    unit = 10.0 ** (np.floor(np.log10(bound)) - 1)
    return f"{np.ceil(bound / unit) * unit:.2g}"


def first_points(points: Points, n: int) -> Points:
    return points._replace(means=points.means[:n], labels=None if points.labels is None else points.labels[:n])


def name_of(model: Any, settings: dict[str, Any]) -> str:
    """What tells a model from another one, in a heading."""
    told = [type(model).__name__, f"{decoder_layers(model)[0].W.shape[0]} latent dimensions"]
    if "beta" in settings:
        told.append(f"β = {settings['beta']}")
    if "data" in settings:
        told.append(f"{settings['data']}")
    if epochs := settings.get("epochs"):
        told.append(f"{epochs} epochs")
    return ", ".join(told)


# ---- the decoder, as the page computes it


class Rounded(NamedTuple):
    """A dense layer of the page: q (n_in, n_out) and scale (n_out,) in place of W, and b (n_out,)."""

    q: Array
    scale: Array
    b: Array

    @property
    def weights(self) -> Array:
        """Ŵ (n_in, n_out)."""
        return self.scale * self.q

    @property
    def half(self) -> float:
        """How far q can be off."""
        return 0.5 if self.q.dtype.kind == "i" else 0.0


def rounded(W: Array, b: Array, bits: int) -> Rounded:
    """A dense layer with weights of so many bits."""
    b = b.astype(np.float64)
    if bits == 32:
        return Rounded(W.astype(np.float32), np.ones_like(b), b)
    scale = np.abs(W.astype(np.float64)).max(axis=0) / (2 ** (bits - 1) - 1)
    q = np.rint(W / np.where(scale > 0, scale, 1))  # a unit without weights has the scale 0, and is exact
    return Rounded(q.astype(BITS[bits]), scale, b)


def decoder_layers(model: Any) -> list[Any]:
    """The dense layers and activations of a decoder, in order; ValueError if it has others."""

    def leaves(module: Module) -> Iterator[Any]:
        if isinstance(module, Sequential):
            for layer in module.layers:
                yield from leaves(layer)
        elif not isinstance(module, Dropout | Identity):  # which do nothing in use
            yield module

    layers = list(leaves(model.decoder))
    if layers and isinstance(layers[-1], SigmoidMean):
        layers.pop()  # `pixels_of` has it
    for layer in layers:
        if not isinstance(layer, (Dense, *ACTIVATIONS)):
            known = ", ".join(cls.__name__ for cls in ACTIVATIONS)
            raise ValueError(f"its decoder has a {type(layer).__name__}, and a page knows Dense, {known}")
    if not layers or not isinstance(layers[0], Dense):
        raise ValueError("its decoder does not begin with a Dense layer")
    return layers


def pixels_of(model: Any) -> str:
    """How the decoder's outputs become pixels, one of PIXELS; ValueError for a way that the page does not know."""
    how = model.likelihood if isinstance(model, VAE) else model.loss
    if isinstance(how, Bernoulli | BinaryCrossEntropy) or isinstance(last_part(model.decoder), SigmoidMean):
        return "sigmoid"
    if isinstance(how, ContinuousBernoulli):
        return "mean of a continuous Bernoulli"
    if isinstance(how, Gaussian | MeanSquaredError):
        return "clipped"
    raise ValueError(f"a page does not know how a {type(how).__name__} makes pixels")


def last_part(decoder: Any) -> Any:
    return last_part(decoder.layers[-1]) if isinstance(decoder, Sequential) else decoder


FUNCTIONS = {cls.__name__: cls.function for cls in ACTIVATIONS}
PIXELS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": sigmoid,
    "mean of a continuous Bernoulli": mean_pixel,
    "clipped": functools.partial(np.clip, a_min=0, a_max=1),
}


class Decoder:
    """The decoder of a page: what it holds, and what it computes with that, as page/decoder.js does."""

    def __init__(self, model: Any, n_pixels: int, bits: int) -> None:
        layers = decoder_layers(model)
        self.bits, self.pixels, self.parts = bits, pixels_of(model), list[Rounded | str]()
        for k, layer in enumerate(layers):
            if isinstance(layer, Dense):
                last = not any(isinstance(above, Dense) for above in layers[k + 1 :])
                wanted = slice(n_pixels) if last else slice(None)  # a Gaussian's log-variances are not shown
                self.parts.append(rounded(layer.W[:, wanted], layer.b[wanted], bits))
            else:
                self.parts.append(type(layer).__name__)

    def decode(self, z: Array) -> tuple[Array, Array]:
        """The images of z (N, n_z), pixels (N, D), and the bound of what each differs from the model's by, (N, D)."""
        x, e = z.astype(np.float64), np.zeros(z.shape)
        for part in (*self.parts, None):
            if isinstance(part, Rounded):
                spare = part.half * np.sum(np.abs(x) + e, axis=1, keepdims=True)
                e = part.scale * (e @ np.abs(part.q.astype(np.float64)) + spare)
                x = x @ part.weights + part.b
            else:
                f = PIXELS[self.pixels] if part is None else FUNCTIONS[part]
                x, e = f(x), np.maximum(f(x + e) - f(x), f(x) - f(x - e))
        return x, e

    def in_model(self, model: Any) -> Any:
        """A copy of the model in double precision, with the weights that the page has."""
        twin = model.astype(np.float64)
        dense = [part for part in self.parts if isinstance(part, Rounded)]
        for layer, part in zip((x for x in decoder_layers(twin) if isinstance(x, Dense)), dense, strict=True):
            layer.W[:, : part.q.shape[1]] = part.weights
        return twin


# ---- what the page is given


def in_page(model: Any, name: str, points: Points, pixel_error: float) -> dict[str, Any]:
    """A model as the page reads it; ValueError if it does not fit on one."""
    codes, n_pixels = points.means.astype(np.float64), points.image_shape[0] * points.image_shape[1]
    n_z = codes.shape[1]
    if n_z < 2:
        raise ValueError("it has a single latent dimension, which is a line: a map takes two")
    dense = [layer for layer in decoder_layers(model) if isinstance(layer, Dense)]
    if dense[0].W.shape[0] != n_z or dense[-1].W.shape[1] < n_pixels or not len(codes):
        raise ValueError(
            f"its decoder makes {dense[-1].W.shape[1]} numbers of {dense[0].W.shape[0]}, and its {len(codes)} points "
            f"are of {n_z} numbers and of images of {n_pixels} pixels"
        )
    view = view_of(codes, symmetric=isinstance(model, VAE))
    tried = np.concatenate([codes, view.grid()])
    model = model.astype(np.float32)
    for bits in BITS:
        expect_fits(dense, n_pixels, bits)
        decoder = Decoder(model, n_pixels, bits)
        bound = float(decoder.decode(tried)[1].max())
        if bound <= pixel_error:
            break
    # both as the library computes them, in double precision, and clipped as a screen does it
    truth, images = (np.clip(each.decode(tried), 0, 1) for each in (model.astype(np.float64), decoder.in_model(model)))
    fixture = np.linspace(0, len(tried) - 1, 3).astype(int)  # a test image, another one, a corner of the map
    return {
        "name": name,
        "image_shape": list(points.image_shape),
        "bits": decoder.bits,
        "layers": [
            part
            if isinstance(part, str)
            else {**{name: encoded(array) for name, array in part._asdict().items()}, "half": part.half}
            for part in decoder.parts
        ],
        "pixels": decoder.pixels,
        "view": {name: value.tolist() for name, value in view._asdict().items()},
        "points": {
            "codes": encoded(points.means.astype(np.float32)),
            "labels": None if points.labels is None else encoded(points.labels),
        },
        "class_names": list(points.class_names),
        "error": {"measured": float(np.abs(images - truth).max()), "bound": bound, "n": len(tried)},
        "fixture": {"z": tried[fixture].tolist(), "images": encoded(images[fixture].astype(np.float32))},
    }


def expect_fits(dense: Sequence[Any], n_pixels: int, bits: int) -> None:
    weights = sum(layer.W.size for layer in dense[:-1]) + len(dense[-1].W) * n_pixels  # without log-variances
    size = weights * bits // 8 * 4 // 3  # of base64: four letters for three bytes
    if size > LIMIT:
        raise ValueError(
            f"with weights of {bits} bits its decoder takes {size / 1e6:,.1f} MB of a page, which may have "
            f"{LIMIT / 1e6:g} MB: train one with smaller layers"
            f"{', or allow a larger --pixel-error, and with it fewer bits' if bits > 8 else ''}"
        )


class View(NamedTuple):
    """How coordinates c, of which the first two span the map, become latent points: z = centre + c directions.

    centre (n_z,), directions (K, n_z) orthonormal rows; reach (K,): how far the map and the sliders go, both ways;
    share (K,): of the variance of the codes.
    """

    centre: Array
    directions: Array
    reach: Array
    share: Array

    def grid(self) -> Array:
        """The latent points of the map's decoded images (TILES², n_z)."""
        across, up = (np.linspace(-1, 1, TILES) * reach for reach in self.reach[:2])
        c = np.stack([axis.ravel() for axis in np.meshgrid(across, up)], axis=1)
        latent: Array = self.centre + c @ self.directions[:2]
        return latent


def view_of(codes: Array, symmetric: bool) -> View:
    """The plane of a latent space of two dimensions, and of a larger one the directions in which the codes (N, n_z)
    vary most: the eigenvectors of their covariance, with the eigenvalues as their variances.

    symmetric: around 0 and at least 3 standard deviations of N(0, I), as q(z|x) of a VAE is drawn to it.
    """
    n_z = codes.shape[1]
    if n_z == 2:
        variances, directions = codes.var(axis=0), np.eye(2)
        centre = np.zeros(2) if symmetric else codes.mean(axis=0)
    else:
        centre = codes.mean(axis=0)
        variances, vectors = np.linalg.eigh(np.atleast_2d(np.cov(codes.T, ddof=0)))
        variances, directions = variances[::-1], vectors[:, ::-1].T
        signs = np.sign(directions[np.arange(n_z), np.abs(directions).argmax(axis=1)])
        directions = directions * signs[:, None]  # an eigenvector has no sign of its own: the largest entry is positive
    kept = min(n_z, 2 + SLIDERS)
    c = (codes - centre) @ directions[:kept].T
    reach = 1.05 * np.quantile(np.abs(c), 0.998, axis=0)  # a few strays would shrink the rest
    reach = np.maximum(reach, 3.0 if symmetric else 1e-3)
    reach[:2] = reach[:2].max()  # a square
    share = np.maximum(variances, 0) / max(variances.sum(), 1e-30)
    return View(centre, directions[:kept], reach, share[:kept])


def encoded(array: Array) -> str:
    """Numbers as base64 of their bytes, the lowest first."""
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()


# ---- the page


def page(title: str, models: Sequence[dict[str, Any]]) -> str:
    """The page: the template with its styles, its scripts, and the models as JSON.

    Its own policy forbids it to load anything, and to run any script but its own, told by their hashes.
    """
    files = resources.files("scratchnn.scripts") / "page"
    text, css, *scripts = (
        (files / name).read_text("utf-8") for name in ("explorer.html", "explorer.css", "decoder.js", "explorer.js")
    )
    data = json.dumps({"models": list(models), "tiles": TILES}, allow_nan=False).replace("<", "\\u003c")
    policy = "default-src 'none'; img-src data:; style-src {}; script-src {}".format(
        hashed(css), " ".join(map(hashed, scripts))
    )
    parts = {"title": html.escape(title), "policy": policy, "css": css, "data": data}
    parts |= {"decoder": scripts[0], "explorer": scripts[1]}
    first, *rest = text.split("{{")  # {{name}} in the template
    written = first + "".join(parts[name] + more for name, _, more in (piece.partition("}}") for piece in rest))
    if len(written.encode()) > LIMIT:
        raise OptionError(
            f"the page would have {len(written.encode()) / 1e6:,.1f} MB, and may have {LIMIT / 1e6:g} MB: show one "
            "model, or fewer --points"
        )
    return written


def hashed(text: str) -> str:
    """The name by which a policy allows a script or a style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


if __name__ == "__main__":
    cli.run(main)
