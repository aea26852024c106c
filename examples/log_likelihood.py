"""How probable does a trained VAE make images that it has never seen? log p(x) by importance weights.

The loss of training is −ELBO, a bound on −log p(x) of unknown looseness. With K draws of z an image the bound tightens
towards −log p(x) itself (scratchnn/evaluation.py). The test images are made black or white once, by a fixed seed, since
grey pixels have no likelihood under a Bernoulli decoder; a decoder trained on grey pixels can be asked about binary
ones all the same. For MNIST, Burda, Grosse and Salakhutdinov ("Importance weighted autoencoders", 2015) give −log p(x)
with K = 5,000 after training with pixels drawn anew at every use (--binarisation dynamic of examples/vae.py), for a
network of 200 tanh units a layer with 50 latent dimensions: 86.76 as a VAE, 84.78 trained with the bound of K = 50.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from scratchnn import VAE, Bernoulli, cli, data, figures
from scratchnn.checkpoints import CheckpointError, fingerprint, load_model
from scratchnn.evaluation import importance_weighted, latent_use
from scratchnn.training import evaluate

PUBLISHED = {"VAE, Burda et al.": 86.76, "IWAE (K = 50), Burda et al.": 84.78}

EXAMPLES = """\
  python examples/log_likelihood.py runs/vae-digits-z2-seed0                  seconds
  python examples/log_likelihood.py runs/vae-mnist-dynamic-z50-seed0 --samples 1 10 100 1000 5000
  python examples/log_likelihood.py RUN --binarisation none --grey            a number that is no likelihood
