"""The four student works: their autoencoders, and the classifiers made of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from shared.documents import CLOTHES

from results_sections.runs import (
    NAMES,
    Run,
    Section,
    Sources,
    Written,
    at_default,
    in_brief,
    made_by,
    per_cent,
    seeds,
    table,
)
from scratchnn.training.runs import mean_and_std

FASHION = "fashion-mnist"


def each(counts: Sequence[int]) -> str:
    """Counts run by run; one number if they are all the same."""
    return ", ".join(map(str, counts if len(set(counts)) > 1 else counts[:1]))


# --- 003: dense autoencoders


def dense_autoencoder(sources: Sources) -> Written:
    kinds = ("relu", "linear-code", "linear-output")
    epochs = {f"{n}-{kind}": 20 if n == 8 else 40 for n in (8, 2) for kind in kinds}
    runs = sources.select("dense-autoencoder", data="mnist", epochs=epochs, batch_size={"8": 64, "2": 256})
    document, baselines = runs[0].document["train_loss"], runs[0].figures["baselines_mse"]
    rows: list[Sequence[Any]] = [("one mean image for all", "", "", f"{baselines['mean image']:.1f}", "", "", "")]
    short = []
    for n in (8, 2):
        rows.append((f"PCA, {n} numbers", "", "", f"{baselines[f'PCA-{n}']:.1f}", "", "", ""))
        for kind in kinds:
            row = dense_row([run.figures["networks"][f"{n}-{kind}"] for run in runs])
            number = f"{document[str(n)]:.1f}" if kind == "relu" else ""
            rows.append((f"{n} numbers, {kind}", number, *row))
            if kind == "relu":
                what = f"MNIST, dense autoencoder, {n} numbers: train error, pixels 0–255"
                short.append((what, number, in_brief(row[0], len(runs))))
    header = ("", "document", "ours, last epoch", "ours, final", "dead numbers", "dead pixels", "part of the error")
    captions = {
        "loss": "Training loss by epoch: the document's in black",
        "code_use": "For how many images a number of the code is not 0",
        "reconstructions": "Training images and their reconstructions",
        "scatter-relu": "All images in the two numbers of relu",
    }
    text = DENSE.format(
        command=made_by(runs[0]), seeds=seeds(len(runs)), errors=table(header, rows),
        figures=sources.show_all(runs[0], captions),
    )  # fmt: skip
    return Written(text, short)


DENSE = """## Dense autoencoders of MNIST: a code of 8 numbers, and of 2

`{command}`, {seeds}. The two networks of a student work (003), 784-256-128-64-8-64-128-784 and
784-256-128-64-16-2-16-64-128-784, 20 and 40 epochs. Mean squared error of a pixel, pixels from 0 to 255. All 70,000
images train, in the document and here, so these are errors of training images. *Last epoch*: the mean over its batches,
while the weights still move, as the document prints it; *final*: by the final weights, as for the mean image and PCA.

{errors}

*relu* has a ReLU behind every layer, as in the document; *linear-code* has none behind the code, *linear-output* none
behind the output either. All three start from the same weights. A number of the code is dead if the ReLU makes it 0 for
all images: it gets no gradient, and the code is a number shorter unless changes in the layers below bring it back. A
dead pixel is 0 in every reconstruction though not in every image; the last column is the part of the final error that
is theirs. Of all linear autoencoders none has a smaller error than PCA: where a row is below that of PCA, it is because
of the ReLUs inside.

With 2 numbers the document's first printed epoch, 3181.5, cannot be a first epoch: a fresh network starts from 10,000.
Most likely its 40 epochs come on top of others. More epochs alone do not close the gap, though: pixels that have died
stay dead, and how many die is a matter of the initial values.

