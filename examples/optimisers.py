"""Gradient descent with five learning rates, the same with momentum, and Adam: the thesis's network by each of them.

The thesis explains gradient descent with a learning rate "between 0 and 1" (2.1.5, Figures 9 and 10): too small, and
the network learns slowly; too large, and it oscillates or finds no minimum at all. It then trains with Adam (4.5,
Annex C), whose advantages it names, and does not show. Here are the losses of both.

    SGD        params ← params − lr g                                      one rate for all parameters
    momentum   velocity ← 0.9 velocity + g,   params ← params − lr velocity
    Adam       params ← params − lr m̂ / (√v̂ + ε)                           m̂, v̂: means of g and g² over past steps

What a good learning rate is depends on the loss for the first two, and hardly for the third. The loss here is a sum
over the pixels, as −ELBO wants it. With the mean over 784 pixels in its place every gradient would be 784 times as
small: the rates of SGD would have to be 784 times as large, while Adam, which divides g by the size that it usually
has, would make the same steps. So "between 0 and 1" is a matter of units.

With momentum a gradient that stays the same moves the parameters by lr/(1 − 0.9) = 10 lr a step: the rate r with
momentum should be held against 10 r without. What it adds beyond that is that gradients which change their sign from
step to step cancel.

A rate that is too large ends the training: each step overshoots by more than the one before, until e^log_var or an
activation overflows. That may take a few iterations, and it is not the only way to fail: one large step can leave
ReLUs that are 0 for all images, through which nothing is learned any more, and then the loss stays where it is.

All start from the same initial values and see the same images in the same order with the same noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from shared.series import write_results

from scratchnn import SGD, VAE, Adam, data
from scratchnn.evaluation import bernoulli_floor, mean_image_loss
from scratchnn.optim import Optimiser
from scratchnn.scripts import cli, figures
from scratchnn.scripts.provenance import drawing
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training import DivergedError, Trainer, blas, evaluate, runs

RATES = (1.0, 0.1, 0.01, 0.001, 0.0001)
OPTIMISERS: dict[str, Callable[[VAE], Optimiser]] = {
    **{f"SGD, {lr:g}": partial(SGD, lr=lr) for lr in RATES},
    **{f"momentum, {lr:g}": partial(SGD, lr=lr, momentum=0.9) for lr in RATES},
    "Adam, 0.001": partial(Adam, lr=0.001),
}
EPOCHS = {"digits": 60, "mnist": 10, "fashion-mnist": 10, "frey-face": 100}
HIDDEN = {"digits": 100, "mnist": 500, "fashion-mnist": 500, "frey-face": 500}
TOLD = (1, 2, 5, 10, 20, 50)  # epochs in the table, and the last

EXAMPLES = """\
  python examples/optimisers.py                     embedded digits, 100 units a layer; under a minute
  python examples/optimisers.py --data mnist        the thesis's network, 10 epochs each; some ten minutes
