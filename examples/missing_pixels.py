"""Half of the pixels are missing, or all are noisy: what a trained VAE makes of them, and what simpler methods do.

The thesis names missing data and noise as what to try next (7.2), two student works (000, 001) as what such networks
are for; none of them tries. Here both are tried on test images, with a VAE that was trained on whole, clean ones.

*Missing pixels.* Of an image x we see the pixels x_s and not the pixels x_m. What we want is p(x_m|x_s), and a VAE
gives p(x_m|z) and, for a whole image, q(z|x) ≈ p(z|x). The two are enough to go round in a circle:

    z   ← a draw from q(z|x_s, x_m)         encode the image with the present guess in it
    x_m ← a draw from p(x_m|z)              decode, and put the pixels that are seen back

If q were the true posterior this would be Gibbs sampling: both draws are from conditional distributions of
p(x_m, z|x_s), which therefore stays as it is, and from any first guess the chain gets there in the end. With q in place
of the posterior it does so approximately (Rezende, Mohamed, Wierstra, "Stochastic backpropagation", 2014, appendix F;
Mattei and Frellsen, "Leveraging the exact likelihood of deep latent variable models", 2018, call it pseudo-Gibbs, and
correct it by a Metropolis step, which is left out here). The best guess in the squared error is the mean of p(x_m|x_s):
the mean over many draws, of several chains. Three ways to go round start from the mean image:

    fixed point          z the mean of q, x_m the mean of p(x_m|z): nothing is drawn
    draws of z           z drawn, x_m the mean
    draws of z and x     both drawn, as above

The first is what one would write down first. Where the two means are the modes as well, each half of an iteration
maximises p(x_m, z|x_s) by one of its two arguments, so it climbs to *a* maximum, near the first guess. Where everything
is linear and Gaussian there is one maximum, and it is the mean. Elsewhere it is one image that fits, out of many, and
in the squared error that may be worse than the mean image: on MNIST it is, where the lower half is missing. The third
is the chain of the theory; but a Bernoulli decoder draws pixels that are black or white, and an encoder that was
trained on grey ones has seen few such images.

The encoder has not seen an image with a guess in it either, and what it says of one may be far from p(z|x). (That q is
not the best there is is the other thing that 7.2 wants looked into.) So a fourth way leaves it out:

    gradient             z climbs to a maximum of p(z) p(x_s|z), from z = 0, by Adam

The gradient by z is what the decoder's backward returns. Each iteration passes forward and back through the decoder
once; of the others, through encoder and decoder once.

*Noise.* To every pixel Gaussian noise of standard deviation 0.3 is added; in a second experiment what leaves the range
from 0 to 1 is cut off at its ends, as in a file of grey levels. The guess is the reconstruction, and its reconstruction
again, and so on: the fixed point with no pixel put back, so that nothing holds it to the image. Noise with a mean of 0
averages out in the sums of the encoder's first layer. Cut off, it has another mean: every black pixel becomes lighter
by 0.12 on average, and that adds up. On MNIST the first reconstruction takes three quarters of the error away from the
one and adds to that of the other, though the other begins with half as much; every further one makes both worse.

*The others* are in shared/damaged.py: the mean image, nearest neighbours and PCA, twice. How many components and how
many neighbours is chosen on validation images that are damaged in the same way.
"""

from __future__ import annotations

import argparse
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from shared.damaged import COMPONENTS, DAMAGES, NOISE, Damaged, components_of, others
from shared.trained_vae import vae_for
from tqdm import tqdm

from scratchnn import VAE, Adam, DiscretisedLogistic, data
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli, figures
from scratchnn.scripts.provenance import drawing
from scratchnn.training import fingerprint, runs
from scratchnn.training.checkpoints import CheckpointError

ITERATIONS = 50
BURN_IN = 20  # iterations whose draws are not averaged: the first guess is still in them
CHAINS = 5  # an image
N_VALIDATION = 200  # images that the two are chosen on
BLOCK = 200  # test images at once
SHOWN = 10  # images in a picture
STEP = 0.2  # of Adam, on z

