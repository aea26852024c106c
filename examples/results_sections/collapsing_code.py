"""001: a code of two numbers that collapses, and a classifier on an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from results_sections.runs import (
    FASHION,
    Section,
    Sources,
    Written,
    each,
    made_by,
    seeds,
    table,
)
from scratchnn.data import CLOTHES
from scratchnn.training.runs import mean_and_std


def fashion_conv_autoencoder(sources: Sources) -> Written:
    run = sources.one("fashion-conv-autoencoder", data=FASHION, batch_size=100, early_stopping=None)
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
        alive=f" (of those before it, {len(of['dead_starts_that_came_alive'])} came to life in training)"
        if of.get("dead_starts_that_came_alive") else "",
        n=len(starts), none=starts.count(0), one=starts.count(1), two=starts.count(2),
        figures=sources.show_all(run, captions),
    )  # fmt: skip
    what = "Fashion-MNIST, test accuracy, convolutional classifier on a trained encoder"
    return Written(
        text, [(what, f"{100 * document['accuracy']:.0f} %", f"{100 * found['test_accuracy']:.2f} %, one seed")]
    )


COMMAND = f"python examples/fashion_conv_autoencoder.py --data {FASHION} --epochs 1"
COLLAPSE = """## Fashion-MNIST: a code that collapses, and a classifier

`{command}`.
From a student work (001). 55,000 images train, 5,000 validate, 10,000 test; pixels / 255; all figures in evaluation
mode, by the final weights.

**The classifier.** Four convolutions with batch normalisation and two poolings, trained first as the encoder of an
autoencoder ({encoder_epochs} epochs), then with two dense layers and the labels ({classifier_epochs} epochs), one seed.
The document's network is on a picture that its text does not hold, so this one is ours. Test accuracy: the document's
**{document}**, ours **{accuracy}**, with a cross-entropy of {cross_entropy}. Class by class:

{classes}

**The code of two numbers.** Epochs: {epochs}; {runs}; mean squared error of a pixel from 0 to 1. *relu-code* is the
printed network, a ReLU behind its code, with an output layer of ours, since the printed decoder breaks off before one
(nor are loss, optimiser and epochs printed); *linear-code* is the same without that ReLU, and *collapsed* the printed
one again, from the first start with a dead number that stays dead{alive}.

{codes}

The document saw the data "on a single line, whatever their class". With a ReLU behind the code that happens if one of
its numbers is below 0 for all images: it is 0 for all, and gets no gradient. Of {n} networks that have
learned nothing yet, as far as 100 images show, {none} have no such number, {one} have one, which makes a line, and
{two} have two, which make a point. What is dead for 100 images need not be for all, and can come to life in training.
The last column is the share of the code's variance along its main
direction: at 1 the code is a line, whatever the reason. Without the ReLU nothing is cut off there.

{figures}
"""


SECTIONS = (
    Section(
        "fashion-conv-autoencoder", fashion_conv_autoencoder, [COMMAND],
        [{"experiment": "fashion-conv-autoencoder", "data": FASHION}],
    ),
)  # fmt: skip
