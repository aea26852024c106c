"""How probable does a trained VAE make images that it has never seen? log p(x) by importance weights.

The loss of training is −ELBO, a bound on −log p(x) of unknown looseness. With K draws of z an image the bound tightens
towards −log p(x) itself (scratchnn/evaluation/bounds.py). This does not depend on how the model was trained, so a VAE
and an IWAE (--importance of examples/vae.py) are compared by it. The test images are made black or white once, by a
fixed seed, since grey pixels have no likelihood under a Bernoulli decoder; a decoder trained on grey pixels can be
asked about binary ones all the same. Under a decoder made for grey pixels they stay grey, and what is estimated is
their density or, for a discretised likelihood, their probability. For MNIST, Burda, Grosse and Salakhutdinov
("Importance weighted autoencoders", 2015) give −log p(x) with K = 5,000 after training with pixels drawn at every use
(--binarisation dynamic of examples/vae.py), for a network of 200 tanh units a layer with 50 latent dimensions: 86.76 as
a VAE, 84.78 trained with the bound of K = 50.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scratchnn import data
from scratchnn.evaluation import DENSITIES, importance_weighted, latent_use
from scratchnn.likelihoods import Bernoulli
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli
from scratchnn.scripts.provenance import drawing
from scratchnn.scripts.train import draw, in_words, model_name
from scratchnn.training import blas, evaluate, runs
from scratchnn.training.checkpoints import CheckpointError, fingerprint, first_difference
from scratchnn.vae import VAE
from shared.trained_vae import load_vae

# −log p(x) of binary MNIST with K = 5,000, by the number of draws in training, None for the ELBO (Burda et al. 2015)
PUBLISHED = {None: 86.76, 5: 85.54, 50: 84.78}

EXPERIMENT = "log-likelihood"
EXAMPLES = """\
  python examples/log_likelihood.py runs/vae-digits-z2-seed0                  seconds
  python examples/log_likelihood.py runs/vae-mnist-dynamic-z50-seed0 --samples 1 10 100 1000 5000
  python examples/log_likelihood.py RUN --binarisation none --grey            a number that is no likelihood
"""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    parser.add_argument("run", type=Path, help="the folder of a run of examples/vae.py, or its checkpoint")
    parser.add_argument(
        "--samples", type=cli.positive_int, nargs="+", default=[1, 10, 100, 1000], metavar="K",
        help="draws of z an image; several K give several estimates (default: 1 10 100 1000)",
    )  # fmt: skip
    parser.add_argument("--images", type=cli.positive_int, help="only the first so many test images")
    parser.add_argument(
        "--binarisation", choices=data.BINARISATIONS,
        help="of the test pixels (default: as in training; fixed, where that saw grey pixels)",
    )  # fmt: skip
    parser.add_argument("--grey", action="store_true", help="allow grey pixels, for a number that is no likelihood")
    parser.add_argument("--seed", type=cli.seed, default=0, help="of the draws of z (default: 0)")
    parser.add_argument(
        "--out", type=cli.folder,
        help="folder for numbers and figures (default: log-likelihood in RUN; FILE-log-likelihood beside FILE.npz)",
    )  # fmt: skip
    args = parser.parse_args(arguments)
    args.samples = sorted(set(args.samples))
    folder, of_run = (args.run, True) if args.run.is_dir() else (args.run.parent, args.run.name == "checkpoint.npz")
    args.out = args.out or folder / ("log-likelihood" if of_run else f"{args.run.stem}-log-likelihood")
    return args


def test_images(settings: Mapping[str, Any], args: argparse.Namespace, made_for_grey: bool) -> tuple[Array, str]:
    """The test images (N, D) that a run is asked about, and how they were made binary: not in training's own noise."""
    how = args.binarisation or settings["binarisation"]
    if args.binarisation is None and how == "none" and not made_for_grey and not args.grey:
        how = "fixed"
    how = "fixed" if how == "dynamic" else how  # held-out images are drawn once
    if args.grey and (made_for_grey or how != "none"):
        raise runs.OptionError("--grey is for grey pixels under a Bernoulli decoder: leave it out here")
    if how == "none" and not made_for_grey and not args.grey:
        raise runs.OptionError(
            "grey pixels have no likelihood under a Bernoulli decoder: leave out --binarisation none, or add --grey to "
            "have the number that is none"
        )
    if how != "none" and made_for_grey:
        raise runs.OptionError("this decoder has a likelihood of grey pixels: leave out --binarisation")
    images = data.binarise_held_out(data.load(settings["data"], settings["split"]).test, how)
    return images[: args.images], how


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    model, settings = load_vae(args.run, ": only a VAE says how probable an image is")
    for name in ("data", "split", "binarisation", "seed"):
        if name not in settings:
            raise CheckpointError(f"{args.run} was not written by examples/vae.py: its settings have no {name!r}")
    made_for_grey = not isinstance(model.likelihood, Bernoulli)
    images, how = test_images(settings, args, made_for_grey)
    if isinstance(model.likelihood, DENSITIES):
        meaning = "log-density"
    elif made_for_grey:
        meaning = "log-probability of grey levels"
    else:
        meaning = "no likelihood: grey pixels" if how == "none" else "log-likelihood"
    runs.prepare_folder(args.out, experiment=EXPERIMENT)
    blas.keep_freed_memory()  # half the time goes into asking for it again otherwise

    print(f"{settings['data']}: {len(images):,} test images, {data.BINARISATIONS[how]}; in nats per image ({meaning})")
    losses, use = evaluate(model, images), latent_use(model, images)
    print(in_words(model, losses))
    print(f"active latent dimensions: {use.active.sum()} of {model.n_z}")
    print("      K   −log p̂(x)   ± by these draws of z   ± by the choice of images   seconds")
    estimates = [estimate(model, images, k, args) for k in args.samples]
    if meaning == "log-probability of grey levels":
        bits = estimates[-1]["nll"] / (images.shape[1] * math.log(2))
        print(f"the last one in bits per pixel: {bits:.3f}")
    if not meaning.startswith("no"):
        print(
            "each is an upper bound of −log p(x); while it still falls with K it is not there yet, and ± is too small"
        )
    comparable = meaning == "log-likelihood" and settings["data"] == "mnist" and len(images) == 10_000
    if comparable:
        numbers = ", ".join(f"{value:.2f} ({trained_by(draws)})" for draws, value in PUBLISHED.items())
        print(f"published, K = 5,000, training with pixels drawn at every use: {numbers}")
    measured = {
        "estimates": estimates,
        **{f"test_{name}": value for name, value in losses.items()},
        "active_units": int(use.active.sum()),
        "test_kl_per_dimension": use.kl.tolist(),
    }
    asked = asked_for(model, args.samples, args.seed, len(images), how)
    told = {**settings, "latent": model.n_z, **asked}
    runs.write_summary(args.out, EXPERIMENT, measured, told, seed=settings["seed"], meaning=meaning)
    title = f"{model_name(model)} on {settings['data']}, latent dimensions: {model.n_z}, seed: {settings['seed']}"
    title += f"\n{len(images):,} test images, {meaning}"
    drawn = draw({"bound": lambda _: bound_against_samples(estimates, title, comparable)}, args.out, told)
    print(f"written to {args.out}: " + ", ".join(["summary.json", *drawn]))


