"""Clothes in two dimensions: a VAE before and after training, with the right noise and with a tenth of it; PCA; t-SNE.

Exercise 4 of the first student work (000) trains a VAE 784-64-2-64-784 on Fashion-MNIST: ReLU, Adam, binary
cross-entropy, 200 epochs, batches of 64. It draws

    z = z_mean + exp(z_log_sigma) · epsilon        with epsilon from N(0, 0.1²)

where the theory wants N(0, 1): the standard deviation of the noise, sigma below, is 0.1 there and 1 as it should be.
Both are trained here, from the same initial values. The KL divergence, which the document does not print, is charged
for q = N(mean, σ²) both times: with sigma = 0.1 the decoder is shown something else than what is paid for. Then the
loss is no bound on log p(x), and it looks better than it is. The true −ELBO of the same network is that of
N(mean, (0.1 σ)²). Where codes are fine, σ far below 1, the KL is all but −Σ_j log σ_j, and a factor of 0.1 takes a
constant off the loss, 2 log 10 = 4.61 nats: so on Fashion-MNIST both trainings come to as good a network, and only the
one loss is wrong. On the embedded digits, where codes are coarse, the network with a tenth of the noise is worse by its
−ELBO as well, and better by the two measures that ask for no distribution of z: the squared error, and the classes of
neighbours.

The other student work (001) sets a two-number code beside PCA and t-SNE, as is done here. What differs from 000: its
60,000 training images are 55,000 here, the other 5,000 validate; weights start from N(0, 1/fan-in) and not from
Keras's uniform distribution; the second head is log σ² and not log σ; Adam's ε is 1e-8 and not 1e-7.

The documents judge their pictures by eye. Here a number stands beside each: how often the ten nearest of the other
images, in that picture, tell the class of an image rightly (leave-one-out, on the same test images for all).
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shared.series import write_results

from scratchnn import VAE, Adam, Bernoulli, Dense, ReLU, Sequential, data
from scratchnn.evaluation import (
    accuracy,
    bernoulli_floor,
    encode,
    mean_image_loss,
    principal_components,
    reconstruction_error,
    t_sne,
)
from scratchnn.layers import Layer
from scratchnn.likelihoods import Likelihood
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli, figures
from scratchnn.training import Trainer, evaluate, runs
from scratchnn.training.checkpoints import best_record

EPOCHS = {"digits": 100, "mnist": 200, "fashion-mnist": 200}
HIDDEN = {"digits": 32, "mnist": 64, "fashion-mnist": 64}
SIGMAS = (0.1, 1.0)  # the document's, and the one that belongs there
NEIGHBOURS = 10
CLAIMS = {
    "apart": ("bag", "trouser", "ankle boot"),  # "clases que están muy bien separadas"
    "mixed": ("pullover", "coat", "shirt"),  # "aún necesitan de más entrenamiento"
}

EXAMPLES = """\
  python examples/fashion_latent_2d.py                            embedded digits, a narrower network; under a minute
  python examples/fashion_latent_2d.py --data fashion-mnist       the document's
  python examples/fashion_latent_2d.py --data fashion-mnist --shown 10000      t-SNE of all test images: some minutes
