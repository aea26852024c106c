"""A test accuracy is one draw of many: the classifiers of the convolutional autoencoder, from several seeds.

The document that is reproduced (R. Santamaria, 2024; examples/conv_autoencoder.py) trains an autoencoder of
Fashion-MNIST and puts its encoder into a classifier, for N = 64, 128 and 256 numbers in the code. It prints one test
accuracy for each: 90.43, 91.41 and 90.70 %. Is 128 better, or is that one lucky run? Here both networks are trained
again and again from other seeds, as printed, and nothing else is changed. Where a document's number lies within two
standard deviations of the runs, it is one of them as far as anybody can tell.

A classifier is tested in three ways, since the document does not say which epoch it has kept:

    last           after the last epoch
    last five      the mean over the last five epochs, which leaves out the jumps from one to the next
    best           after the epoch with the best validation accuracy

*Initial values.* The document's code is PyTorch, which draws weights and biases from the uniform distribution within
±1/√fan-in: a third of the variance of the weights here, N(0, 1/fan-in), and biases that are not 0
(`pytorch_uniform` in scratchnn/init.py derives the third). In a transposed convolution there is another difference.
PyTorch counts as its fan-in the output channels times the kernel, 16·4·4 = 256 and 1·3·3 = 9 in the printed decoder;
here the fan-in is the number of inputs that feed one output, 32·2·2 = 128 and 16·2·2 = 64. So the standard deviation of
the first is smaller by √6 = 2.4 there, and that of the last larger by √(64/27) = 1.5. `--initial-values pytorch` starts
from PyTorch's.

Every run, which is an autoencoder and two classifiers, has a folder of its own with its own summary.json, and one that
is finished is not trained again. So the runs can be made in parts, by several processes: the tables and figures are of
all runs in the --out folder.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shared.documents import CONV_RESULTS
from shared.series import History, score_classifier, train

from scratchnn import Adam, data
from scratchnn.evaluation import encode, reconstruction_error
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli, figures
from scratchnn.scripts.provenance import drawing
from scratchnn.scripts.student_works import (
    CONV_CODES,
    CONV_EPOCHS,
    conv_autoencoder,
    conv_classifier,
    split_of_the_document,
)
from scratchnn.training import runs
from scratchnn.training.checkpoints import fingerprint

INITIAL_VALUES = ("lecun", "pytorch")
KINDS = ("as-printed", "logits")
LR = 1e-3

EXAMPLES = """\
  python examples/conv_classifier_seeds.py                                          embedded digits, minutes
  python examples/conv_classifier_seeds.py --data fashion-mnist --codes 64 --seeds 0    a part; some hours for all of it
  python examples/conv_classifier_seeds.py --data fashion-mnist --codes 64 --seeds 1    another, at the same time
  python examples/conv_classifier_seeds.py --data fashion-mnist --initial-values pytorch