{figures}
"""


def dense_row(networks: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """What the runs of one network came to."""
    loss, final = (mean_and_std([of[name] for of in networks], 1) for name in ("train_loss", "final_mse"))
    share = [of["mse_of_dead_pixels"] / of["final_mse"] for of in networks]
    dead = (each([of[f"dead_{what}"] for of in networks]) for what in ("code_numbers", "pixels"))
    return loss, final, *dead, f"{100 * statistics.fmean(share):.1f} %"


# --- 000: stacked autoencoders, and a VAE in two dimensions


def stacked_autoencoder(sources: Sources) -> Written:
    runs = [sources.one("stacked-autoencoder", data=name, batch_size=32) for name in NAMES]
    rows, errors, short, shown = [], [], [], []
    for run in runs:
        name, of, n = NAMES[run.settings["data"]], run.figures, len(run.settings["seeds"])
        for start, found in of["classifiers"].items():
            document = f"≈ {100 * run.document['test_accuracy']:.0f} %" if start == "stacked" else ""
            test, train = (f"{per_cent(found[f'{part}_accuracy']['runs'])} %" for part in ("test", "train"))
            loss = mean_and_std(found["test_cross_entropy"]["runs"], 3)
            rows.append((name, start, document, test, train, loss, gains(of["classifiers"], start)))
            if start in IN_README:
                short.append((f"{name}, test accuracy, {IN_README[start]}", document, in_brief(test, n)))
        pca, ours = of["baselines_test_mse"], of["autoencoders_test_mse"]
        each_error = (
            f"{mean_and_std(ours[which]['runs'], 4)} ({pca[f'PCA-{size}']:.4f})"
            for which, size in STACKED_CODES.items()
        )
        errors.append((name, f"{pca['mean image']:.4f}", *each_error))
        shown.append(sources.show(run, "curves", f"{name}: training and validation curves from the three starts"))
        shown.append(sources.show(run, "confusion-stacked", f"{name}: who is taken for whom by stacked"))
    header = ("data", "start", "document", "test accuracy", "training accuracy", "test cross-entropy",
              "test, less random")  # fmt: skip
    text = STACKED.format(
        commands=" and\n".join(f"`{made_by(run, 'epochs', 'pretraining_epochs')}`" for run in runs),
        seeds=" and ".join(dict.fromkeys(seeds(len(run.settings["seeds"])) for run in runs)),
        classifiers=table(header, rows),
        autoencoders=table(
            ("data", "mean image", *(f"{which}, {n} numbers" for which, n in STACKED_CODES.items())), errors
        ),
        figures="\n\n".join(shown),
    )
    return Written(text, short)


STACKED_CODES = {"first": 64, "second": 32, "third": 16, "whole": 16}
IN_README = {
    "stacked": "code layers of three autoencoders, stacked", "random": "the same network, no pre-training"
}  # fmt: skip
STACKED = """## Stacked autoencoders: does pre-training help?

{commands},
{seeds}. From a student work (000): a classifier 784-128-64-32-16-10 of pixels / 255, all of it trained with the labels
of 55,000 images. Accuracies and cross-entropies (nats) are by its final weights, *test* is 10,000 images. The
document's accuracies are what can be read off its confusion matrices; it trained on 60,000 images, for "few" epochs.

{classifiers}

*stacked* starts from the code layers of three autoencoders, as in the document, *whole* from the encoder of one
autoencoder with the same layers, *random* from values drawn afresh. For a seed the three share whatever is drawn and
the order of the images, so the last column, in percentage points and seed by seed, is what the start alone does:
pre-training helps where it is positive for every seed. In *stacked* each code layer has learned to read another layer
than the one it stands on; in *whole* the layers have met before.

The autoencoders' mean squared error on test images, pixels from 0 to 1, and in brackets that of PCA with as many
numbers:

{autoencoders}

