"""000: autoencoders stacked into a classifier, and a VAE in two dimensions."""

from __future__ import annotations

import statistics
from typing import Any

from results_sections.runs import (
    FASHION,
    NAMES,
    Section,
    Sources,
    Written,
    at_default,
    in_brief,
    made_by,
    per_cent,
    seeds,
    table,
    thesis_network,
)
from scratchnn.training.runs import mean_and_std


def stacked_autoencoder(sources: Sources) -> Written:
    runs = [sources.one("stacked-autoencoder", data=name, batch_size=32, early_stopping=None) for name in NAMES]
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
        of_both = f"{name}: the first test images, and the first that stacked takes for something else"
        shown.append(sources.show(run, "probabilities", of_both))
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
    run = sources.one("fashion-latent-2d", data=FASHION, epochs={"0.1": 200, "1": 200}, batch_size=64,
                      model=thesis_network(64, 2, layers=1), early_stopping=None)  # fmt: skip
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
    return Written(
        text,
        [
            (
                "Fashion-MNIST, VAE of 64 hidden units, z = 2, sigma 1 (the document: 0.1): test loss",
                "pictures only",
                best,
            )
        ],
    )


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

`{command}`, one seed. From the same work (000): a VAE 784-64-2-64-784, 200 epochs of batches of 64, pixels / 255, grey,
as Bernoulli targets; nats per image, 10,000 test images. The document draws z with noise of the standard deviation
*sigma* = 0.1 where the usual KL divergence, which it does not print, supposes 1, and prints pictures only. The floor is
{floor:.2f}; one mean image for all costs {mean_image:.2f}.

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


SECTIONS = (
    Section(
        "stacked-autoencoder", stacked_autoencoder, at_default("stacked_autoencoder", *NAMES),
        [{"experiment": "stacked-autoencoder", "data": name} for name in NAMES],
    ),
    Section(
        "fashion-latent-2d", fashion_latent_2d, at_default("fashion_latent_2d", FASHION),
        [{"experiment": "fashion-latent-2d", "data": FASHION}],
    ),
)  # fmt: skip