EXAMPLES = """\
  python examples/missing_pixels.py                        embedded digits; trains a small VAE first; under a minute
  python examples/vae.py --data mnist --latent 50 --epochs 50
  python examples/missing_pixels.py --data mnist --vae runs/vae-mnist-z50-seed0          some two minutes
  python examples/missing_pixels.py --data mnist --vae runs/vae-mnist-z50-seed0 --images 10000      all of them
"""


# ---- ways to fill in


def go_round(model: VAE, x: Damaged, rng: np.random.Generator, draw_z: bool, draw_x: bool) -> Iterator[Array]:
    """The guess (N, D) after one iteration, two, and so on without end.

    Where something is drawn, each image has CHAINS chains. Their guess is the mean over them of the means of p(x|z)
    and, once BURN_IN iterations are over, over all iterations since.
    """
    n_chains = CHAINS if draw_z else 1
    guess, kept = (np.repeat(array, n_chains, axis=0) for array in (x.given, x.kept))
    total, n = np.zeros_like(x.given), 0
    for iteration in itertools.count(1):
        z, log_var = model.encode(guess)
        if draw_z:
            z = z + np.exp(0.5 * log_var) * rng.standard_normal(z.shape, dtype=z.dtype)
        with model.evaluating():
            outputs = model.decoder.forward(z)
        means = model.likelihood.mean(outputs)
        guess = np.where(kept, guess, model.likelihood.sample(outputs, rng) if draw_x else means)
        if not draw_z or iteration <= BURN_IN + 1:
            total, n = np.zeros_like(total), 0
        total += means.reshape(len(x), n_chains, -1).mean(axis=1)
        n += 1
        yield np.where(x.kept, x.given, total / n)


@dataclass
class Codes:
    """The codes of all images as an optimiser takes them: one vector, and that of the gradients."""

    params: Array
    grads: Array