"""


class ScaledNoiseVAE(VAE):
    """A VAE that draws z = mean + σ · sigma · eps with eps from N(0, I), and pays the KL divergence of sigma = 1."""

    stored_as = VAE  # in a checkpoint: sigma matters in training alone, and is one of its settings

    def __init__(self, encoder: Layer, decoder: Layer, likelihood: Likelihood, n_z: int, sigma: float) -> None:
        super().__init__(encoder, decoder, likelihood, n_z)
        self.sigma = sigma

    def loss_terms(self, x: Array, rng: np.random.Generator) -> dict[str, Array]:
        eps = self.sigma * rng.standard_normal((len(x), self.n_z))
        return dict(zip(self.term_names, self.forward(x, eps.astype(self.params.dtype)), strict=True))

    def honest(self) -> VAE:
        """The VAE that draws the same z and pays for what it draws: N(mean, (sigma σ)²) has log σ² + 2 log sigma."""
        twin = VAE(*copy.deepcopy((self.encoder, self.decoder, self.likelihood)), self.n_z)
        twin.encoder.parameters["2.b"][self.n_z :] += 2 * np.log(self.sigma)  # the biases of log_var
        return twin


def network(n_x: int, n_hidden: int, sigma: float, rng: np.random.Generator) -> ScaledNoiseVAE:
    encoder = Sequential([Dense(n_x, n_hidden, rng), ReLU(), Dense(n_hidden, 2 * 2, rng)])  # mean and log_var
    decoder = Sequential([Dense(2, n_hidden, rng), ReLU(), Dense(n_hidden, n_x, rng)])  # logits
    return ScaledNoiseVAE(encoder, decoder, Bernoulli(), 2, sigma)


def neighbours_verdicts(codes: Array, labels: Array) -> Array:
    """For every image (N, d) the class that most of its nearest neighbours have, itself left out: (N,).

    Where two classes have as many votes, the first of them is taken.
    """
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(codes) - 1)).fit(codes)
    nearest = labels[search.kneighbors(return_distance=False)]  # without arguments no point is its own neighbour
    votes = np.stack([(nearest == label).sum(axis=1) for label in range(int(labels.max()) + 1)], axis=1)
    return votes.argmax(axis=1)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.training_parser(__doc__ or "", EXAMPLES, batch_size=64)
    parser.add_argument("--hidden", type=cli.positive_int, help="units of a hidden layer (default: 64; digits: 32)")
    parser.add_argument(
        "--shown", type=cli.positive_int, default=5000, help="test images in the pictures, at most (default: 5000)"
    )
    args = parser.parse_args(arguments)
    if args.data not in EPOCHS:
        raise runs.OptionError(f"{args.data} has no classes to colour: choose {', '.join(EPOCHS)} with --data")
    if args.shown < 2 * NEIGHBOURS:
        raise runs.OptionError(f"--shown {args.shown} is too few for their nearest {NEIGHBOURS}: ask for at least 20")
    args.epochs = args.epochs or EPOCHS[args.data]
    args.hidden = args.hidden or HIDDEN[args.data]
    args.out = args.out or Path("runs") / f"fashion-latent-2d-{args.data}-seed{args.seed}"
    return args


def train(
    sigma: float, args: argparse.Namespace, images: data.DataSet, settings: dict[str, Any]
) -> tuple[ScaledNoiseVAE, Trainer]:
    """One of the two VAEs and its trainer, or what an earlier run left of it."""
    rng = np.random.default_rng(args.seed)
    model = network(images.train.pixels.shape[1], args.hidden, sigma, rng)
    trainer = runs.trainer(
        args.threads, model, Adam(model, lr=1e-3), rng, {**settings, "sigma": sigma},
        batch_size=args.batch_size, blas_threads=args.blas_threads,
    )  # fmt: skip
    print(f"\nsigma {sigma:g}: {model!r}", flush=True)
    runs.train_in_folder(
        args.out / f"sigma-{sigma:g}", trainer, images.train, epochs=args.epochs, batch_size=args.batch_size,
        strict=args.strict, early_stopping=args.early_stopping, log=args.log,
        held_out=images.validation,
    )  # fmt: skip
    return model, trainer


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.check_resume(args.out, args.resume, "fashion-latent-2d")
    with runs.alone_in(args.out):
        train_all(args)


def train_all(args: argparse.Namespace) -> None:
    """Trains the networks, or finds them trained, and writes what came out."""
    images = data.load(args.data)
    runs.check_batch_size(args.batch_size, len(images.train))
    settings = {
        "data": args.data, "split": "contiguous", "binarisation": "none", "batch_size": args.batch_size,
        "seed": args.seed,
    }  # fmt: skip
    print(images)
    untrained = network(images.train.pixels.shape[1], args.hidden, 1.0, np.random.default_rng(args.seed))
    models: dict[float, ScaledNoiseVAE] = {}
    trainers: dict[str, Trainer] = {}
    for sigma in SIGMAS:
        models[sigma], trainers[f"{sigma:g}"] = train(sigma, args, images, settings)
    histories = {sigma: trainer.history for sigma, trainer in trainers.items()}
    pca = principal_components(images.train, 2)

    losses = {f"{sigma:g}": score(model, images.test) for sigma, model in models.items()}
    errors = {
        "mean image": reconstruction_error(principal_components(images.train, 0).reconstruct, images.test),
        "PCA, 2 numbers": reconstruction_error(pca.reconstruct, images.test),
        **{f"VAE, sigma {s:g}": reconstruction_error(model.reconstruct, images.test) for s, model in models.items()},
    }
    scale = {"floor": bernoulli_floor(images.test), "mean_image_loss": mean_image_loss(images.test)}

    n = min(args.shown, len(images.test))
    shown, labels = images.test[:n], data.labels_of(images.test)[:n]
    print(f"\nt-SNE of {n:,} test images …", flush=True)
    codes = {
        "VAE before training": untrained.encode(shown)[0],
        **{f"VAE, sigma {sigma:g}": model.encode(shown)[0] for sigma, model in models.items()},
        "PCA": pca.encode(shown),
        "t-SNE": t_sne(images, n, args.seed),
    }
    verdicts = {name: neighbours_verdicts(code, labels) for name, code in {**codes, "all pixels": shown}.items()}
    classes = images.class_names
    told = {
        name: {"all": accuracy(found, labels)}
        | {word: accuracy(found[labels == k], labels[labels == k]) for k, word in enumerate(classes)}
        for name, found in verdicts.items()
    }
    report(args, n, images.train.max_value, losses, scale, errors, told)
    measured = {
        "test_losses": losses,
        "train_loss": {
            sigma: (best_record(history) if args.early_stopping else history[-1])["train_loss"]
            for sigma, history in histories.items()
        },
        **{f"test_{name}": value for name, value in scale.items()},
        "test_mse": errors,
        "neighbours_accuracy": told,
    }
    settings |= {
        "epochs": {sigma: len(history) for sigma, history in histories.items()},
        "early_stopping": args.early_stopping,
        "scaling": f"pixels / {images.train.max_value}",
        "model": repr(models[1.0]),
        "optimiser": trainers["1"].settings["optimiser"],
        "threads": args.threads,
        "shown": n,
        "neighbours": NEIGHBOURS,
    }
    document = {"figures": "none: pictures only", "sigma": 0.1, "claims": CLAIMS}
    runs.write_summary(args.out, "fashion-latent-2d", measured, settings, seed=args.seed, document=document)
    seen = f"epochs: {len(histories['1'])}" if args.early_stopping is None else "parameters of the best epoch of each"
    what = f"{args.data}, {seen}, seed: {args.seed}"
    panels = {f"{name}\nneighbours tell the class: {100 * told[name]['all']:.1f} %": codes[name] for name in codes}
    write_results(args.out, histories, draw(args, models, panels, labels, images, what), settings)


def score(model: ScaledNoiseVAE, test: data.Images) -> dict[str, float]:
    """The loss as trained on, the true −ELBO of the z that are drawn, and how wide they lie, on test images."""
    mean, log_var = encode(model, test)
    noise = model.sigma * np.exp(0.5 * log_var)
    honest = evaluate(model.honest(), test)
    return {
        **evaluate(model, test),
        "honest_loss": honest["loss"],
        "honest_kl": honest["kl"],
        "std_of_means": float(np.sqrt(mean.var(axis=0).mean())),
        "std_of_noise": float(np.sqrt(np.mean(noise**2))),
    }


def report(
    args: argparse.Namespace,
    n: int,
    max_value: int,
    losses: dict[str, dict[str, float]],
    scale: dict[str, float],
    errors: dict[str, float],
    told: dict[str, dict[str, float]],
) -> None:
    print("the documents print pictures and no figures; measured on the test images:")
    print(f"\n{'nats per image':<44}" + "".join(f"{f'sigma {sigma}':>12}" for sigma in losses))
    rows = {
        "loss": "loss as trained on",
        "reconstruction": "  reconstruction",
        "kl": "  KL that is paid",
        "honest_loss": "−ELBO of the z that are drawn",
        "honest_kl": "  KL of these",
        "std_of_means": "standard deviation of the means",
        "std_of_noise": "standard deviation of the noise around them",
    }
    for key, name in rows.items():
        print(f"{name:<44}" + "".join(f"{values[key]:12.2f}" for values in losses.values()))
    print(f"floor {scale['floor']:.2f}, one mean image for all {scale['mean_image_loss']:.2f}; means and noise of all")
    print("test images together have the standard deviation 1 if they are what N(0, I), from which one draws, expects")
    print(
        f"\nmean squared error of a pixel / {max_value}: " + ", ".join(f"{name} {e:.4f}" for name, e in errors.items())
    )
    print(f"\nper cent of {n:,} images whose class the {NEIGHBOURS} nearest others tell")
    names = list(told)
    print(f"{'':<12}" + "".join(f"{name:>21}" for name in names))
    for word in told[names[0]]:
        print(f"{word:<12}" + "".join(f"{100 * told[name][word]:21.1f}" for name in names))
    if args.data == "fashion-mnist":
        for what, words in CLAIMS.items():
            means = "".join(f"{100 * np.mean([told[name][word] for word in words]):21.1f}" for name in names)
            print(f"{what:<12}{means}   000 by eye: {', '.join(words)}")


def draw(
    args: argparse.Namespace,
    models: dict[float, ScaledNoiseVAE],
    panels: dict[str, Array],
    labels: Array,
    images: data.DataSet,
    what: str,
) -> dict[str, figures.Figure]:
    """Figures 15 and 17 to 19 of 000, and 001's views."""
    title = f"{len(labels):,} test images in two dimensions, {what}"
    pictures = {"views": figures.views(panels, labels, title, images.class_names)}
    for sigma, model in models.items():
        pictures[f"manifold-sigma-{sigma:g}"] = figures.manifold(
            model.decode, images.image_shape, f"Decoded 20×20 grid of z over [−3, 3]², sigma {sigma:g}\n{what}"
        )
    samples = {f"sigma {s:g}": model.generate(64, np.random.default_rng(args.seed)) for s, model in models.items()}
    pictures["samples"] = figures.collage(
        {"test images": images.test[:64], **samples}, images.image_shape, 8, f"Decoded draws of z from N(0, I)\n{what}"
    )
    return pictures


if __name__ == "__main__":
    cli.run(main)
