"""Softmax classifiers on pixels and on a VAE's codes (thesis §5.2, Annexes F and G), and what a label is worth to each.

    raw         softmax on the pixels: Annex G
    annex-f     what Annex F runs: a new encoder 784-500-500-50, softmax on its outputs, all of it trained with the
                labels. No VAE is loaded: this is an ordinary supervised network
    frozen      what the thesis says in words: the encoder of a trained VAE stays as it is, softmax learns on its means
    fine-tuned  the encoder of a trained VAE, softmax on its means, all of it trained with the labels

The last three are one network (ReLU after the hidden layers; the means go into the softmax without an activation), and
differ in the values it starts from and in what is trained. The settings are those of both annexes: plain gradient
descent with learning rate 0.1, 5 epochs, batches of 100 of the 55,000 training images in a new order every epoch,
pixels / 255. Weights of the encoder start from N(0, 1/fan-in), its biases from N(0, 1/width); weights and biases of
every softmax from N(0, 1/50) with the 50 of the latent dimensions, even where its inputs are 784 pixels.

With fewer labels a training has the same optimiser, learning rate, batch size and *number of steps* as with all: the
labelled images are repeated until they are as many as the training images. The labels are drawn in equal numbers from
the classes; a seed gives one draw, the same for all. The VAE is the same one throughout; it has seen all training
images, without their labels. Other learning rates (0.03 to 0.3) and numbers of steps (up to twice as many), tried on
the validation images of MNIST with 100 and 1,000 labels, were worth 2 points at most and left fine-tuned first and
annex-f second.

These steps do not reach everything: a VAE of 50 latent dimensions leaves most of them nearly unused, with means that
vary by 0.03 instead of 1. Small inputs make small gradients, and a softmax that is to use them takes long to learn its
large weights. So the two softmaxes are also trained until they converge, by scikit-learn, with an L2 penalty that is
chosen on the validation images: raw-converged and frozen-converged.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shared.thesis_classifier import (
    Examples,
    dense_layers,
    new_encoder,
    sizes_of,
    softmax,
    trained_encoder,
)
from shared.trained_vae import vae_for
from tqdm import tqdm

from scratchnn import SGD, VAE, Classifier, Dense, ReLU, Sequential, data
from scratchnn.evaluation import accuracy, confusion_matrix, encode, predicted_classes
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli, figures
from scratchnn.training import (
    CheckpointError,
    Trainer,
    evaluate,
    fingerprint,
    keep_snapshots,
    load_model,
    runs,
    same_bits,
)
from scratchnn.training.checkpoints import first_difference
from scratchnn.training.logs import logs_in

LEARNING_RATE = 0.1
EPOCHS = {"digits": 100, "mnist": 5, "fashion-mnist": 5}
LABELS = {"digits": [50, 100, 300], "mnist": [100, 600, 1000, 3000], "fashion-mnist": [100, 600, 1000, 3000]}
LABELS_SEED = 2018  # with a training's own seed: which images have labels
VARIANTS = {
    "raw": "softmax on the pixels",
    "annex-f": "new encoder and softmax, all trained: no VAE is loaded",
    "frozen": "encoder of the VAE as it is, softmax on its means",
    "fine-tuned": "encoder of the VAE and softmax, all trained",
}
CONVERGED = {
    "raw-converged": "softmax on the pixels, L2 penalty chosen on validation",
    "frozen-converged": "softmax on the means of the VAE, L2 penalty chosen on validation",
}
STRENGTHS = (0.01, 0.1, 1, 10, 100, 1_000, 10_000)  # scikit-learn's C, the inverse of the strength of an L2 penalty
THESIS = {"raw": "92 %", "annex-f": "98 %"}  # test accuracy on MNIST; it ascribes the 98 % to what "frozen" is

EXAMPLES = """\
  python examples/latent_classifier.py                    embedded digits; trains a small VAE first; under a minute
  python examples/vae.py --data mnist --latent 50 --epochs 50
  python examples/latent_classifier.py --data mnist --vae runs/vae-mnist-z50-seed0            the thesis's classifiers
  python examples/latent_classifier.py --labels 10 20 40 --repeats 10                         very few labels