"""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    parser.add_argument("--data", choices=list(CONV_EPOCHS), default="digits", help="data set (default: digits)")
    parser.add_argument(
        "--codes", type=cli.positive_int, nargs="+", metavar="N",
        help="numbers in a code (default: 64 128 256; digits: 16 32)",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=cli.seed, nargs="+", default=list(range(5)), metavar="SEED", help="default: 0 to 4"
    )
    parser.add_argument(
        "--initial-values", choices=INITIAL_VALUES, default="lecun",
        help="of weights and biases: N(0, 1/fan-in) and 0, or those of PyTorch (default: lecun)",
    )  # fmt: skip
    parser.add_argument(
        "--classifiers", choices=KINDS, nargs="+", default=list(KINDS), metavar="KIND",
        help="as-printed, logits or both (default: both; one that is there already is kept)",
    )  # fmt: skip
    parser.add_argument("--epochs", type=cli.positive_int, help="of an autoencoder (default: 15; digits: 60)")
    parser.add_argument("--classifier-epochs", type=cli.positive_int, help="default: 30; digits: 40")
    parser.add_argument("--batch-size", type=cli.positive_int, default=100, help="default: 100")
    cli.add_strict(parser)
    parser.add_argument("--out", type=cli.folder, help="folder for all runs, the tables and the figures")
    parser.set_defaults(threads=1, blas_threads=None, early_stopping=None, log=[])
    args = parser.parse_args(arguments)
    args.epochs = args.epochs or CONV_EPOCHS[args.data][0]
    args.classifier_epochs = args.classifier_epochs or CONV_EPOCHS[args.data][1]
    args.codes = list(dict.fromkeys(args.codes or CONV_CODES[args.data]))
    args.seeds = list(dict.fromkeys(args.seeds))
    args.out = args.out or Path("runs") / f"conv-classifier-seeds-{args.data}-{args.initial_values}"
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.check_folder(args.out, experiment="conv-classifier-seeds")
    images = split_of_the_document(data.load(args.data))
    n_train, n_pixels = images.train.pixels.shape
    runs.check_batch_size(args.batch_size, n_train)
    if max(args.codes) > n_pixels:
        raise runs.OptionError(f"--codes {max(args.codes)} is more than the {n_pixels} pixels of an image")
    print(images)
    for seed in args.seeds:
        for n in args.codes:
            one_run(n, seed, args, images)
    put_together(args)


def one_run(n: int, seed: int, args: argparse.Namespace, images: data.DataSet) -> None:
    """Trains an autoencoder with n numbers from a seed, and both classifiers on its encoder, or finds them ready, and
    writes the summary of the three."""
    folder, side = args.out / f"n{n}-seed{seed}", images.image_shape[0]
    pytorch = args.initial_values == "pytorch"
    settings: dict[str, Any] = {"initial_values": args.initial_values, "code": n, "seed": seed}

    rng = np.random.default_rng(seed)
    autoencoder = conv_autoencoder("as-printed", side, n, rng, pytorch)
    of_this = {**settings, "variant": "as-printed", "epochs": args.epochs}
    history = train(folder / "autoencoder", autoencoder, Adam(autoencoder, lr=LR), rng, images, args, of_this)
    measured: dict[str, Any] = {
        "autoencoder": {
            "test_mse": reconstruction_error(autoencoder.reconstruct, images.test),
            "dead_code_numbers": int((encode(autoencoder, images.test) == 0).all(axis=0).sum()),
            "curves": curves(history, "train_loss", "held_out_loss"),
        },
        "classifiers": {},
    }
    below = autoencoder.encoder
    for kind in KINDS:
        if kind not in args.classifiers and not (folder / f"classifier-{kind}").exists():
            continue
        rng = np.random.default_rng(seed)
        model = conv_classifier(kind, below, side, n, rng, pytorch)
        of_this = {
            **settings, "variant": kind, "epochs": args.classifier_epochs, "encoder": fingerprint(below.params),
        }  # fmt: skip
        history = train(
            folder / f"classifier-{kind}", model, Adam(model, lr=LR), rng, images, args, of_this,
            n_measured=min(len(images.validation), len(images.train)), with_test=True,
        )  # fmt: skip
        measured["classifiers"][kind] = {**score_classifier(model, images), **tested(history)}
    runs.write_summary(
        folder, "conv-classifier-seed", measured, {**settings, **settings_of_all(args)}, seed=seed,
        scaling=f"pixels / {images.train.max_value}", document=CONV_RESULTS if args.data == "fashion-mnist" else {},
    )  # fmt: skip


def settings_of_all(args: argparse.Namespace) -> dict[str, Any]:
    """What runs that are compared have in common."""
    same = ("data", "initial_values", "epochs", "classifier_epochs", "batch_size")
    return {**{name: getattr(args, name) for name in same}, "optimiser": f"Adam(lr={LR})"}


def tested(history: History) -> dict[str, Any]:
    """What a classifier's test accuracy is, by which epochs are kept; and its curves."""
    validation, test = (np.array([record[f"{part}_accuracy"] for record in history]) for part in ("held_out", "test"))
    best = int(validation.argmax())
    return {
        "best_epoch": best + 1,
        "best": {"validation_accuracy": float(validation[best]), "test_accuracy": float(test[best])},
        "last_five": {
            "validation_accuracy": float(validation[-5:].mean()),
            "test_accuracy": float(test[-5:].mean()),
        },
        "curves": curves(
            history, "train_accuracy", "held_out_accuracy", "test_accuracy", "train_loss", "held_out_loss"
        ),
    }