def estimate(model: VAE, images: Any, k: int, args: argparse.Namespace) -> dict[str, Any]:
    """One line of the table, printed, and its figures."""
    began = time.perf_counter()
    result = importance_weighted(model, images, k, seed=args.seed, grey=args.grey)
    seconds = time.perf_counter() - began
    draws = "unknown" if k == 1 else f"{result.monte_carlo_error:.3f}"
    choice = "unknown" if len(images) == 1 else f"{result.sampling_error:.2f}"
    print(f"{k:7,} {-result.mean:11.2f} {draws:>23} {choice:>27} {seconds:9.1f}", flush=True)
    return {
        "n_samples": k,
        "nll": -result.mean,
        "monte_carlo_error": None if k == 1 else result.monte_carlo_error,
        "sampling_error": None if len(images) == 1 else result.sampling_error,
        "seconds": seconds,
    }


def asked_for(model: VAE, samples: Sequence[int], seed: int, n_images: int, how: str) -> dict[str, Any]:
    """What an estimate depends on beside the settings of the training."""
    return {
        "images": n_images,
        "test_binarisation": how,
        "samples": list(samples),
        "samples_seed": seed,
        "parameters": fingerprint(model.params),
    }


def is_there(folder: Path, asked: Mapping[str, Any]) -> bool:
    """Whether this folder has an estimate that was asked for in this way already."""
    if runs.experiment_in(folder) != EXPERIMENT:
        return False
    settings = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["settings"]
    return first_difference(asked, {name: settings.get(name) for name in asked}) is None


def trained_by(draws: int | None) -> str:
    return "VAE" if draws is None else f"IWAE of {draws} draws"


@drawing
def bound_against_samples(estimates: Sequence[Mapping[str, Any]], title: str, comparable: bool) -> Any:
    """−log p̂(x) falls with K towards −log p(x)."""
    from scratchnn.scripts import figures  # which needs matplotlib

    figure = figures.new_figure(6.4, 4.2, title)
    axes = figure.add_subplot()
    # one draw alone has no error to show
    k, nll, error = ([e[name] or 0.0 for e in estimates] for name in ("n_samples", "nll", "monte_carlo_error"))
    axes.errorbar(k, nll, error, marker="o", capsize=3, color="#3f90da", label="this run")
    if comparable:
        for (draws, value), style in zip(PUBLISHED.items(), ("--", "-.", ":"), strict=True):
            axes.axhline(value, color="black", linestyle=style, label=f"{trained_by(draws)}, Burda et al.: {value:.2f}")
    axes.set(xscale="log", xlabel="draws of z an image, K", ylabel="−log p̂(x) (nats per image)")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.25)
    return figure