"""

Kind = tuple[str, int, int]  # variant, number of labels, seed


def balanced(labels: Array, n: int, rng: np.random.Generator) -> Array:
    """n different row numbers, drawn from the classes in turn: as many of one class as of another, or one more.

    A class that runs out has given all it has; n = len(labels) gives all rows.
    """
    order = rng.permutation(len(labels))
    turn = np.empty(len(labels), int)  # 0 for the first image drawn of each class, 1 for the second, …
    for label in np.unique(labels):
        members = order[labels[order] == label]
        turn[members] = np.arange(len(members))
    return order[np.argsort(turn[order], kind="stable")][:n]


def classifier(variant: str, model: VAE, n_classes: int, rng: np.random.Generator) -> Classifier:
    """pixels → logits, before training. "annex-f" takes only the sizes of its layers from the VAE."""
    n_x, *_, n_z = sizes = sizes_of(model)
    if variant == "raw":
        return Classifier(Sequential([softmax(n_x, n_classes, n_z, rng)]))
    encoder = new_encoder(sizes, rng) if variant == "annex-f" else trained_encoder(model)
    return Classifier(Sequential([*encoder, softmax(n_z, n_classes, n_z, rng)]))


def trained_vae(args: argparse.Namespace) -> VAE:
    """The VAE whose encoder the classifiers start from; CheckpointError if it is another than those of the thesis."""
    model = vae_for(args, data=args.data, binarisation="none", split="contiguous")
    layers = [type(layer) for layer in model.encoder.walk() if not layer.parts]
    if layers != [Dense, ReLU, Dense, ReLU, Dense]:
        raise CheckpointError(
            f"the VAE in {args.vae} has another encoder than those of examples/vae.py: {model.encoder!r}"
        )
    return model


def score(model: Classifier, images: data.Images) -> dict[str, float]:
    """Accuracy and mean cross-entropy."""
    return {
        "accuracy": accuracy(predicted_classes(model, images), data.labels_of(images)),
        "cross_entropy": evaluate(model, data.Labelled(images))["loss"],
    }


class Experiment:
    """What all trainings have in common: the images, the VAE and its codes, the settings."""

    def __init__(self, args: argparse.Namespace, images: data.DataSet, model: VAE) -> None:
        self.vae = model
        self.pixels = {"train": images.train, "validation": images.validation, "test": images.test}
        self.codes = {part: encode(model, x)[0] for part, x in self.pixels.items()}
        self.labels = {part: data.labels_of(x) for part, x in self.pixels.items()}
        self.n_classes = int(self.labels["train"].max()) + 1
        self.log = args.log
        self.settings = {
            "data": args.data,
            "split": "contiguous",
            "binarisation": "none",
            "batch_size": args.batch_size,
            "epochs": args.epochs,
            "vae": f"{model!r}, sha256 of its parameters {fingerprint(model.params)}",
        }

    def train(self, variant: str, n_labels: int, seed: int, folder: Path | None) -> dict[str, Any]:
        """Trains one classifier and returns its figures; with a folder, leaves its history and checkpoint there."""
        began = time.perf_counter()
        rng = np.random.default_rng(seed)
        whole = learner = classifier(variant, self.vae, self.n_classes, rng)
        head = dense_layers(whole.network.walk())[-1]
        x: Mapping[str, data.Images | Array] = self.pixels
        if variant == "frozen":  # the softmax alone learns, from images that are encoded once
            learner, x = Classifier(Sequential([copy.deepcopy(head)])), self.codes
        rows = self.labelled_rows(n_labels, seed)
        repeated = np.resize(rows, len(self.labels["train"]))  # from the start again, until they are as many as all
        train = Examples(x["train"], self.labels["train"], repeated)
        validation = Examples(x["validation"], self.labels["validation"], np.arange(len(x["validation"])))
        settings = {**self.settings, "variant": variant, "labels": n_labels, "seed": seed}
        trainer = Trainer(learner, SGD(learner, LEARNING_RATE), rng, settings)
        accuracies = keep_snapshots(
            lambda: np.array(accuracy(predicted_classes(learner, validation.x), validation.labels))
        )
        if folder:
            folder.mkdir(exist_ok=True)
        # a training whose checkpoint is kept shows its epochs; of the others the result will do
        with contextlib.nullcontext() if folder else contextlib.redirect_stdout(io.StringIO()):
            trainer.fit(
                train, epochs=self.settings["epochs"], batch_size=self.settings["batch_size"], held_out=validation,
                after_epoch=[accuracies, *(logs_in(folder, self.log) if folder else [])],
            )  # fmt: skip
        for record, value in zip(trainer.history, trainer.snapshots, strict=True):
            record["held_out_accuracy"] = float(value)
        if learner is not whole:
            head.params[...] = learner.params
        if folder:
            runs.write_json(folder / "history.json", trainer.history)
            kept = Trainer(whole, SGD(whole, LEARNING_RATE), rng, settings)  # pixels → logits, for all four
            kept.history, kept.iteration_losses = trainer.history, trainer.iteration_losses
            kept.save(folder / "checkpoint.npz")

        pixels = self.pixels["train"]
        labelled = data.Images(pixels.pixels[rows], pixels.max_value, self.labels["train"][rows])
        return {
            "variant": variant,
            "labels": n_labels,
            "seed": seed,
            "seconds": time.perf_counter() - began,
            **{
                f"{part}_{name}": value
                for part, images in {**self.pixels, "train": labelled}.items()
                for name, value in score(whole, images).items()
            },
            "validation_accuracy_by_epoch": [record["held_out_accuracy"] for record in trainer.history],
        }

    def converge(self, variant: str, n_labels: int, seed: int) -> dict[str, Any]:
        """The figures of the softmax that scikit-learn finds; its L2 penalty is chosen on the validation images."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import log_loss

        began = time.perf_counter()
        x: Mapping[str, data.Images | Array] = self.codes if variant == "frozen-converged" else self.pixels
        rows = self.labelled_rows(n_labels, seed)
        inputs = {"train": x["train"][rows], "validation": x["validation"][:], "test": x["test"][:]}
        labels = {**self.labels, "train": self.labels["train"][rows]}
        regression = LogisticRegression(warm_start=True, max_iter=1000)
        found = [
            copy.deepcopy(regression.set_params(C=strength).fit(inputs["train"], labels["train"]))
            for strength in tqdm(STRENGTHS, desc=f"{variant}, {n_labels:,} labels", leave=False, disable=None)
        ]
        best = max(found, key=lambda one: one.score(inputs["validation"], labels["validation"]))
        figures_of: dict[str, Any] = {"variant": variant, "labels": n_labels, "seed": seed, "C": best.C}
        for part in inputs:
            figures_of[f"{part}_accuracy"] = float(best.score(inputs[part], labels[part]))
            figures_of[f"{part}_cross_entropy"] = float(log_loss(labels[part], best.predict_proba(inputs[part])))
        return {**figures_of, "seconds": time.perf_counter() - began}

    def labelled_rows(self, n_labels: int, seed: int) -> Array:
        """Which training images have a label: the same for all variants."""
        return balanced(self.labels["train"], n_labels, np.random.default_rng([LABELS_SEED, seed]))


