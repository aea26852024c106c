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
from scratchnn.checkpoints import CheckpointError, load_model
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


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    model, settings = load_model(args.run)
    if not isinstance(model, VAE):
        raise CheckpointError(f"{args.run} holds a {type(model).__name__}: only a VAE says how probable an image is")
    density = not isinstance(model.likelihood, Bernoulli)
    how = args.binarisation or settings["binarisation"]
    if how == "none" and args.binarisation is None and not density and not args.grey:
        how = "fixed"
    if how == "none" and not density and not args.grey:
        raise cli.OptionError(
            "grey pixels have no likelihood under a Bernoulli decoder: leave out --binarisation none, or add --grey to "
            "have the number that is none"
        )
    grey = data.load(settings["data"], settings["split"]).test
    n = min(args.images or len(grey), len(grey))
    images = data.binarise_held_out(grey, how)[:n]
    out = args.out or (args.run if args.run.is_dir() else args.run.parent) / "log-likelihood"
    cli.prepare_folder(out)

    what = "grey pixels: no likelihood" if how == "none" and not density else "log-density" if density else "binary"
    print(f"{settings['data']}: the first {n:,} test images, {data.BINARISATIONS[how]} ({what})")
    losses = evaluate(model, images)
    print(f"−ELBO {losses['loss']:.2f} = reconstruction {losses['reconstruction']:.2f} + kl {losses['kl']:.2f}")
    use = latent_use(model, images)
    print(f"active latent dimensions: {use.active.sum()} of {model.n_z}")
    print("      K   −log p̂(x)   ± by the draws of z   ± by the choice of images   seconds")
    estimates = []
    for k in args.samples:
        began = time.perf_counter()
        result = importance_weighted(model, images, k, seed=args.seed, grey=args.grey)
        seconds = time.perf_counter() - began
        estimates.append(
            {
                "n_samples": k,
                "nll": -result.mean,
                "monte_carlo_error": None if k == 1 else result.monte_carlo_error,
                "sampling_error": result.sampling_error,
                "seconds": seconds,
            }
        )
        draws = "unknown" if k == 1 else f"{result.monte_carlo_error:.3f}"
        print(f"{k:7,} {-result.mean:11.2f} {draws:>21} {result.sampling_error:27.2f} {seconds:9.1f}")
    comparable = settings["data"] == "mnist" and how in ("dynamic", "fixed")
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
                "kl_per_dimension": use.kl.tolist(),
                "variance_of_mean_per_dimension": use.spread.tolist(),
            },
            "settings": {
                **settings,
                "latent": model.n_z,
                "images": n,
                "test_binarisation": how,
                "samples": args.samples,
                "samples_seed": args.seed,
            },
            "meaning": what,
            "seed": settings["seed"],
            "versions": cli.versions(),
        },
    )
    title = f"VAE on {settings['data']}, latent dimensions: {model.n_z}, seed: {settings['seed']}"
    figures.save(bound_against_samples(estimates, f"{title}\n{n:,} test images, {what}", comparable), out / "bound.png")
    figures.save(figures.latent_use(use.kl, use.active, f"{title}\nwhat each latent dimension costs"), out / "kl.png")
    print(f"written to {out}: summary.json, bound.png, kl.png")


def bound_against_samples(estimates: list[dict[str, Any]], title: str, comparable: bool) -> Figure:
    """−log p̂(x) falls with K towards −log p(x)."""
    figure = figures.new_figure(6.4, 4.2, title)
    axes = figure.add_subplot()
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