def curves(history: History, *names: str) -> dict[str, list[float]]:
    """Some of what was recorded, epoch by epoch."""
    return {name: [round(record[name], 5) for record in history] for name in names}


# ---- all runs of a folder


def put_together(args: argparse.Namespace) -> None:
    """The tables and the figures of all finished runs in the folder with the settings of this command."""
    found = finished(args)
    print("\n" + "\n\n".join([table_of_autoencoders(found), table_of_classifiers(found)]))
    seeds = {n: [run["seed"] for run in of] for n, of in found.items()}
    settings = {**settings_of_all(args), "seeds": seeds}
    runs.write_summary(args.out, "conv-classifier-seeds", {}, settings)
    pictures = draw(args, found)
    for name, figure in pictures.items():
        figures.save(figure, args.out / f"{name}.png", settings)
    names = ", ".join(["summary.json", *(f"{name}.png" for name in pictures)])
    print(f"\nwritten to {args.out}: {names}, and a folder for each run")


def finished(args: argparse.Namespace) -> dict[int, list[dict[str, Any]]]:
    """The summaries of the finished runs with these settings, by the numbers in their code, in the order of their
    seeds."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in args.out.glob("n*-seed*/summary.json")]
    found.sort(key=lambda run: (int(run["settings"]["code"]), int(run["seed"])))
    by_code: dict[int, list[dict[str, Any]]] = {}
    for run in found:
        if settings_of_all(args).items() <= run["settings"].items():
            by_code.setdefault(run["settings"]["code"], []).append(run)
    return by_code


def of_kind(kind: str, of: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What was measured of the classifiers of a kind, where they have been trained."""
    made = [run["figures"]["classifiers"] for run in of]
    return [classifiers[kind] for classifiers in made if kind in classifiers]


def table_of_autoencoders(found: Mapping[int, Sequence[Mapping[str, Any]]]) -> str:
    lines = ["autoencoders: mean squared error on test images, pixels from 0 to 1; mean ± standard deviation",
             f"{'':<8} {'runs':>4} {'document':>9} {'test':>16}   code numbers always 0"]  # fmt: skip
    for n, of in found.items():
        made = [run["figures"]["autoencoder"] for run in of]
        document = of[0]["document"].get("mse", "—") if n == 64 else "—"
        dead = ", ".join(str(figure["dead_code_numbers"]) for figure in made)
        test = runs.mean_and_std([figure["test_mse"] for figure in made], 4)
        lines.append(f"{f'N = {n}':<8} {len(of):>4} {document:>9} {test:>16}   {dead}")
    return "\n".join(lines)


def table_of_classifiers(found: Mapping[int, Sequence[Mapping[str, Any]]]) -> str:
    lines = ["classifiers: test accuracy in per cent, by the epochs that are kept; mean ± standard deviation",
             f"{'':<20} {'runs':>4} {'document':>9} {'last':>14} {'last five':>14} {'best':>14} {'cross-entropy':>17}"
             "   from the mean of last"]  # fmt: skip
    for kind in KINDS:
        for n, of in found.items():
            made = of_kind(kind, of)
            if not made:
                continue
            known = of[0]["document"].get("accuracy", {}).get(str(n))
            last = [100 * figure["test_accuracy"] for figure in made]
            cells = [
                last,
                *([100 * figure[which]["test_accuracy"] for figure in made] for which in ("last_five", "best")),
            ]
            accuracies = " ".join(f"{runs.mean_and_std(values):>14}" for values in cells)
            loss = runs.mean_and_std([figure["test_cross_entropy"] for figure in made], 4)
            document = f"{100 * known:.2f}" if known else "—"
            away = distance(100 * known, last) if known else ""
            lines.append(f"{f'{kind}, N = {n}':<20} {len(made):>4} {document:>9} {accuracies} {loss:>17}   {away}")
    return "\n".join(lines)