def finished_trainings(path: Path, settings: dict[str, Any]) -> tuple[dict[Kind, dict[str, Any]], dict[str, Any]]:
    """What an earlier run of these settings has written down of its trainings, and the arithmetic that they were made
    on; OutputError if it had other settings."""
    if not path.exists():
        return {}, {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        there, trainings, arithmetic = record["settings"], record["trainings"], dict(record.get("arithmetic", {}))
    except (KeyError, TypeError, ValueError) as error:
        raise runs.OutputError(f"{path} cannot be read: delete it, or choose another folder with --out") from error
    if difference := first_difference(settings, there):
        raise runs.another_run(path.parent, difference)
    return {(t["variant"], t["labels"], t["seed"]): t for t in trainings}, arithmetic


def summarise(trainings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation of every figure over trainings that differ in the seed alone."""
    names = [f"{part}_{name}" for part in ("train", "validation", "test") for name in ("accuracy", "cross_entropy")]
    values = {name: np.array([training[name] for training in trainings]) for name in names}
    return {
        "labels": trainings[0]["labels"],
        "trainings": len(trainings),
        **{
            name: {"mean": float(v.mean()), "spread": float(v.std(ddof=1)) if len(v) > 1 else None}
            for name, v in values.items()
        },
    }


def per_cent(figure: dict[str, float | None]) -> str:
    spread = "" if figure["spread"] is None else f" ± {100 * figure['spread']:.2f}"
    return f"{100 * (figure['mean'] or 0):.2f}{spread} %"


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.training_parser(
        __doc__ or "", EXAMPLES, batch_size=100, threads=False, all_epochs="where all trainings have as many steps"
    )
    parser.add_argument("--vae", type=Path, metavar="RUN", help="a run of examples/vae.py: its folder or checkpoint")
    parser.add_argument("--repeats", type=cli.positive_int, default=3, help="trainings of each kind (default: 3)")
    parser.add_argument(
        "--labels",
        type=cli.positive_int,
        nargs="+",
        metavar="N",
        help="numbers of labels to train with, beside all of them (default: 100 600 1000 3000; digits: 50 100 300)",
    )
    args = parser.parse_args(arguments)
    if args.data not in EPOCHS:
        raise runs.OptionError(f"{args.data} has no labels to learn from: choose {', '.join(EPOCHS)} with --data")
    if args.vae is None and args.data != "digits":
        raise runs.OptionError(
            f"two of the four classifiers need a trained VAE: run python examples/vae.py --data {args.data} "
            f"--latent 50 --epochs 50, and then this with --vae runs/vae-{args.data}-z50-seed0"
        )
    args.epochs = args.epochs or EPOCHS[args.data]
    args.labels = args.labels or LABELS[args.data]
    args.out = args.out or Path("runs") / f"latent-classifier-{args.data}-seed{args.seed}"
    return args


def check_labels(args: argparse.Namespace, labels: Array) -> None:
    """OptionError unless every number of labels fits the training images."""
    n_classes = len(np.unique(labels))
    for n in args.labels:
        if n > len(labels):
            raise runs.OptionError(f"--labels {n} is more than the {len(labels):,} training images, all with a label")
        if n < n_classes:
            raise runs.OptionError(f"--labels {n} is too few: each of the {n_classes} classes needs at least one")


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.check_resume(args.out, args.resume, "latent-classifier", "**/trainings.json")
    images = data.load(args.data)
    n_all = len(images.train)
    runs.check_batch_size(args.batch_size, n_all)
    check_labels(args, data.labels_of(images.train))
    experiment = Experiment(args, images, trained_vae(args))
    with runs.alone_in(args.out):
        train_all(args, images, experiment)


def train_all(args: argparse.Namespace, images: data.DataSet, experiment: Experiment) -> None:
    """Trains what is not trained yet, and writes what came out."""
    n_all = len(images.train)
    ledger = args.out / "trainings.json"
    settings = {**experiment.settings, "seed": args.seed}
    trainings, before = finished_trainings(ledger, settings)
    arithmetic: dict[str, Any] = {}

    print(images)
    variants = {**VARIANTS, **CONVERGED}
    for name, what in variants.items():
        print(f"  {name:<17} {what}")
    counts = sorted({*args.labels, n_all})
    seeds = range(args.seed, args.seed + args.repeats)
    n_steps = args.epochs * -(-n_all // args.batch_size)
    print(f"learning rate {LEARNING_RATE}, batches of {args.batch_size}, {n_steps:,} steps for any number of labels")
    wanted = [(variant, n, seed) for n in reversed(counts) for seed in seeds for variant in variants]
    for number, (variant, n, seed) in enumerate(wanted, start=1):
        folder = args.out / variant if variant in VARIANTS and (n, seed) == (n_all, args.seed) else None
        if (variant, n, seed) in trainings and (folder is None or (folder / "checkpoint.npz").exists()):
            continue
        arithmetic = arithmetic or same_bits.go_on_here(before, args.strict)
        if variant in VARIANTS:
            result = experiment.train(variant, n, seed, folder)
        elif n == n_all and seed != args.seed:  # nothing is drawn, and so nothing can differ
            result = {**trainings[variant, n, args.seed], "seed": seed, "seconds": 0.0}
        else:
            result = experiment.converge(variant, n, seed)
        trainings[variant, n, seed] = result
        runs.write_json(
            ledger, {"settings": settings, "arithmetic": arithmetic, "trainings": list(trainings.values())}
        )  # fmt: skip
        print(
            f"{number:>3}/{len(wanted)}  {variant:<16}  {n:>6,} labels, seed {seed}: test accuracy "
            f"{100 * result['test_accuracy']:.2f} %, {result['seconds']:.1f} s",
            flush=True,
        )

    curves = {v: [summarise([trainings[v, n, seed] for seed in seeds]) for n in counts] for v in variants}
    print_tables(args, curves)
    settings = {
            **settings, "optimiser": f"SGD(lr={LEARNING_RATE}, momentum=0.0)", "steps": n_steps, "labels": counts,
            "seeds": list(seeds), "variants": variants, "converged_L2": list(STRENGTHS),
    }  # fmt: skip
    runs.write_summary(
        args.out, "latent-classifier",
        {"all_labels": {variant: curve[-1] for variant, curve in curves.items()}, "by_labels": curves}, settings,
        seed=args.seed, scaling=f"pixels / {images.train.max_value}",
        document={"test_accuracy": THESIS} if args.data == "mnist" else {},
    )  # fmt: skip
    pictures = {f"confusion-{variant}": confusion(args, variant, images) for variant in VARIANTS}
    pictures["label_curve"] = figures.label_curve(
        counts,
        {v: np.array([[trainings[v, n, seed]["test_accuracy"] for n in counts] for seed in seeds]) for v in variants},
        f"Test accuracy on {args.data} after {n_steps:,} steps, or converged\n"
        f"mean ± standard deviation; trainings: {args.repeats}",
    )
    for name, figure in pictures.items():
        figures.save(figure, args.out / f"{name}.png", settings)
    names = ", ".join(f"{name}.png" for name in pictures)
    print(f"written to {args.out}: summary.json, trainings.json, {names}; and, of seed {args.seed} with all labels,")
    print(f"checkpoint.npz and history.json in {', '.join(VARIANTS)}")


def confusion(args: argparse.Namespace, variant: str, images: data.DataSet) -> figures.Figure:
    """The confusion matrix of the classifier whose checkpoint is kept."""
    test = images.test
    model, _ = load_model(args.out / variant)
    labels = data.labels_of(test)
    predicted = predicted_classes(model, test)
    return figures.confusion_matrix(
        confusion_matrix(predicted, labels, int(labels.max()) + 1),
        f"{variant}: {VARIANTS[variant]}\n{args.data}, {len(test):,} test images, accuracy "
        f"{100 * accuracy(predicted, labels):.2f} %, seed {args.seed}",
        images.class_names,
    )


def print_tables(args: argparse.Namespace, curves: dict[str, list[dict[str, Any]]]) -> None:
    """The document's figures beside ours, and accuracy against the number of labels."""
    n_all = curves["raw"][-1]["labels"]
    print(f"\nmean ± standard deviation; trainings: {args.repeats}; with all {n_all:,} labels")
    print(f"{'':<17} {'thesis':>7}  {'test accuracy':>15} {'train accuracy':>15} {'test cross-entropy':>19}")
    for variant, curve in curves.items():
        figure = curve[-1]
        print(
            f"{variant:<17} {THESIS.get(variant, '—') if args.data == 'mnist' else '—':>7}  "
            f"{per_cent(figure['test_accuracy']):>15} {per_cent(figure['train_accuracy']):>15} "
            f"{figure['test_cross_entropy']['mean']:>19.4f}"
        )
    if args.data == "mnist":
        print("The thesis ascribes its 98 % to what is called frozen here; its code, annex-f, loads no VAE.")
    print("\ntest accuracy against the number of labels")
    print(f"{'':<17}" + "".join(f"{figure['labels']:>17,}" for figure in curves["raw"]))
    for variant, curve in curves.items():
        print(f"{variant:<17}" + "".join(f"{per_cent(figure['test_accuracy']):>17}" for figure in curve))


if __name__ == "__main__":
    cli.run(main)
