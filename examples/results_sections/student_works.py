"""The four student works: their autoencoders, and the classifiers made of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from results_sections.runs import (
    NAMES,
    MissingRunsError,
    Run,
    Section,
    Sources,
    Written,
    at_default,
    in_brief,
    made_by,
    matching,
    of_seeds,
    per_cent,
    seeds,
    table,
    values,
    verdict,
)
from scratchnn.data import CLOTHES
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
    for n in (8, 2):
        rows.append((f"PCA, {n} numbers", "", "", f"{baselines[f'PCA-{n}']:.1f}", "", "", ""))
        for kind in kinds:
            row = dense_row([run.figures["networks"][f"{n}-{kind}"] for run in runs])
            number = f"{document[str(n)]:.1f}" if kind == "relu" else ""
            rows.append((f"{n} numbers, {kind}", number, *row))
    header = ("", "document", "ours, last epoch", "ours, final", "dead numbers", "dead pixels", "part of the error")
    captions = {
        "loss": "Training loss by epoch: the document's in black",
        "codes": "The numbers of the code: quartiles over all images, whiskers from the first to the last hundredth",
        "reconstructions": "The first 16 training images and their reconstructions",
        "scatter-relu": "All images in the two numbers of relu",
    }
    text = DENSE.format(
        command=made_by(runs[0]), seeds=seeds(len(runs)), errors=table(header, rows),
        figures=sources.show_all(runs[0], captions),
    )  # fmt: skip
    return Written(text)


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

With 2 numbers much depends on the seed: the next section has more of them, and says why the document's first printed
loss, 3181.5, is that of no first epoch.

{figures}
"""


def dense_row(networks: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """What the runs of one network came to."""
    loss, final = (mean_and_std([of[name] for of in networks], 1) for name in ("train_loss", "final_mse"))
    share = [of["mse_of_dead_pixels"] / of["final_mse"] for of in networks]
    dead = (each([of[f"dead_{what}"] for of in networks]) for what in ("code_numbers", "pixels"))
    return loss, final, *dead, f"{100 * statistics.fmean(share):.1f} %"


def dense_autoencoder_seeds(sources: Sources) -> Written:
    name = "dense-autoencoder-seed"
    eight = sources.select(name, data="mnist", code=8, batch_size=64, epochs=20)
    two = sources.select(name, data="mnist", code=2, batch_size=256, epochs=80)
    whole = sources.one("dense-autoencoder-seeds", data="mnist")
    document = {run.settings["code"]: run.document for run in (*eight, *two)}
    losses, dead = values(eight, "train_loss"), [run.figures["dead_code_numbers"]["at_the_end"] for run in eight]
    two.sort(key=lambda run: int(run.settings["seed"]))
    by_start = {start: [run for run in two if run.figures["start"] == start] for start in ("live", "dead")}
    ended = [run for run in by_start["live"] if run.figures["loss_at_k_plus_39"] is not None]
    if not ended:
        raise MissingRunsError("a run with 2 numbers whose start is live and which has an epoch k + 39")
    ends = values(ended, "loss_at_k_plus_39")
    woken = [run for run in by_start["dead"] if run.figures["dead_code_numbers"]["at_the_end"] == 0]
    text = DENSE_SEEDS.format(
        commands="` and `".join(DENSE_SEEDS_COMMANDS),
        eight=table(
            ("8 numbers", "document", "ours, epoch 20", "smallest to largest", "document − ours: a matter of the seed?",
             "dead numbers of 8"),
            [(of_seeds(len(eight)), f"{document[8]['last_loss']:.1f}", mean_and_std(losses, 1), between(losses),
              verdict(document[8]["last_loss"], losses), between(dead, 0))],
        ),
        two=table(
            ("start", "ours", "error before training", "epoch 1", "epoch 5", "epoch 20", "epoch 80"),
            [(start, of_seeds(len(of)), between([run.figures["untrained_mse"] for run in of], 0),
              *(between([run.figures["losses"][epoch - 1] for run in of], 0) for epoch in (1, 5, 20, 80)))
             for start, of in by_start.items() if of],
        ),
        mean_image=whole.figures["mean_image_mse"], first=document[2]["first_loss"], last=document[2]["last_loss"],
        before=sum(run.figures["dead_code_numbers"]["untrained"] > 0 for run in by_start["dead"]),
        first_ten=sum(run.settings["seed"] < 10 for run in by_start["live"]),
        n=len(two), n_live=len(by_start["live"]), n_dead=len(by_start["dead"]), n_woken=len(woken),
        live=table(
            ("seed", "k", "loss at k + 39"),
            [(run.settings["seed"], run.figures["k"] or "not by epoch 80", end_of(run)) for run in by_start["live"]],
        ),
        ends=table(
            ("live starts", "document", "ours, epoch k + 39", "document − ours: a matter of the seed?", "below it"),
            [(of_seeds(len(ends)), f"{document[2]['last_loss']:.1f}", mean_and_std(ends, 1),
              verdict(document[2]["last_loss"], ends),
              f"{sum(end < document[2]['last_loss'] for end in ends)} of {len(ends)}")],
        ),
        figures=sources.show(whole, "losses", "Training loss by epoch, a line for every seed; the document's in black"),
    )  # fmt: skip
    short = [
        ("MNIST, dense autoencoder, 8 numbers: train error, pixels 0–255", f"{document[8]['last_loss']:.1f}",
         in_brief(mean_and_std(losses, 1), len(eight))),
        ("MNIST, dense autoencoder, 2 numbers, live starts: train error where the document's epochs end",
         f"{document[2]['last_loss']:.1f}", in_brief(mean_and_std(ends, 1), len(ends)),
         "its 40 epochs come [on top of others](docs/errata.md)"),
    ]  # fmt: skip
    return Written(text, short)


def between(numbers: Sequence[float], decimals: int = 1) -> str:
    """The smallest and the largest of some numbers; one number if they are the same."""
    ends = [f"{end:,.{decimals}f}" for end in (min(numbers), max(numbers))]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]}–{ends[1]}"


