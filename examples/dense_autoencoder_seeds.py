"""A run is one draw of many: ten and more runs of the two dense autoencoders of MNIST, and the document's among them.

The notebook that is reproduced (003, Keras; examples/dense_autoencoder.py) prints one run of each of its networks. Here
both are trained from many seeds, and nothing else is changed: a seed decides the initial weights and the order of the
images. With 2 numbers in the code there are two kinds of runs, and the mean over both is the loss of neither:

    live start   after the first epoch each of the two numbers is above 0 for nearly all images
    dead start   one of them is 0 for more than 99 of 100 images: its ReLU is dead, or as good as dead. The other makes
                 one picture brighter or darker, and more than half of its pixels are dead too. The loss rests on a
                 plateau above the error of one mean image for all, until the network finds a way out, if it does

A number that is dead before the first step makes a dead start; with most others it is decided within the first twenty
steps. The error of an untrained network is about 7,270, because its outputs are too dark almost everywhere, so all that
the first steps of Adam do to a number goes in one direction, for all images at once. If it is downwards, the number
falls below 0 for all of them and stays there.

*The document's 40 epochs.* Its first printed loss with 2 numbers is 3181.5, and from there it falls slowly. No first
epoch has such a loss. In a notebook a cell that is run again goes on with the weights that are there, so its 40 epochs
come on top of others. Where do they stand? k is the epoch in which the loss of a run first passes 3181.5. The
document's epochs are laid beside k, …, k + 39 of a live start, and its last loss, 2842.8, beside that of k + 39.

Every run has a folder of its own with its own summary.json, and one that is finished is not trained again. So the runs
can be made in parts, by several processes: the table and the figure are of all runs in the --out folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shared.documents import NOTEBOOK_LOSSES

from scratchnn import Adam, Autoencoder, data
from scratchnn.evaluation import encode, principal_components, reconstruction_error
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli, figures
from scratchnn.scripts.provenance import drawing
from scratchnn.scripts.student_works import (
    DENSE_BATCH_SIZES,
    DENSE_LEARNING_RATES,
    KERAS_EPS,
    all_images,
    dense_autoencoder,
)
from scratchnn.training import keep_snapshots, runs

EPOCHS = {8: 20, 2: 80}  # with 2 numbers, so many that there is an epoch k + 39
DIGITS_EPOCHS = {8: 20, 2: 40}
RARE = 0.01  # a number that is not 0 for a smaller share of the images is dead, or as good as dead
COLOURS = {"live": "#3f90da", "dead": "#bd1f01", "all": "#3f90da"}  # by start

EXAMPLES = """\
  python examples/dense_autoencoder_seeds.py                                       embedded digits, a minute
  python examples/dense_autoencoder_seeds.py --data mnist --codes 2 --seeds 0 1 2  a part; an hour for all of it
  python examples/dense_autoencoder_seeds.py --data mnist --codes 2 --seeds 3 4 5  another, at the same time