{figures}
"""


def gains(classifiers: dict[str, Any], start: str) -> str:
    """What a start is better by than random, in percentage points, seed by seed."""
    if start == "random":
        return ""
    here, there = (classifiers[name]["test_accuracy"]["runs"] for name in (start, "random"))
    return ", ".join(f"{100 * (a - b):+.2f}".replace("-", "−") for a, b in zip(here, there, strict=True))


def fashion_latent_2d(sources: Sources) -> Written:
    run = sources.one("fashion-latent-2d", data=FASHION, epochs={"0.1": 200, "1": 200}, batch_size=64)
    of, claims, errors = run.figures, run.document["claims"], run.figures["test_mse"]
    sigmas = ("0.1", "1")
    rows = [
        ("loss in the last epoch, train", *(f"{of['train_loss'][sigma]:.2f}" for sigma in sigmas)),
        *((what, *(f"{of['test_losses'][sigma][name]:.2f}" for sigma in sigmas)) for name, what in QUANTITIES.items()),
        ("mean squared error of a pixel", *(f"{errors[f'VAE, sigma {sigma}']:.4f}" for sigma in sigmas)),
    ]
    classes = (["all"], claims["apart"], claims["mixed"])
    neighbours = [
        (name, *(f"{100 * statistics.fmean(shares[word] for word in words):.1f}" for words in classes))
        for name, shares in of["neighbours_accuracy"].items()
    ]
    captions = {
        "views": "Test images in two dimensions, coloured by class",
        "manifold-sigma-0.1": "Decoded grid over [−3, 3]², noise of standard deviation 0.1",
        "manifold-sigma-1": "The same, standard deviation 1",
    }
    text = PLANE_OF_CLOTHES.format(
        command=made_by(run, "shown"), floor=of["test_floor"], mean_image=of["test_mean_image_loss"],
        losses=table(("test, unless said otherwise", "sigma 0.1, as in the document", "sigma 1"), rows),
        mean_image_error=errors["mean image"], pca_error=errors["PCA, 2 numbers"],
        apart=", ".join(claims["apart"]), mixed=", ".join(claims["mixed"]),
        shown=run.settings["shown"], nearest=run.settings["neighbours"],
        neighbours=table(("", "all ten classes", "those called apart", "those called mixed"), neighbours),
        figures=sources.show_all(run, captions),
    )  # fmt: skip
    best = f"{of['test_losses']['1']['loss']:.2f}, one seed"
    return Written(text, [("Fashion-MNIST, VAE of 64 hidden units, z = 2: test loss", "pictures only", best)])


QUANTITIES = {
    "loss": "loss as trained on",
    "reconstruction": "= reconstruction",
    "kl": "+ KL that is paid",
    "honest_loss": "−ELBO of the z that are drawn",
    "honest_kl": "of which KL",
    "std_of_means": "standard deviation of the means",
    "std_of_noise": "standard deviation of the noise around them",
}
PLANE_OF_CLOTHES = """## Fashion-MNIST in two dimensions: a tenth of the noise

`{command}`, one seed. From the same work (000): a VAE 784-64-2-64-784,
200 epochs of batches of 64, pixels / 255, grey, as Bernoulli targets; nats per image, 10,000 test images. The document
draws z with noise of the standard deviation *sigma* = 0.1 where the KL divergence supposes 1, and prints pictures only.
The floor is {floor:.2f}; one mean image for all costs {mean_image:.2f}.

{losses}

With sigma 0.1 the loss is no bound on −log p(x): it charges for noise of another width than is drawn. The line "−ELBO
of the z that are drawn" charges for that, and can be compared between the columns; with sigma 1 it is the loss itself.
The squared error, pixels from 0 to 1, is that of the decoded means, without noise; it is {mean_image_error:.4f} with
one mean image for all, and {pca_error:.4f} with PCA to 2 numbers.

By eye, the document calls {apart} well apart, and {mixed} mixed. In numbers: of how many of
{shown:,} test images, in per cent, the {nearest} nearest of the others tell the class.

{neighbours}

The VAEs and PCA have learned from the training images and can place any other; t-SNE is fitted to these very images.
The last row asks the neighbours among all pixels.

