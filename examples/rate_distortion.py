"""What does a nat of rate buy? The network of examples/vae.py with weights β of the KL from 0.1 to 10, and their table.

The rate is the mean KL, the net cost of sending z; the distortion is −E_q[log p(x|z)], what is still to be sent of x.
Minimised is distortion + β·rate; the sum of both, which is −ELBO, compares the networks whatever their β. The slope of
the curve between two neighbours should lie between their β (examples/lectures/rate_and_distortion.py says why).

A β that is there already is not trained again, so the same command after an interruption goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn import data
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli, figures, train
from scratchnn.scripts.provenance import drawing
from scratchnn.training import evaluate, load_model, runs

EXAMPLES = """\
  python examples/rate_distortion.py                                 embedded digits
  python examples/rate_distortion.py --data mnist                    50 epochs for each of seven weights: an hour
  python examples/rate_distortion.py --data mnist --epochs 2 --betas 0.5 1 2    to see how it goes
"""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.training_parser(__doc__ or "", EXAMPLES, batch_size=100)
    parser.add_argument(
        "--betas", type=cli.not_negative_float, nargs="+", default=[0.1, 0.25, 0.5, 1, 2, 4, 10], metavar="BETA",
        help="weights of the KL (default: 0.1 0.25 0.5 1 2 4 10)",
    )  # fmt: skip
    parser.add_argument("--latent", type=cli.positive_int, default=20, help="latent dimensions (default: 20)")
    parser.add_argument("--hidden", type=cli.positive_int, default=500, help="units of a hidden layer (default: 500)")
    parser.add_argument(
        "--binarisation", choices=data.BINARISATIONS, default="dynamic", help="of pixels (default: dynamic)"
    )
    args = parser.parse_args(arguments)
    args.betas = sorted(set(args.betas))
    args.epochs = args.epochs or train.EPOCHS[args.data]
    name = f"rate-distortion-{args.data}-{args.binarisation}-z{args.latent}-{args.epochs}-epochs-seed{args.seed}"
    args.out = args.out or Path("runs") / name
    return args


def one_weight(beta: float, args: argparse.Namespace, images: data.DataSet) -> dict[str, Any]:
    """Trains one network, if it is not there yet, and measures it; what it prints goes into log.txt in its folder."""
    folder = args.out / f"beta{beta:g}"
    folder.mkdir(parents=True, exist_ok=True)
    passed_on = ("data", "epochs", "batch_size", "seed", "threads", "latent", "hidden", "binarisation")
    training = {**{name.replace("_", "-"): getattr(args, name) for name in passed_on}, "beta": beta, "out": folder}
    training |= {} if args.early_stopping is None else {"early-stopping": args.early_stopping}
    training |= {} if args.blas_threads is None else {"blas-threads": args.blas_threads}
    options = [f"--{name}={value}" for name, value in training.items()] + ["--strict"] * args.strict
    options += ["--log", *args.log] if args.log else []
    with (folder / "log.txt").open("a", buffering=1, encoding="utf-8") as log, contextlib.redirect_stdout(log):
        train.main(options)
    run = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["figures"]
    model, _ = load_model(folder)
    on_training = evaluate(model, data.binarise_held_out(images.train, args.binarisation))
    return {
        "beta": beta,
        **{f"train_{name}": value for name, value in measures(on_training, "").items()},
        **{f"test_{name}": value for name, value in measures(run, "test_").items()},
        "active_units": run["active_units"],
    }


def measures(losses: dict[str, float], who: str) -> dict[str, float]:
    """Rate, distortion and their sum, −ELBO, by these names."""
    names = {"rate": "kl", "distortion": "reconstruction", "negative_elbo": "loss"}
    return {name: losses[who + term] for name, term in names.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.check_resume(args.out, args.resume, "rate-distortion")
    images = data.load(args.data)
    runs.check_batch_size(args.batch_size, len(images.train))
    for beta in args.betas:
        runs.check_not_longer(args.out / f"beta{beta:g}", args.epochs)
    runs.prepare_folder(args.out)
    print(f"{images}; {data.BINARISATIONS[args.binarisation]}; epochs: {args.epochs}, latent dimensions: {args.latent}")
    print(f"{len(args.betas)} runs; each writes a log.txt into its folder in {args.out}")
    rows = []
    for beta in args.betas:
        rows.append(one_weight(beta, args, images))
        print(f"finished: β = {beta:g}", flush=True)
    for above, row in zip([None, *rows], rows, strict=False):
        row["saved_by_a_nat"] = above and saved_by_a_nat(above, row)
    print(table(rows, args))
    names = ("data", "binarisation", "epochs", "batch_size", "latent", "hidden", "betas")
    settings = {name: getattr(args, name) for name in names} | {"early_stopping": args.early_stopping}
    runs.write_summary(args.out, "rate-distortion", {"rows": rows}, settings, seed=args.seed)
    seen = f"epochs: {args.epochs}" if args.early_stopping is None else "parameters of the best epoch of each"
    what = f"VAE on {args.data}, latent dimensions: {args.latent}, {seen}, seed: {args.seed}"
    drawn = curve(rows, f"A higher weight β of the KL: a lower rate, and more distortion\n{what}")
    figures.save(drawn, args.out / "curve.png", settings)
    samples = {}
    for beta in args.betas:
        model, _ = load_model(args.out / f"beta{beta:g}")
        samples[f"β = {beta:g}"] = model.generate(36, np.random.default_rng(args.seed))
    picture = figures.collage(samples, images.image_shape, 6, f"Decoded draws of z from N(0, I)\n{what}")
    figures.save(picture, args.out / "samples.png", settings)
    print(f"written to {args.out}: summary.json, curve.png, samples.png, and a folder for each run")


def table(rows: Sequence[dict[str, Any]], args: argparse.Namespace) -> str:
    parameters = "final parameters" if args.early_stopping is None else "parameters of the best epoch"
    lines = [
        f"\nnats per image, by the {parameters}; −ELBO = rate + distortion, with β = 1 for all. Saved: what a nat",
        "of rate saves of distortion on the way to the row above, on training images; to be compared with the two β",
        f"{'':8}{'training images':^28}{'':8}{'test images':^28}",
        f"{'β':>8}" + f"{'rate':>8}{'distortion':>12}{'−ELBO':>8}{'saved':>8}{'rate':>8}{'distortion':>12}{'−ELBO':>8}"
        + f"   active of {args.latent}",
    ]  # fmt: skip
    for row in rows:
        saved = "" if row["saved_by_a_nat"] is None else f"{row['saved_by_a_nat']:.2f}"
        seen, unseen = ([row[f"{who}_{name}"] for name in ("rate", "distortion", "negative_elbo")]
                       for who in ("train", "test"))  # fmt: skip
        cells = [f"{rate:8.2f}{distortion:12.2f}{total:8.2f}" for rate, distortion, total in (seen, unseen)]
        lines.append(f"{row['beta']:8g}{cells[0]}{saved:>8}{cells[1]}{row['active_units']:9}")
    return "\n".join(lines)


def saved_by_a_nat(a: dict[str, Any], b: dict[str, Any]) -> float | None:
    """Distortion that a nat of rate saves on the way from b to a, on training images; None if they have one rate."""
    rate = a["train_rate"] - b["train_rate"]
    return (b["train_distortion"] - a["train_distortion"]) / rate if rate else None


def labels(places: Array, rows: Sequence[dict[str, Any]]) -> list[tuple[Array, str]]:
    """The β of each point (K, 2) and where to write it; of neighbours that all but coincide, together."""
    apart = 0.03 * np.ptp(places, axis=0)
    found: list[tuple[Array, str]] = []
    for place, row in zip(places, rows, strict=True):
        if found and (np.abs(place - found[-1][0]) < apart).all():
            found[-1] = (found[-1][0], f"{found[-1][1]}, {row['beta']:g}")
        else:
            found.append((place, f"β = {row['beta']:g}"))
    return found


@drawing
def curve(rows: Sequence[dict[str, Any]], title: str) -> Any:
    """Distortion against rate, on training and test images, and the active units against β."""
    figure = figures.new_figure(9.5, 4.4, title)
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
    for who, colour, marker in (("train", "#1b4f86", "o-"), ("test", "#bd1f01", "s--")):
        rate, distortion = (np.array([row[f"{who}_{name}"] for row in rows]) for name in ("rate", "distortion"))
        left.plot(rate, distortion, marker, color=colour, markersize=4, label=f"{who}{'ing' * (who == 'train')} images")
    for place, name in labels(np.array([[row["train_rate"], row["train_distortion"]] for row in rows]), rows):
        left.annotate(name, place, (6, 4), textcoords="offset points", fontsize=8)
    left.margins(0.12)
    left.set(xlabel="rate (nats per image)", ylabel="distortion (nats per image)")
    left.legend(fontsize=8)
    active: Array = np.array([row["active_units"] for row in rows])
    places = np.arange(len(rows))
    for at, n in enumerate(active):
        right.annotate(f"{n}", (at, n), (0, 3), textcoords="offset points", ha="center", fontsize=8)
    right.bar(places, active, color="#3f90da")
    right.set_xticks(places, [f"{row['beta']:g}" for row in rows])
    right.set(xlabel="β", ylabel="active latent dimensions", ylim=(0, 1.1 * max(1, active.max())))
    right.yaxis.get_major_locator().set_params(integer=True)
    for axes in (left, right):
        axes.grid(alpha=0.25, axis="both" if axes is left else "y")
    return figure


if __name__ == "__main__":
    cli.run(main)