def distance(document: float, ours: Sequence[float]) -> str:
    """How far the document's number is from the mean of the runs, in standard deviations of a single run."""
    if len(ours) < 2:
        return ""
    return f"{(document - statistics.fmean(ours)) / statistics.stdev(ours):+.1f} standard deviations".replace("-", "−")


def draw(args: argparse.Namespace, found: Mapping[int, Sequence[Mapping[str, Any]]]) -> dict[str, figures.Figure]:
    """The curves of autoencoders and classifiers, each the mean over the seeds; and the test accuracies, run by run."""
    what = f"{args.data}, initial values: {args.initial_values}; mean over the seeds"
    errors = {name_of(n, of): stacked([run["figures"]["autoencoder"] for run in of], "loss") for n, of in found.items()}
    pictures = {
        "curves": figures.learning_curves(
            {"mean squared error": errors},
            f"Autoencoders of {what}\ntraining: with dropout, while the parameters change; validation: without",
        )
    }
    for kind in KINDS:
        made = {n: of_kind(kind, of) for n, of in found.items() if of_kind(kind, of)}
        if made:
            pictures[f"curves-{kind}"] = figures.learning_curves(
                {
                    shown: {name_of(n, of): stacked(of, key) for n, of in made.items()}
                    for shown, key in {"accuracy": "accuracy", "cross-entropy (nats)": "loss"}.items()
                },
                f"Classifiers {kind} on {what}\n"
                "training loss: with dropout, while the parameters change; all else: without, after each epoch",
            )
    pictures["accuracies"] = run_by_run(
        found, f"Test accuracy after the last epoch, run by run\n{what[: what.index(';')]}"
    )
    return pictures


def name_of(n: int, of: Sequence[Any]) -> str:
    return f"N = {n}, {'one run' if len(of) == 1 else f'{len(of)} runs'}"


def stacked(made: Sequence[Mapping[str, Any]], quantity: str) -> tuple[Array, Array]:
    """Training and validation curve of a quantity, both (R, E), of R trainings of E epochs."""
    train, held_out = (
        np.array([figure["curves"][f"{part}_{quantity}"] for figure in made]) for part in ("train", "held_out")
    )
    return train, held_out


@drawing
def run_by_run(found: Mapping[int, Sequence[Mapping[str, Any]]], title: str) -> figures.Figure:
    """A point for every run, mean ± 2 standard deviations beside them, and the document's number: a line."""
    shown = [kind for kind in KINDS if any(of_kind(kind, of) for of in found.values())]
    figure = figures.new_figure(1.5 + 4 * len(shown), 4.6, title)
    for axes, kind in zip(figure.subplots(1, len(shown), squeeze=False, sharey=True)[0], shown, strict=True):
        for place, (_, of) in enumerate(found.items()):
            values = [100 * classifier["test_accuracy"] for classifier in of_kind(kind, of)]
            axes.plot([place] * len(values), values, "o", color="#3f90da", alpha=0.7)
            if len(values) > 1:
                axes.errorbar(place + 0.15, statistics.fmean(values), 2 * statistics.stdev(values), color="black",
                              marker="s", markersize=4, capsize=4)  # fmt: skip
            known = of[0]["document"].get("accuracy", {}).get(str(of[0]["settings"]["code"]))
            if known:
                axes.plot([place - 0.3, place + 0.3], [100 * known] * 2, color="#bd1f01", linewidth=2)
        axes.set(title=kind, ylabel="test accuracy (%)" if kind == shown[0] else "", xlim=(-0.6, len(found) - 0.4))
        axes.set_xticks(range(len(found)), [f"N = {n}" for n in found])
        axes.grid(alpha=0.25, axis="y")
    axes.plot([], [], "o", color="#3f90da", alpha=0.7, label="a run")
    axes.plot([], [], "s", color="black", markersize=4, label="mean ± 2 standard deviations")
    if of[0]["document"]:
        axes.plot([], [], color="#bd1f01", linewidth=2, label="document")
    figure.legend(fontsize=8, loc="outside lower center", ncols=3)
    return figure


if __name__ == "__main__":
    cli.run(main)