{figures}
"""


# --- 004 and 001: convolution


def conv_autoencoder(sources: Sources) -> Written:
    wanted = {"epochs": 15, "classifier_epochs": 30, "codes": [64, 128, 256], "batch_size": 100}
    run = sources.one("conv-autoencoder", data=FASHION, **wanted)
    of, document, n = run.figures, run.document, len(run.settings["seeds"])
    rows: list[Sequence[Any]] = [(name, "", f"{error:.4f}", *[""] * 4)
                                 for name, error in of["baselines_test_mse"].items()]  # fmt: skip
    for name, found in of["autoencoders"].items():
        number = f"{document['mse']}" if name == "as-printed-n64" else ""
        numbers = (
            mean_and_std(found[what]["runs"], 4)
            for what in ("test_mse", "test_mse_at_the_edge", "test_mse_brightened", "train_mse")
        )
        rows.append((code_of(name), number, *numbers, each(found["dead_code_numbers"]["runs"])))
    header = ("", "document", "test", "at the edge", "test / 0.8", "training", "dead numbers")
    captions = {
        "reconstructions": "Test images and their reconstructions",
        "curves": "Autoencoders: training with dropout, validation without",
        "classifier_curves": "Classifiers of N = 64",
        "confusion": "Who is taken for whom by logits, N = 64",
    }
    text = CONVOLUTION.format(
        command=made_by(run), seeds=seeds(n), cross_entropy=document["cross_entropy"]["64"],
        autoencoders=table(header, rows),
        classifiers=conv_classifiers(run),
        figures=sources.show_all(run, captions),
    )  # fmt: skip
    mse = of["autoencoders"]["as-printed-n64"]["test_mse"]["runs"]
    right = of["classifiers"]["logits-n64"]["test_accuracy"]["runs"]
    short = [
        ("Fashion-MNIST, convolutional autoencoder, N = 64: test error, pixels 0–1", f"{document['mse']}",
         in_brief(mean_and_std(mse, 4), n)),
        ("Fashion-MNIST, test accuracy, its encoder and a dense layer", f"{100 * document['accuracy']['64']:.2f} %",
         in_brief(f"{per_cent(right)} %", n)),
    ]  # fmt: skip
    return Written(text, short)


def conv_classifiers(run: Run) -> str:
    rows = []
    for name, found in run.figures["classifiers"].items():
        kind, _, size = name.rpartition("-n")
        document = f"{100 * run.document['accuracy'][size]:.2f} %" if kind != "untrained" else ""
        loss = mean_and_std(found["test_cross_entropy"]["runs"], 4)
        lost = each(found["classes_never_found"]["runs"])
        rows.append((code_of(name), document, f"{per_cent(found['test_accuracy']['runs'])} %", loss, lost))
    return table(("", "document", "test accuracy", "test cross-entropy", "classes never found"), rows)


def code_of(name: str) -> str:
    """as-printed-n64 → as-printed, N = 64."""
    return ", N = ".join(name.rsplit("-n", 1))


CONVOLUTION = """## A convolutional autoencoder of Fashion-MNIST, and its encoder in a classifier

`{command}`, {seeds}.
Both networks layer by layer as a student work (004) prints them, 15 and 30 epochs; 50,000 images train, 10,000
validate, 10,000 test. Mean squared error of a pixel, pixels / 255, in evaluation mode: nothing is dropped. The mean
image and PCA with N numbers, fitted to the training images, give the scale. The document made ten runs.

{autoencoders}

*as-printed* has dropout 0.2 behind every ReLU and behind the output as well, *no-output-dropout* not behind the output,
*no-dropout* nowhere; *own-decoder* has another decoder, *own-linear* no ReLU behind the code either. Dropout behind the
output makes the best image 0.8 times the target once nothing is dropped; *test / 0.8* is the error of outputs made
brighter accordingly. The last three rows and columns of the printed decoder's images, a fifth of all pixels, are the
same whatever it is given; *at the edge* is what these pixels add to the test error. *Dead numbers* of the code are 0
for all test images, and the code is as much shorter than that of PCA.

{classifiers}

The classifier is the trained encoder of as-printed and a dense layer, all of it trained with the labels. *as-printed*
has a ReLU and dropout on its logits, as in the document's appendix: a class whose logit is below 0 for all images gets
no gradient and is never found, until changes in the encoder happen to lift it above 0 again. *logits* does without, as
the document's text has it; the document's cross-entropy for N = 64 is {cross_entropy}. *untrained* is logits from a
fresh encoder, so the difference between these two is what the autoencoder has been good for.