"""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    parser.add_argument("--data", choices=data.DATA_SETS, default="digits", help="data set (default: digits)")
    parser.add_argument(
        "--codes", type=int, choices=list(EPOCHS), nargs="+", default=list(EPOCHS), metavar="N",
        help="numbers in a code: 8, 2 or both (default: both)",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=cli.seed, nargs="+", default=list(range(10)), metavar="SEED", help="default: 0 to 9"
    )
    parser.add_argument("--epochs", type=cli.positive_int, help="default: 20 with 8 numbers, 80 with 2 (digits: 40)")
    parser.add_argument(
        "--batch-size", type=cli.positive_int, help="default: 64 with 8 numbers, 256 with 2; digits: 16"
    )
    cli.add_strict(parser)
    parser.add_argument("--out", type=cli.folder, help="folder for all runs, the table and the figure")
    args = parser.parse_args(arguments)
    args.codes, args.seeds = list(dict.fromkeys(args.codes)), list(dict.fromkeys(args.seeds))
    digits = args.data == "digits"
    args.epochs_of = {n: args.epochs or (DIGITS_EPOCHS if digits else EPOCHS)[n] for n in EPOCHS}
    args.batch_size_of = {n: args.batch_size or (16 if digits else DENSE_BATCH_SIZES[n]) for n in EPOCHS}
    args.out = args.out or Path("runs") / f"dense-autoencoder-seeds-{args.data}"
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.check_folder(args.out, experiment="dense-autoencoder-seeds")
    images = data.load(args.data)
    train, max_value = all_images(images), images.train.max_value
    runs.check_batch_size(max(args.batch_size_of[n] for n in args.codes), len(train))
    print(f"{args.data}: all {len(train):,} images train; pixels from 0 to {max_value}, and errors on that scale")
    for n in args.codes:
        for seed in args.seeds:
            one_run(n, seed, args, train, max_value)
    put_together(args, train)


def one_run(n: int, seed: int, args: argparse.Namespace, train: data.Images, max_value: int) -> None:
    """Trains the network with n numbers from a seed, or finds it ready, and writes its summary."""
    rng, batch_size = np.random.default_rng(seed), args.batch_size_of[n]
    model = dense_autoencoder("relu", n, train.pixels.shape[1], rng)
    settings = {"data": args.data, "images": "all", "code": n, "batch_size": batch_size, "seed": seed}
    optimiser = Adam(model, lr=DENSE_LEARNING_RATES[n], eps=KERAS_EPS)
    trainer = runs.trainer(1, model, optimiser, rng, settings, batch_size=batch_size)
    folder = args.out / f"{n}-seed{seed}"
    print(f"\n{folder.name}:", flush=True)
    untrained, used_untrained = reconstruction_error(model.reconstruct, train), code_use(model, train)
    runs.train_in_folder(
        folder, trainer, train, strict=args.strict, epochs=args.epochs_of[n], batch_size=batch_size,
        after_epoch=[keep_snapshots(lambda: code_use(model, train))],
        recorded=[f"share_of_number_{j}" for j in range(1, n + 1)],
    )  # fmt: skip
    losses, used = [record["train_loss"] for record in trainer.history], trainer.snapshots
    stages = {"untrained": used_untrained, "after_epoch_1": used[0], "at_the_end": used[-1]}
    measured = {
        "untrained_mse": untrained,
        "train_loss": losses[-1],
        "final_mse": reconstruction_error(model.reconstruct, train),
        "code_use": {stage: shares.tolist() for stage, shares in stages.items()},
        "dead_code_numbers": {stage: int((shares < RARE).sum()) for stage, shares in stages.items()},
        **({"start": kind_of_start(used)} if n == 2 else {}),
        **(beside_the_document(losses) if n == 2 and args.data == "mnist" else {}),
        "losses": [round(loss, 3) for loss in losses],
        "rarest_number_by_epoch": [round(float(shares.min()), 6) for shares in used],
        "seconds_per_epoch": float(np.median([record["seconds"] for record in trainer.history])),
    }
    settings |= {"epochs": len(losses), "learning_rate": DENSE_LEARNING_RATES[n], "network": repr(model)}
    runs.write_summary(
        folder, "dense-autoencoder-seed", measured, settings, seed=seed,
        scaling=f"pixels as they are, 0–{max_value}", document=printed(args.data, n),
    )  # fmt: skip


def code_use(model: Autoencoder, images: data.Images) -> Array:
    """For what share of all images a number of the code is not 0 (n_code,)."""
    return (encode(model, images) != 0).mean(axis=0)


def kind_of_start(used: Sequence[Array]) -> str:
    """live or dead, by the shares of images for which the numbers are not 0, epoch by epoch."""
    return "dead" if used[0].min() < RARE else "live"


def beside_the_document(losses: Sequence[float]) -> dict[str, Any]:
    """k, the epoch in which the loss of a run with 2 numbers first passes the first one that the document prints, and
    the loss when the document's last epoch has come; None where a run does not get there."""
    first, *others = NOTEBOOK_LOSSES[2]
    k = next((epoch for epoch, loss in enumerate(losses, 1) if loss < first), None)
    reached = k is not None and k + len(others) <= len(losses)
    return {"k": k, "loss_at_k_plus_39": losses[k + len(others) - 1] if k and reached else None}


def printed(data_set: str, n: int) -> dict[str, float]:
    """The document's first and last loss, for MNIST."""
    losses = NOTEBOOK_LOSSES[n]
    return {"first_loss": losses[0], "last_loss": losses[-1]} if data_set == "mnist" else {}


# ---- all runs of a folder


def put_together(args: argparse.Namespace, train: data.Images) -> None:
    """The tables and the figure of all finished runs in the folder."""
    found = finished(args)
    for n, of in found.items():
        print(f"\n{table(n, of)}")
    mean_image = reconstruction_error(principal_components(train, 0).reconstruct, train)
    settings = {
        "data": args.data,
        "seeds": {n: [run["seed"] for run in of] for n, of in found.items()},
        "epochs": {n: sorted({run["settings"]["epochs"] for run in of}) for n, of in found.items()},
    }
    runs.write_summary(args.out, "dense-autoencoder-seeds", {"mean_image_mse": mean_image}, settings)
    figures.save(loss_by_epoch(found, mean_image, args.data), args.out / "losses.png", settings)
    print(f"\nwritten to {args.out}: summary.json, losses.png, and a folder for each run")