def end_of(run: Run) -> str:
    end = run.figures["loss_at_k_plus_39"]
    return "—" if end is None else f"{end:.1f}"


DENSE_SEEDS_COMMANDS = (
    "python examples/dense_autoencoder_seeds.py --data mnist --codes 8",
    "python examples/dense_autoencoder_seeds.py --data mnist --codes 2 --seeds 0 1 2 3 4 5 6 7 8 9 11 15 19 20",
)
DENSE_SEEDS = """## Dense autoencoders of MNIST: what the seed decides

`{commands}`.
The networks *relu* of the section above from many seeds, and the losses as the document prints them: the mean over the
batches of an epoch.

{eight}

With 2 numbers there are two kinds of starts. A start is *dead* if, after the first epoch, one of the two numbers is 0
for more than 99 of 100 images, and *live* otherwise. Of the seeds 0 to 9 {first_ten} are live; with more, chosen
because they are live, {n_live} of {n}. Before training it cannot be seen: of the {n_dead} networks with a dead start
{before} had such a number then. From the smallest to the largest loss:

{two}

A dead start rests on a plateau, for some epochs or to the end. Its other number makes one picture brighter or darker,
and many pixels of that are dead as well, so one mean image for all has a smaller error, {mean_image:.1f}. Of the
{n_dead} dead starts {n_woken} have both numbers alive after the last epoch.

The document's first printed loss is {first:.1f}, and no run has such a loss in its first epoch. Its 40 epochs come on
top of others: in a notebook a cell that is run again goes on with the weights that are there. k is the epoch in which a
run first passes {first:.1f}, and the document's last loss, {last:.1f}, belongs beside that of epoch k + 39:

{live}

{ends}

{figures}
"""


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
        "samples": "Training images and the names of their classes",
        "reconstructions": "Test images and their reconstructions, by an untrained network and by trained ones",
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
    return Written(text)


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