{figures}
"""


def fashion_conv_autoencoder(sources: Sources) -> Written:
    run = sources.one("fashion-conv-autoencoder", data=FASHION, batch_size=100)
    of, document, settings = run.figures, run.document, run.settings
    found, starts = of["classifier"], of["dead_numbers_at_the_start"]
    classes = [
        (word, *(cell for name in ("precision", "recall", "f1-score")
                 for cell in (f"{document[name][k]:.2f}", f"{of['per_class'][str(k)][name]:.3f}")))
        for k, word in enumerate(CLOTHES)
    ]  # fmt: skip
    codes: list[Sequence[Any]] = [(name, f"{error:.4f}", "", "", "")
                                  for name, error in of["baselines_test_mse"].items()]  # fmt: skip
    for kind, score in of["codes"].items():
        test, train = (mean_and_std(score[f"{part}_mse"]["runs"], 4) for part in ("test", "train"))
        line = mean_and_std(score["variance_along_a_line"]["runs"], 3)
        codes.append((kind, test, train, each(score["dead_code_numbers"]["runs"]), line))
    captions = {
        "views": "Test images by two numbers, coloured by class",
        "reconstructions": "Test images and their reconstructions",
        "classifier_curves": "Training and validation curves of the classifier",
        "confusion": "Who is taken for whom by the classifier",
    }
    text = COLLAPSE.format(
        command=made_by(run, "epochs", "encoder_epochs", "classifier_epochs"), **settings,
        document=f"{100 * document['accuracy']:.0f} %", accuracy=f"{100 * found['test_accuracy']:.2f} %",
        cross_entropy=f"{found['test_cross_entropy']:.4f}", runs=seeds(len(settings["seeds"])),
        classes=table(("class", *(f"{name}, {whose}" for name in ("precision", "recall", "F1")
                                  for whose in ("document", "ours"))), classes),
        codes=table(("", "test", "training", "dead numbers", "variance along a line"), codes),
        n=len(starts), none=starts.count(0), one=starts.count(1), two=starts.count(2),
        figures=sources.show_all(run, captions),
    )  # fmt: skip
    what = "Fashion-MNIST, test accuracy, convolutional classifier on a trained encoder"
    return Written(
        text, [(what, f"{100 * document['accuracy']:.0f} %", f"{100 * found['test_accuracy']:.2f} %, one seed")]
    )


COLLAPSE = """## Fashion-MNIST: a code that collapses, and a classifier

`{command}`.
From a student work (001). 55,000 images train, 5,000 validate, 10,000 test; pixels / 255; all figures in evaluation
mode, by the final weights.

**The classifier.** Four convolutions with batch normalisation and two poolings, trained first as the encoder of an
autoencoder ({encoder_epochs} epochs), then with two dense layers and the labels ({classifier_epochs} epochs), one seed.
The document's network is on a picture that its text does not hold, so this one is ours. Test accuracy: the document's
**{document}**, ours **{accuracy}**, with a cross-entropy of {cross_entropy}. Class by class:

{classes}

**The code of two numbers.** Epochs: {epochs}; {runs}; mean squared error of a pixel from 0 to 1. *relu-code*
is the printed network, a ReLU behind its code, *linear-code* the same without that ReLU, and *collapsed* the printed
one again, from the first start with a dead number.

{codes}

The document saw the data "on a single line, whatever their class". With a ReLU behind the code that happens if one of
its numbers is below 0 for all images: it is 0 for all, and gets no gradient. Of {n} networks that have
learned nothing yet, as far as 100 images show, {none} have no such number, {one} have one, which makes a line, and
{two} have two, which make a point. What is dead for 100 images need not be for all, and can come to life in training:
how it went with *collapsed* stands in the table. The last column is the share of the code's variance along its main
direction: at 1 the code is a line, whatever the reason. Without the ReLU nothing is cut off there.

{figures}
"""


SECTIONS = (
    Section(
        "dense-autoencoder", dense_autoencoder, at_default("dense_autoencoder", "mnist"),
        [{"experiment": "dense-autoencoder", "data": "mnist"}],
    ),
    Section(
        "stacked-autoencoder", stacked_autoencoder, at_default("stacked_autoencoder", *NAMES),
        [{"experiment": "stacked-autoencoder", "data": name} for name in NAMES],
    ),
    Section(
        "fashion-latent-2d", fashion_latent_2d, at_default("fashion_latent_2d", FASHION),
        [{"experiment": "fashion-latent-2d", "data": FASHION}],
    ),
    Section(
        "conv-autoencoder", conv_autoencoder, at_default("conv_autoencoder", FASHION),
        [{"experiment": "conv-autoencoder", "data": FASHION}],
    ),
    Section(
        "fashion-conv-autoencoder", fashion_conv_autoencoder, at_default("fashion_conv_autoencoder", FASHION),
        [{"experiment": "fashion-conv-autoencoder", "data": FASHION}],
    ),
)  # fmt: skip
