"""004: a convolutional autoencoder, and its encoder in a classifier, one and many seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from results_sections.runs import (
    FASHION,
    Run,
    Section,
    Sources,
    Written,
    at_default,
    between,
    each,
    in_brief,
    made_by,
    matching,
    of_seeds,
    per_cent,
    seeds,
    table,
)
from scratchnn.training.runs import mean_and_std


def conv_autoencoder(sources: Sources) -> Written:
    wanted = {"epochs": 15, "classifier_epochs": 30, "codes": [64, 128, 256], "batch_size": 100, "early_stopping": None}
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

`{command}`, {seeds}. Both networks layer by layer as a student work (004) prints them, 15 and 30 epochs; 50,000 images
train, 10,000 validate, 10,000 test. Mean squared error of a pixel, pixels / 255, in evaluation mode: nothing is
dropped. The mean image and PCA with N numbers, fitted to the training images, give the scale. The document trained ten
to choose the number of epochs; its 0.0533 is of one.

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
fresh encoder, so the difference between these two is what the autoencoder has been good for; a test of 10,000 images
has a standard error of 0.3 points.

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
    "python examples/conv_classifier_seeds.py --data fashion-mnist --classifiers as-printed",
    "python examples/conv_classifier_seeds.py --data fashion-mnist --classifiers as-printed --initial-values pytorch",
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

The document's cross-entropy for N = 64 is {cross_entropy}, which lies among those of *as-printed*, with a ReLU and
dropout on the logits; *logits*, without them, has a smaller one (section above).
PyTorch, in which the document is written, draws weights and biases from the uniform distribution within ±1/√fan-in, a
third of the variance of the weights here (`pytorch_uniform` in scratchnn/init.py says why a third).

{figures}
"""


SECTIONS = (
    Section(
        "conv-autoencoder", conv_autoencoder, at_default("conv_autoencoder", FASHION),
        [{"experiment": "conv-autoencoder", "data": FASHION}],
    ),
    Section(
        "conv-classifier-seeds", conv_classifier_seeds, CONV_SEEDS_COMMANDS,
        [{"experiment": "conv-classifier-seed", "data": FASHION}],
    ),
)  # fmt: skip