def conv_classifier_seeds(sources: Sources) -> Written:
    settings = {"data": FASHION, "epochs": 15, "classifier_epochs": 30, "batch_size": 100}
    name, starts = "conv-classifier-seed", {"lecun": "N(0, 1/fan-in)", "pytorch": "PyTorch's"}
    errors: list[Sequence[Any]] = []
    accuracies: list[Sequence[Any]] = []
    short: list[Sequence[str]] = []
    figures: list[str] = []
    made_here = []
    for (start, what), command in zip(starts.items(), CONV_SEEDS_COMMANDS, strict=True):
        if matching(sources.runs, name, **settings, initial_values=start):
            made_here.append(command)
        for n in (64, 128, 256):
            wanted = {**settings, "initial_values": start, "code": n}
            if start != "lecun" and not matching(sources.runs, name, **wanted):
                continue  # of those values some are enough
            runs = sources.select(name, **wanted)
            of, document = [run.figures for run in runs], runs[0].document
            mse = mean_and_std([found["autoencoder"]["test_mse"] for found in of], 4)
            dead = between([found["autoencoder"]["dead_code_numbers"] for found in of], 0)
            printed = f"{document['mse']}" if n == 64 else ""
            errors.append((what, n, of_seeds(len(runs)), printed, mse, dead))
            if (start, n) == ("lecun", 64):
                shown = "Fashion-MNIST, convolutional autoencoder, N = 64: test error, pixels 0–1"
                short.append((shown, printed, in_brief(mse, len(runs))))
            for kind in ("as-printed", "logits"):
                made = [found["classifiers"][kind] for found in of if kind in found["classifiers"]]
                if not made:
                    continue
                known = document["accuracy"][str(n)]
                last = [found["test_accuracy"] for found in made]
                others = ([found[which]["test_accuracy"] for found in made] for which in ("last_five", "best"))
                loss = mean_and_std([found["test_cross_entropy"] for found in made], 4)
                whole = [found["test_accuracy"] for found in made if not found["classes_never_found"]]
                of_whole = (per_cent(whole), within(known, whole)) if len(whole) < len(made) else ("", "")
                accuracies.append((what, kind, n, len(made), f"{100 * known:.2f}", per_cent(last), within(known, last),
                                   len(made) - len(whole), *of_whole, *map(per_cent, others), loss))  # fmt: skip
                if (start, kind) == ("lecun", "as-printed"):
                    shown = f"Fashion-MNIST, test accuracy, its encoder and a dense layer as printed, N = {n}"
                    lost = (
                        f"{len(made) - len(whole)} of {len(made)} runs never find a class; the others: {of_whole[0]} %"
                    )
                    short.append((shown, f"{100 * known:.2f} %", in_brief(f"{per_cent(last)} %", len(made)),
                                  lost if of_whole[0] else ""))  # fmt: skip
        if matching(sources.runs, "conv-classifier-seeds", **settings, initial_values=start):
            series = sources.one("conv-classifier-seeds", **settings, initial_values=start)
            captions = {"accuracies": "Test accuracies run by run", "curves": "Autoencoders: mean over the seeds",
                        "curves-as-printed": "Classifiers as printed: mean over the seeds"}  # fmt: skip
            figures += [sources.show(series, of, f"{text}; initial values: {what}") for of, text in captions.items()]
    text = CONVOLUTION_SEEDS.format(
        commands="` and `".join(made_here), cross_entropy=runs[0].document["cross_entropy"]["64"],
        errors=table(("initial values", "N", "", "document", "test error", "dead numbers"), errors),
        accuracies=table(
            ("initial values", "classifier", "N", "runs", "document", "last epoch", "document within 2 σ of it?",
             "runs that never find a class", "last epoch of the others", "document within 2 σ of it?",
             "mean of the last five", "best epoch", "cross-entropy, last"), accuracies,
        ),
        figures="\n\n".join(figures),
    )  # fmt: skip
    return Written(text, short)


def within(document: float, ours: Sequence[float]) -> str:
    """How far a document's number is from the mean of our runs, in their standard deviations σ, and whether that is
    less than two."""
    if len(ours) < 2:
        return "one run, spread unknown"
    away = (document - statistics.fmean(ours)) / statistics.stdev(ours)
    return f"{'yes' if abs(away) <= 2 else '**no**'}, {away:+.1f} σ".replace("-", "−")


CONV_SEEDS_COMMANDS = (
    "python examples/conv_classifier_seeds.py --data fashion-mnist",
    "python examples/conv_classifier_seeds.py --data fashion-mnist --initial-values pytorch",
)
CONVOLUTION_SEEDS = """## The classifiers of Fashion-MNIST, from many seeds

`{commands}`.
The autoencoder *as-printed* of the section above and the classifiers on its encoder, from several seeds; 004 prints one
run of each. All figures are of the 10,000 test images, in evaluation mode, mean ± standard deviation of single runs.

{errors}

Which epoch the document kept is not known. *Last epoch* is the one after which the document says that it stops, 30;
*best epoch* is that of the best validation accuracy. Accuracies in per cent. Behind a ReLU a logit can be 0 for every
image; its class is then never found, and a tenth of the test images are wrong.

{accuracies}

Its cross-entropy for N = 64 is {cross_entropy}, which is that of *as-printed*, with a ReLU and dropout on the logits.
PyTorch, in which the document is written, draws weights and biases from the uniform distribution within ±1/√fan-in, a
third of the variance of the weights here (`pytorch_uniform` in scratchnn/init.py says why a third).

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
        "dense-autoencoder-seeds", dense_autoencoder_seeds, DENSE_SEEDS_COMMANDS,
        [{"experiment": "dense-autoencoder-seed", "data": "mnist"}],
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
        "conv-classifier-seeds", conv_classifier_seeds, CONV_SEEDS_COMMANDS,
        [{"experiment": "conv-classifier-seed", "data": FASHION}],
    ),
    Section(
        "fashion-conv-autoencoder", fashion_conv_autoencoder, at_default("fashion_conv_autoencoder", FASHION),
        [{"experiment": "fashion-conv-autoencoder", "data": FASHION}],
    ),
)  # fmt: skip