def climb(model: VAE, x: Damaged, rng: np.random.Generator) -> Iterator[Array]:
    """The guess (N, D) after one step of Adam towards a maximum of log p(z) + log p(x_s|z), two, and so on.

    Of the likelihood's gradient only the entries of the pixels that are seen are passed back. That of −log p(z) is z.
    """
    z = np.zeros((len(x), model.n_z), x.given.dtype)
    codes = Codes(z.reshape(-1), np.zeros(z.size, z.dtype))  # a view: what the optimiser steps is z
    adam = Adam(codes, lr=STEP)
    while True:
        outputs = model.decoder.forward(z)
        model.likelihood.forward(outputs, x.given)
        doutputs = model.likelihood.backward(-np.ones(len(x), z.dtype))
        seen = np.tile(x.seen, outputs.shape[1] // x.seen.shape[1])  # a Gaussian decoder has two outputs a pixel
        dz = model.decoder.backward(np.where(seen, doutputs, 0)) + z
        codes.grads[...] = dz.reshape(-1)
        adam.step()
        yield np.where(x.kept, x.given, model.decode(z))


WAYS: dict[str, Callable[[VAE, Damaged, np.random.Generator], Iterator[Array]]] = {
    "fixed point": functools.partial(go_round, draw_z=False, draw_x=False),
    "draws of z": functools.partial(go_round, draw_z=True, draw_x=False),
    "draws of z and x": functools.partial(go_round, draw_z=True, draw_x=True),
    "gradient": climb,
}


@dataclass(frozen=True)
class Course:
    """What becomes of the guesses: their errors (1 + ITERATIONS, N), from the first guess on, and the guesses at the
    first SHOWN images (1 + ITERATIONS, SHOWN, D)."""

    errors: Array
    guesses: Array


def course(model: VAE, x: Damaged, way: str, rng: np.random.Generator, name: str) -> Course:
    """Goes round ITERATIONS times with all images, some at a time; `name` stands beside the progress bar."""
    errors = np.zeros((1 + ITERATIONS, len(x)))
    guesses = np.zeros((1 + ITERATIONS, min(SHOWN, len(x)), x.given.shape[1]), x.given.dtype)
    starts = range(0, len(x), BLOCK)
    with tqdm(total=len(starts) * ITERATIONS, unit="iteration", desc=f"{name}: {way}", disable=None) as bar:
        for start in starts:
            rows = slice(start, start + BLOCK)
            block = x[rows]
            rounds = itertools.islice(WAYS[way](model, block, rng), ITERATIONS)
            for iteration, guess in enumerate(itertools.chain([block.given], rounds)):
                errors[iteration, rows] = block.errors(guess)
                if start == 0:
                    guesses[iteration] = guess[:SHOWN]
                bar.update(iteration > 0)
    return Course(errors, guesses)


# ---- the script


@dataclass(frozen=True)
class Results:
    """Of one kind of damage: the images, and what all methods make of them."""

    x: Damaged
    others: dict[str, tuple[int, Array]]
    courses: dict[str, Course]  # by the way to go round

    def errors(self) -> dict[str, Array]:
        """The errors (N,) of every method, image by image."""
        errors = {name: self.x.errors(guess) for name, (_, guess) in self.others.items()}
        if not self.x.kept.any():
            errors["VAE, reconstruction"] = self.courses["fixed point"].errors[1]
        return {**errors, **{f"VAE, {way}": c.errors[-1] for way, c in self.courses.items()}}

    def numbers(self) -> dict[str, Any]:
        """What summary.json says: means over the images, their standard errors, the means by iteration."""
        errors = self.errors()
        return {
            "given": float(self.x.errors(self.x.given).mean()),
            "mse": {name: float(e.mean()) for name, e in errors.items()},
            "standard_error": {name: float(e.std(ddof=1) / len(e) ** 0.5) for name, e in errors.items()},
            "chosen": {name: k for name, (k, _) in self.others.items() if k > 1},
            "by_iteration": {way: c.errors.mean(axis=1).tolist() for way, c in self.courses.items()},
        }


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    parser.add_argument("--data", choices=data.DATA_SETS, default="digits", help="data set (default: digits)")
    parser.add_argument("--vae", type=Path, metavar="RUN", help="a run of examples/vae.py: its folder or checkpoint")
    parser.add_argument("--images", type=cli.positive_int, default=1000, help="test images, at most (default: 1000)")
    parser.add_argument("--seed", type=cli.seed, default=0, help="of what is missing, and of all draws (default: 0)")
    parser.add_argument("--out", type=cli.folder, help="folder for numbers and figures")
    args = parser.parse_args(arguments)
    if args.vae is None and args.data != "digits":
        raise runs.OptionError(
            f"the pixels are filled in by a trained VAE: run python examples/vae.py --data {args.data} --latent 50, "
            f"and then this with --vae runs/vae-{args.data}-z50-seed0"
        )
    if args.images < 2:
        raise runs.OptionError("--images 1 is too few: a mean over the images needs a second for its standard error")
    args.out = args.out or Path("runs") / f"missing-pixels-{args.data}-seed{args.seed}"
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.prepare_folder(args.out, experiment="missing-pixels")
    model = vae_for(args, data=args.data, split="contiguous", binarisation="none")
    if isinstance(model.likelihood, DiscretisedLogistic):
        raise CheckpointError(
            f"the VAE in {args.vae} has a likelihood of grey levels, and what is first put in place of a missing "
            "pixel, the mean image's, is none: give --vae a run with another --likelihood"
        )
    images = data.load(args.data)
    n_pixels = images.test.pixels.shape[1]
    components = components_of(images.train, min(max(COMPONENTS), n_pixels // 2))
    originals = images.test[: args.images], images.validation[:N_VALIDATION]
    print(images)
    print(f"{len(originals[0]):,} test images; {model!r}")

    found: dict[str, Results] = {}
    for number, (name, damage) in enumerate(DAMAGES.items()):
        test, validation = (
            damage(x, components.pca.mean, images.image_shape, np.random.default_rng([args.seed, number, part]))
            for part, x in enumerate(originals)
        )
        ways = list(WAYS) if test.kept.any() else ["fixed point"]  # draws with no pixel kept forget the image
        courses = {}
        for way in ways:
            courses[way] = course(model, test, way, np.random.default_rng([args.seed, number, 2]), name)
        found[name] = Results(test, others(test, validation, images.train, components), courses)
        print_table(name, found[name])

    settings = {
        "data": args.data, "split": "contiguous", "seed": args.seed, "images": len(originals[0]),
        "latent": model.n_z, "model": repr(model), "parameters": fingerprint(model.params),
        "iterations": ITERATIONS, "burn_in": BURN_IN, "chains": CHAINS, "noise": NOISE,
        "validation_images": len(originals[1]),
    }  # fmt: skip
    runs.write_summary(
        args.out, "missing-pixels", {name: results.numbers() for name, results in found.items()}, settings,
        seed=args.seed, scaling=f"pixels / {images.train.max_value}",
    )  # fmt: skip
    pictures = draw(found, images.image_shape, f"{args.data}, VAE with {model.n_z} latent dimensions")
    for name, figure in pictures.items():
        figures.save(figure, args.out / f"{name}.png", settings)
    print(f"\nwritten to {args.out}: " + ", ".join(["summary.json", *(f"{name}.png" for name in pictures)]))


def print_table(name: str, results: Results) -> None:
    numbers = results.numbers()
    of_mean_image = numbers["mse"]["mean image"]
    pixels = "the missing pixels" if results.x.kept.any() else "all pixels"
    print(f"\n{name}: mean squared error of {pixels}, from 0 to 1, ± by the choice of images")
    if not results.x.kept.any():
        print(f"{'as given':<32} {numbers['given']:.4f}          {100 * numbers['given'] / of_mean_image:6.1f} %")
    for method, error in numbers["mse"].items():
        k = numbers["chosen"].get(method)
        called = f"{method}, k = {k}" if k else method
        share = f"{100 * error / of_mean_image:6.1f} %" + " of the mean image's" * (method == "mean image")
        print(f"{called:<32} {error:.4f} ± {numbers['standard_error'][method]:.4f} {share}")
    for way, errors in numbers["by_iteration"].items():
        some = [f"{errors[t]:.4f} ({t})" for t in (0, 1, 2, 5, 10, 20, ITERATIONS)]
        print(f"VAE, {way}, after iterations: {', '.join(some)}")


def draw(found: Mapping[str, Results], shape: tuple[int, int], what: str) -> dict[str, figures.Figure]:
    pictures = {"errors": error_curves(found, f"Error of the guess, iteration by iteration\n{what}")}
    for name, results in found.items():
        x, steps = results.x[:SHOWN], results.courses["fixed point"].guesses
        # what is not seen is shown half grey
        rows = {"test image": x.original, "given": np.clip(np.where(x.seen, x.given, 0.5), 0, 1)}
        rows |= {f"fixed point, {t}": steps[t] for t in (1, 2, 5, ITERATIONS)}
        rows |= {way: c.guesses[-1] for way, c in results.courses.items() if way != "fixed point"}
        for method in ("PCA, probabilistic", "nearest neighbour", "nearest neighbours, mean"):
            rows[method] = np.where(x.kept, x.original, results.others[method][1][:SHOWN])
        pictures[name.replace(",", "").replace(" ", "_")] = figures.rows_of_images(
            rows, shape, f"{TITLES[name]}\n{what}"
        )
    return pictures


TITLES = {
    "random half": "Half of the pixels missing, each with the same probability",
    "lower half": "The lower half missing",
    "noise": f"Noise of standard deviation {NOISE:g}, and reconstructions of reconstructions",
    "noise, cut off": f"Noise of standard deviation {NOISE:g}, cut off at 0 and 1, and reconstructions",
}


@drawing
def error_curves(found: Mapping[str, Results], title: str) -> figures.Figure:
    figure = figures.new_figure(8, 7.4, title)
    colours = dict(zip(WAYS, figures.CLASS_COLOURS[:3] + figures.CLASS_COLOURS[4:], strict=False))
    lines = {"mean image": ":", "PCA, probabilistic": "--", "nearest neighbours, mean": "-."}
    for axes, (name, results) in zip(figure.subplots(2, 2).ravel(), found.items(), strict=True):
        numbers = results.numbers()
        for way, errors in numbers["by_iteration"].items():
            axes.plot(errors, color=colours[way], label=f"VAE, {way}")
        for method, style in lines.items():
            axes.axhline(numbers["mse"][method], color="black", linestyle=style, linewidth=1, label=method)
        axes.set(title=name, xlabel="iteration", ylim=(0, None), xlim=(0, ITERATIONS))
        axes.set_ylabel("mean squared error of a pixel")
        axes.grid(alpha=0.25)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside lower center", ncols=4)
    return figure


if __name__ == "__main__":
    cli.run(main)