"""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    parser.add_argument("run", type=Path, help="the folder of a run of examples/vae.py, or its checkpoint")
    parser.add_argument(
        "--samples",
        type=cli.positive_int,
        nargs="+",
        default=[1, 10, 100, 1000],
        metavar="K",
        help="draws of z an image; several K give several estimates (default: 1 10 100 1000)",
    )
    parser.add_argument("--images", type=cli.positive_int, help="only the first so many test images")
    parser.add_argument(
        "--binarisation",
        choices=data.BINARISATIONS,
        help="of the test pixels (default: as in training; fixed, where that saw grey pixels)",
    )
    parser.add_argument("--grey", action="store_true", help="allow grey pixels, for a number that is no likelihood")
    parser.add_argument("--seed", type=cli.seed, default=0, help="of the draws of z (default: 0)")
    parser.add_argument("--out", type=Path, help="folder for numbers and figures (default: RUN/log-likelihood)")
    return parser.parse_args(arguments)


def test_images(settings: dict[str, Any], args: argparse.Namespace, density: bool) -> tuple[data.Images, str]:
    """The test images that a run is asked about, and how they were made binary: not in training's own noise."""
    how = args.binarisation or settings["binarisation"]
    if args.binarisation is None and how == "none" and not density and not args.grey:
        how = "fixed"
    how = "fixed" if how == "dynamic" else how  # held-out images are drawn once
    if args.grey and (density or how != "none"):
        raise cli.OptionError("--grey is for grey pixels under a Bernoulli decoder: leave it out here")
    if how == "none" and not density and not args.grey:
        raise cli.OptionError(
            "grey pixels have no likelihood under a Bernoulli decoder: leave out --binarisation none, or add --grey to "
            "have the number that is none"
        )
    if how != "none" and density:
        raise cli.OptionError("a Gaussian decoder gives a density of grey pixels: leave out --binarisation")
    return data.binarise_held_out(data.load(settings["data"], settings["split"]).test, how), how


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    model, settings = load_model(args.run)
    if not isinstance(model, VAE):
        raise CheckpointError(
            f"{args.run} holds a model of class {type(model).__name__}: only a VAE says how probable an image is"
        )
    for name in ("data", "split", "binarisation", "seed"):
        if name not in settings:
            raise CheckpointError(f"{args.run} was not written by examples/vae.py: its settings have no {name!r}")
    density = not isinstance(model.likelihood, Bernoulli)
    all_images, how = test_images(settings, args, density)
    n = min(args.images or len(all_images), len(all_images))
    images = all_images[:n]
    meaning = "log-density" if density else "no likelihood: grey pixels" if how == "none" else "log-likelihood"
    out = args.out or (args.run if args.run.is_dir() else args.run.parent) / "log-likelihood"
    cli.prepare_folder(out)

    print(f"{settings['data']}: {n:,} test images, {data.BINARISATIONS[how]}; in nats per image ({meaning})")
    losses, use = evaluate(model, images), latent_use(model, images)
    print(f"−ELBO {losses['loss']:.2f} = reconstruction {losses['reconstruction']:.2f} + kl {losses['kl']:.2f}")
    print(f"active latent dimensions: {use.active.sum()} of {model.n_z}")
    print("      K   −log p̂(x)   ± by these draws of z   ± by the choice of images   seconds")
    estimates = []
    for k in sorted(set(args.samples)):
        began = time.perf_counter()
        result = importance_weighted(model, images, k, seed=args.seed, grey=args.grey)
        estimates.append(
            {
                "n_samples": k,
                "nll": -result.mean,
                "monte_carlo_error": None if k == 1 else result.monte_carlo_error,
                "sampling_error": None if n == 1 else result.sampling_error,
                "seconds": time.perf_counter() - began,
            }
        )
        draws = "unknown" if k == 1 else f"{result.monte_carlo_error:.3f}"
        print(
            f"{k:7,} {-result.mean:11.2f} {draws:>23} {result.sampling_error:27.2f} {estimates[-1]['seconds']:9.1f}",
            flush=True,
        )
    print("each is an upper bound of −log p(x); while it still falls with K it is not there yet, and ± says too little")
    comparable = meaning == "log-likelihood" and settings["data"] == "mnist" and n == len(all_images)
    if comparable:
        print("published, K = 5,000, training with pixels drawn anew: 86.76 (VAE), 84.78 (IWAE)")
    cli.write_json(
        out / "summary.json",
        {
            "experiment": "log-likelihood",
            "figures": {
                "estimates": estimates,
                **{f"test_{name}": value for name, value in losses.items()},
                "active_units": int(use.active.sum()),
                "test_kl_per_dimension": use.kl.tolist(),
            },
            "settings": {
                **settings,
                "latent": model.n_z,
                "images": n,
                "test_binarisation": how,
                "samples": sorted(set(args.samples)),
                "samples_seed": args.seed,
                "parameters": fingerprint(model.params),
            },
            "meaning": meaning,
            "seed": settings["seed"],
            "versions": cli.versions(),
        },
    )
    title = f"VAE on {settings['data']}, latent dimensions: {model.n_z}, seed: {settings['seed']}"
    figures.save(
        bound_against_samples(estimates, f"{title}\n{n:,} test images, {meaning}", comparable), out / "bound.png"
    )
    print(f"written to {out}: summary.json, bound.png")


def bound_against_samples(estimates: list[dict[str, Any]], title: str, comparable: bool) -> Figure:
    """−log p̂(x) falls with K towards −log p(x)."""
    figure = figures.new_figure(6.4, 4.2, title)
    axes = figure.add_subplot()
    # one draw alone has no error to show
    k, nll, error = ([e[name] or 0.0 for e in estimates] for name in ("n_samples", "nll", "monte_carlo_error"))
    axes.errorbar(k, nll, error, marker="o", capsize=3, color="#3f90da", label="this run")
    if comparable:
        for (name, value), style in zip(PUBLISHED.items(), ("--", ":"), strict=True):
            axes.axhline(value, color="black", linestyle=style, label=f"{name}: {value:.2f}")
    axes.set(xscale="log", xlabel="draws of z an image, K", ylabel="−log p̂(x) (nats per image)")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.25)
    return figure


if __name__ == "__main__":
    cli.run(main)