def finished(args: argparse.Namespace) -> dict[int, list[dict[str, Any]]]:
    """The summaries of the finished runs on the same data, in batches of the same size, for as many epochs, by the
    numbers in their code, in the order of their seeds; OptionError if there are none."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in args.out.glob("*-seed*/summary.json")]
    found.sort(key=lambda run: int(run["seed"]))
    by_code: dict[int, list[dict[str, Any]]] = {}
    for n in EPOCHS:
        wanted = {"data": args.data, "code": n, "batch_size": args.batch_size_of[n], "epochs": args.epochs_of[n]}
        by_code[n] = [run for run in found if wanted.items() <= run["settings"].items()]
    if not any(by_code.values()):
        raise runs.OptionError(
            f"the runs in {args.out} have seen other epochs, or batches of another size, than are asked for: give them "
            "the --epochs and --batch-size of those, or choose another folder with --out"
        )
    return {n: of for n, of in by_code.items() if of}


def table(n: int, of: Sequence[Mapping[str, Any]]) -> str:
    """A line for every run with n numbers; then what is to be compared with the document."""
    lines = [
        f"{n} numbers: mean squared error on training images; loss: the mean over an epoch, as the document prints it",
        "seed  untrained  epoch 1  the last epoch    final  dead numbers" + "  start     k  loss at k + 39" * (n == 2),
    ]
    for run in of:
        figure = run["figures"]
        last = f"{figure['train_loss']:.1f} ({run['settings']['epochs']})"
        dead = f"{figure['dead_code_numbers']['at_the_end']} of {n}"
        line = f"{run['seed']:>4} {figure['untrained_mse']:>10.1f} {figure['losses'][0]:>8.1f} {last:>15}"
        line += f" {figure['final_mse']:>8.1f}  {dead:>12}"
        if n == 2:
            k, end = figure.get("k") or "—", figure.get("loss_at_k_plus_39")
            line += f"  {figure['start']:<5} {k:>5}  {f'{end:.1f}' if end else '—':>14}"
        lines.append(line)
    what, losses = compared(n, of)
    if losses:
        lines.append(
            f"{what}, {'one run' if len(losses) == 1 else f'{len(losses)} runs'}: {runs.mean_and_std(losses, 1)}"
        )
    if losses and of[0]["document"]:
        document = of[0]["document"]["last_loss"]
        lines.append(f"the document: {document:.1f}; lower than that: {sum(loss < document for loss in losses)}")
    return "\n".join(lines)


def compared(n: int, of: Sequence[Mapping[str, Any]]) -> tuple[str, list[float]]:
    """What is compared with the document's last loss, and of which runs: with 2 numbers of the live starts alone."""
    if n == 8:
        return "the last epoch", [run["figures"]["train_loss"] for run in of]
    live = [run["figures"] for run in of if run["figures"]["start"] == "live"]
    ends = [figure.get("loss_at_k_plus_39") for figure in live]
    return "live starts, epoch k + 39", [end for end in ends if end is not None]


@drawing
def loss_by_epoch(found: Mapping[int, Sequence[Mapping[str, Any]]], mean_image: float, data_set: str) -> figures.Figure:
    """The losses of all runs, live and dead starts in two colours, and the document's; with 2 numbers both from the
    first epoch on and from that on in which a live start passes its first loss."""
    title = f"Dense autoencoders of {data_set}, ReLU behind every layer: training loss by epoch, a line for every seed"
    figure = figures.new_figure(1.0 + 5.4 * len(found), 5.6, title)
    for axes, (n, of) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
        starts = [run["figures"].get("start", "all") for run in of]
        for run, start in zip(of, starts, strict=True):
            losses = run["figures"]["losses"]
            axes.plot(range(1, len(losses) + 1), losses, color=COLOURS[start], linewidth=1, alpha=0.8)
        for start in dict.fromkeys(sorted(starts, reverse=True)):
            label = f"{'all seeds' if start == 'all' else f'{start} starts'}: {starts.count(start)}"
            axes.plot([], [], color=COLOURS[start], label=label)
        if data_set == "mnist":
            losses = NOTEBOOK_LOSSES[n]
            epochs = np.arange(1, len(losses) + 1)
            axes.plot(epochs, losses, color="black", linestyle="--" if n == 2 else "-", label="document, its epochs")
            ks = [run["figures"]["k"] for run, start in zip(of, starts, strict=True) if start == "live"]
            if any(ks):
                k = int(np.median([k for k in ks if k]))
                axes.plot(epochs + k - 1, losses, color="black", label=f"the same from epoch {k} on, the median k")
        if n == 2:
            axes.axhline(mean_image, color="black", linestyle=":", label=f"one mean image for all: {mean_image:.1f}")
        axes.set(title=f"{n} numbers", xlabel="epoch", ylabel="mean squared error")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
        axes.grid(alpha=0.25)
    return figure


if __name__ == "__main__":
    cli.run(main)