"""

History = list[dict[str, Any]]


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.training_parser(
        __doc__ or "", EXAMPLES, batch_size=100, all_epochs="where optimisers are compared after as many epochs"
    )
    parser.add_argument("--latent", type=cli.positive_int, default=20, help="latent dimensions (default: 20)")
    parser.add_argument("--hidden", type=cli.positive_int, help="units of a hidden layer (default: 500; digits: 100)")
    args = parser.parse_args(arguments)
    args.epochs = args.epochs or EPOCHS[args.data]
    args.hidden = args.hidden or HIDDEN[args.data]
    args.out = args.out or Path("runs") / f"optimisers-{args.data}-seed{args.seed}"
    return args


def folder_of(name: str, out: Path) -> Path:
    return out / name.replace(", ", "-")


def train(
    name: str, args: argparse.Namespace, images: data.DataSet, settings: Mapping[str, Any]
) -> tuple[Trainer, str | None]:
    """A training by the optimiser of that name, or what an earlier run left of it; and how it diverged, if it did."""
    rng = np.random.default_rng(args.seed)
    model = thesis_vae(images.train.pixels.shape[1], args.hidden, args.latent, rng)
    trainer = runs.trainer(
        args.threads, model, OPTIMISERS[name](model), rng, settings,
        batch_size=args.batch_size, blas_threads=args.blas_threads,
    )  # fmt: skip
    print(f"\n{name}: {trainer.optimiser!r}", flush=True)
    try:
        runs.train_in_folder(
            folder_of(name, args.out), trainer, images.train, epochs=args.epochs, batch_size=args.batch_size,
            strict=args.strict, log=args.log,
            held_out=images.validation,
        )  # fmt: skip
    except DivergedError as error:
        how = str(error).split(";")[0]  # "the loss became nan in epoch 1, iteration 3 of it"
        print(how)
        return trainer, how
    return trainer, None


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.check_resume(args.out, args.resume, "optimisers")
    with runs.alone_in(args.out):
        train_all(args)


def train_all(args: argparse.Namespace) -> None:
    """Trains the networks, or finds them trained, and writes what came out."""
    for name in OPTIMISERS:
        runs.check_not_longer(folder_of(name, args.out), args.epochs)
    images = data.load(args.data)
    runs.check_batch_size(args.batch_size, len(images.train))
    settings = {
        "data": args.data, "split": "contiguous", "binarisation": "none", "batch_size": args.batch_size,
        "seed": args.seed,
    }  # fmt: skip
    untrained = thesis_vae(images.train.pixels.shape[1], args.hidden, args.latent, np.random.default_rng(args.seed))
    if args.threads == 1:  # the same bits, whether a trainer was made in this process before or not
        blas.limit_process(args.blas_threads or blas.threads_for(untrained, args.batch_size))
    first = evaluate(untrained, images.train)["loss"]
    scale = {"floor": bernoulli_floor(images.train), "mean_image_loss": mean_image_loss(images.train)}
    print(images)
    print(f"−ELBO in nats per image; training images: floor {scale['floor']:.2f}, one mean image for all "
          f"{scale['mean_image_loss']:.2f}, untrained network {first:.2f}")  # fmt: skip

    histories: dict[str, History] = {}
    diverged: dict[str, str] = {}
    for name in OPTIMISERS:
        trainer, how = train(name, args, images, settings)
        histories[name] = trainer.history
        if how is not None:
            diverged[name] = how
    print_table(histories, diverged, args.epochs)

    train_losses, held_out_losses = (
        {name: [record[f"{part}_loss"] for record in history] for name, history in histories.items()}
        for part in ("train", "held_out")
    )
    measured = {
        "untrained_loss": first,
        "train_floor": scale["floor"],
        "train_mean_image_loss": scale["mean_image_loss"],
        "train_loss": train_losses,
        "held_out_loss": held_out_losses,
        "diverged": diverged,
    }
    settings |= {
        "epochs": max(map(len, histories.values())), "latent": args.latent, "hidden": args.hidden,
        "model": repr(untrained), "threads": args.threads,
    }  # fmt: skip
    runs.write_summary(
        args.out, "optimisers", measured, settings, seed=args.seed, scaling=f"pixels / {images.train.max_value}"
    )
    what = f"VAE on {args.data}, latent dimensions: {args.latent}, hidden units: {args.hidden}, seed: {args.seed}"
    curves = {name: [first, *losses] for name, losses in train_losses.items()}
    picture = loss_by_epoch(curves, diverged, scale, f"The same network by different optimisers\n{what}")
    write_results(args.out, histories, {"losses": picture}, settings)


def print_table(histories: Mapping[str, History], diverged: Mapping[str, str], epochs: int) -> None:
    told = sorted({epoch for epoch in TOLD if epoch < epochs} | {epochs})
    print("\nloss of the training images, mean over an epoch; and of the validation images after the last")
    print(f"{'':<18}" + "".join(f"{f'epoch {epoch}':>10}" for epoch in told) + f"{'validation':>12}")
    for name, history in histories.items():
        losses = [f"{history[epoch - 1]['train_loss']:10.2f}" for epoch in told if epoch <= len(history)]
        last = f"   {diverged[name]}" if name in diverged else f"{history[:epochs][-1]['held_out_loss']:12.2f}"
        print(f"{name:<18}" + "".join(losses) + last)


@drawing
def loss_by_epoch(
    curves: Mapping[str, Sequence[float]], diverged: Mapping[str, str], scale: Mapping[str, float], title: str
) -> figures.Figure:
    """The losses of every optimiser, from that of the untrained network on, less the floor."""
    from matplotlib.ticker import LogFormatter

    figure = figures.new_figure(8.4, 5.4, title)
    axes: Any = figure.add_subplot()
    styles = {"SGD": "-", "momentum": "--", "Adam": "-"}
    colours = dict(zip(map("{:g}".format, RATES), figures.CLASS_COLOURS[:3] + figures.CLASS_COLOURS[4:], strict=False))
    for name, losses in curves.items():
        kind, rate = name.split(", ")
        colour = "black" if kind == "Adam" else colours[rate]
        label = f"{name} (diverged)" if name in diverged else name
        above = np.array(losses) - scale["floor"]
        axes.plot(above, styles[kind], color=colour, marker="o", markersize=2, linewidth=1.2, label=label)
    mean_image = scale["mean_image_loss"] - scale["floor"]
    axes.axhline(mean_image, color="black", linestyle=":", label=f"one mean image for all: {mean_image:.2f}")
    highest = 1.1 * (max(losses[0] for losses in curves.values()) - scale["floor"])
    axes.set(xlabel="epoch", ylabel="−ELBO less the floor (nats per image)", yscale="log", ylim=(None, highest))
    axes.xaxis.get_major_locator().set_params(integer=True)
    for formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        formatter(LogFormatter(minor_thresholds=(2, 0.4)))  # 20, and not 2 × 10¹
    axes.grid(alpha=0.25)
    figure.legend(fontsize=8, loc="outside lower center", ncols=4)
    return figure


if __name__ == "__main__":
    cli.run(main)
