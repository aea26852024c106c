"""Mistakes in what is reported: numbers that are not what they are called."""

from __future__ import annotations

import copy

import numpy as np
from shared import thesis_classifier

from mistakes import checks
from mistakes.lab import BATCH_SIZE, RIGHT, WRONG, Checked, Finding, Lab, Mistake, VAETrainer, chart, run
from scratchnn import SGD, VAE, Bernoulli, Classifier, Sequential, data
from scratchnn.data import DataError, DataSet, Images
from scratchnn.evaluation import ImportanceWeighted, accuracy, importance_weighted, predicted_classes
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import figures
from scratchnn.scripts.provenance import drawing
from scratchnn.training import Trainer, evaluate


class MeanAsZ(VAE):
    """The ELBO with z = mean.

    Written: in evaluation z is the mean of q(z|x), to switch the noise off, and the sum of both terms is called ELBO.

    Looks right: it is what one does with dropout, it is reproducible, and the pictures are sharper.

    Happens: the bound needs the expectation over q. Once an image is decoded best from its mean and worse from around
    it, the number is too good, and no bound. Nothing fixes the sign: early on, while all means lie near 0 and the
    decoder is fed with draws at a distance of some √n_z from there, the number can be too bad.

    Caught by: no gradient check. A model whose log p(x) is known,
    tests/test_vae.py::test_the_elbo_equals_log_p_at_the_true_posterior.
    """

    def forward(self, x: Array, eps: Array) -> tuple[Array, ...]:
        return super().forward(x, 0 * eps)  # WRONG
        # RIGHT: return super().forward(x, eps)


def elbo_at_the_mean(lab: Lab) -> Finding:
    x = lab.images.test[:300]

    def both(model: VAE) -> Array:
        """−ELBO with z = mean, and its mean over 20 draws of z, image by image: (2, N)."""
        rng = np.random.default_rng(lab.seed)
        at_mean = MeanAsZ(copy.deepcopy(model.encoder), copy.deepcopy(model.decoder), Bernoulli(), model.n_z)
        drawn = np.mean([np.sum(list(model.loss_terms(x, rng).values()), axis=0) for _ in range(20)], axis=0)
        return np.array([np.sum(list(at_mean.loss_terms(x, rng).values()), axis=0), drawn])

    values = np.array(lab.train(snapshot=both).snapshots)  # (epochs, 2, N)
    differences = values[:, 0] - values[:, 1]
    table: list[tuple[str, ...]] = [("epoch", "z = mean", "−ELBO", "difference", "images where z = mean is lower")]
    for epoch in sorted({1, min(3, lab.epochs), min(10, lab.epochs), lab.epochs}):
        (at_mean, drawn), difference = values[epoch - 1].mean(axis=1), differences[epoch - 1]
        cells = f"{at_mean:.2f}", f"{drawn:.2f}", f"{difference.mean():+.2f}", f"{(difference < 0).mean():.0%}"
        table.append((f"{epoch}", *cells))
    return Finding(
        f"With z = mean the number is {differences[-1].mean():+.2f} nats from −ELBO at the end, and "
        f"{differences[0].mean():+.2f} after the first epoch.",
        table,
        {"log p(x) known": (checks.known_log_p(MeanAsZ), checks.known_log_p(VAE))},
        chart(
            "The number with z = mean, less −ELBO",
            "epoch",
            "nats, mean over 300 test images",
            [("wrong", range(1, lab.epochs + 1), differences.mean(axis=1), WRONG)],
        ),
    )


def quoted_result(trainer: VAETrainer, images: Images) -> float:
    """A running mean of a changing model, or its last minibatch, as the result.

    Written: the last number that the progress bar showed. It is the mean over the epoch's batches, each of them
    measured before its own step; or the loss of the last batch alone.

    Looks right: it is a loss of this model, at the end of its training, and costs nothing more.

    Happens: the running mean is of as many models as batches, the early ones worse than the one that is kept; the
    thesis quotes it. It lags most where the loss falls fast, and hardly at the end. One batch is of one model and of
    few images: its error is the standard deviation over the batches. Neither says anything of images that were not
    trained on.

    Caught by: one function for every loss,
    tests/test_training.py::test_evaluation_is_the_training_loss_by_the_same_function, and
    tests/test_example_vae.py::test_the_published_figures_are_of_the_sets_they_name.
    """
    return float(trainer.history[-1]["train_loss"])  # WRONG
    # RIGHT: return evaluate(trainer.model, images)["loss"]


def running_mean_quoted(lab: Lab) -> Finding:
    def final_weights(model: VAE) -> Array:
        return np.array([evaluate(model, part)["loss"] for part in (lab.images.train, lab.images.test)])

    epochs = min(lab.epochs, 20)
    trainer = lab.train(epochs=epochs, snapshot=final_weights)
    train, test = np.array(trainer.snapshots).T
    running = np.array([record["train_loss"] for record in trainer.history])
    last = np.array(trainer.iteration_losses).reshape(epochs, -1)[:, -1]
    table: list[tuple[str, ...]] = [
        ("epoch", "running mean", "last batch", "final weights, training images", "final weights, test images")
    ]
    for k in sorted({0, min(4, epochs - 1), epochs - 1}):
        table.append((f"{k + 1}", *(f"{column[k]:.2f}" for column in (running, last, train, test))))
    late = np.array(lab.right.iteration_losses[-len(lab.right.iteration_losses) // lab.epochs :])
    found, right = quoted_result(trainer, lab.images.train), float(train[-1])
    again = evaluate(trainer.model, lab.images.train)["loss"]
    rounding = 1e-4 * again  # in float32, where sums over 500 units are taken in another order with other BLAS threads
    return Finding(
        f"The running mean is {running[0] - train[0]:+.2f} nats off in the first epoch and "
        f"{running[-1] - train[-1]:+.2f} in epoch {epochs}; the batches of epoch {lab.epochs} have a standard "
        f"deviation of {late.std():.2f} nats.",
        table,
        {
            "the same by `evaluate`": (
                Checked(abs(found - again) < rounding, f"quoted {found:.4f}, all training images {again:.4f}"),
                Checked(abs(right - again) < rounding, f"quoted {right:.4f}, all training images {again:.4f}"),
            )
        },
        chart(
            "One training, four numbers",
            "epoch",
            "−ELBO (nats)",
            [
                ("running mean", range(1, epochs + 1), running, WRONG),
                ("last batch", range(1, epochs + 1), last, "#ffa90e"),
                ("final weights, training images", range(1, epochs + 1), train, RIGHT),
                ("final weights, test images", range(1, epochs + 1), test, "black"),
            ],
        ),
    )


def grey_likelihood(model: VAE, images: Images, n_samples: int) -> ImportanceWeighted:
    """Importance weights on grey pixels.

    Written: the importance-weighted bound with many samples, on grey pixels / 255, quoted as log p(x).

    Looks right: the loss took grey pixels, so why not this; and with more samples it rises, as a bound does.

    Happens: on grey pixels "p(x|z)" is the exponential of a mean: of log p(b|z) over the black and white images b that
    the grey levels stand for. What the weights estimate is the probability of nothing. One expects a number that is too
    good; but a logarithm of a mean of exponentials is convex, so by Jensen's inequality the grey number lies *below*
    the mean of log p(b), for every model. With one sample the two are close, the ELBO being linear in x for a given
    q; the more samples, the further they come apart. A grey number cannot be held against the published ones, which
    are of binary images.

    Caught by: the function itself, which refuses grey pixels:
    tests/test_evaluation.py::test_grey_pixels_have_no_likelihood.
    """
    return importance_weighted(model, images, n_samples, grey=True, progress=False)  # WRONG
    # RIGHT: return importance_weighted(model, data.binarise_held_out(images, "fixed"), n_samples)


def grey_importance_weights(lab: Lab) -> Finding:
    model, test = lab.right.model, lab.images.test.split(300)[0]
    binary = data.binarise_held_out(test, "fixed")
    counts = (1, 10, 100, 1000)
    grey, honest = (
        [-estimate(model, images, k).mean for k in counts]
        for estimate, images in ((grey_likelihood, test), (binary_likelihood, binary))
    )
    figure = chart(
        "Minus the importance-weighted bound, same model",
        "samples K",
        "nats per image",
        [("grey pixels", counts, np.array(grey), WRONG), ("black and white", counts, np.array(honest), RIGHT)],
    )
    figure.axes[0].set_xscale("log")
    table: list[tuple[str, ...]] = [("samples K", "grey pixels", "black and white draws of them", "difference")]
    table += [(f"{k:,}", f"{g:.2f}", f"{b:.2f}", f"{g - b:+.2f}") for k, g, b in zip(counts, grey, honest, strict=True)]
    return Finding(
        f"With 1,000 samples the same model has {grey[-1]:.2f} nats on grey pixels and {honest[-1]:.2f} on black and "
        f"white draws of them, a difference of {grey[-1] - honest[-1]:+.2f}; with one sample it is "
        f"{grey[0] - honest[0]:+.2f}.",
        table,
        {"the function": (refusal(model, test), refusal(model, binary))},
        figure,
    )


def binary_likelihood(model: VAE, images: Images, n_samples: int) -> ImportanceWeighted:
    return importance_weighted(model, images, n_samples, progress=False)


def refusal(model: VAE, images: Images) -> Checked:
    try:
        importance_weighted(model, images, 1, progress=False)
    except ValueError as error:
        return Checked(False, str(error))
    return Checked(True, "the pixels are 0 and 1")


def features(model: VAE, rng: np.random.Generator) -> Sequential:
    """A fresh encoder in the classifier.

    Written: a softmax on the codes of the VAE. The layers of the encoder are made once more in the classifier's own
    graph, a softmax is set on top, and everything is trained with the labels. It is what the thesis's Annex F runs.

    Looks right: it is the encoder, by its name and its sizes, and the accuracy is high.

    Happens: no weight of the VAE is ever loaded. What is measured is an ordinary supervised network, which would have
    got there without any VAE; the VAE's codes themselves may be far worse, or better where labels are few.

    Caught by: a look at the weights before the first step,
    tests/test_example_common_mistakes.py::test_the_features_are_the_trained_encoder.
    """
    return Sequential(thesis_classifier.new_encoder(thesis_classifier.sizes_of(model), rng))  # WRONG
    # RIGHT: return Sequential(thesis_classifier.trained_encoder(model))


def fresh_encoder(lab: Lab) -> Finding:
    model = lab.right.model
    rng = np.random.default_rng(lab.seed)
    fresh, trained = features(model, rng), Sequential(thesis_classifier.trained_encoder(model))
    rows = {
        "a fresh encoder, all of it trained: Annex F": (fresh, True),
        "the VAE's encoder as it is, softmax trained": (trained, False),
        "the VAE's encoder, all of it trained": (trained, True),
        "a fresh encoder as it is, softmax trained": (fresh, False),
    }
    counts = (100, len(lab.images.train))
    accuracies = {
        name: [accuracy_after(lab, encoder, whole, n) for n in counts] for name, (encoder, whole) in rows.items()
    }
    annex_f, frozen = list(accuracies.values())[:2]
    return Finding(
        f"With all labels Annex F's network has an accuracy of {annex_f[1]:.1%}, the VAE's codes {frozen[1]:.1%}; with "
        f"100 labels it is {annex_f[0]:.1%} against {frozen[0]:.1%}.",
        [
            ("accuracy on the test images", *(f"{n:,} labels" for n in counts)),
            *((name, *(f"{value:.1%}" for value in values)) for name, values in accuracies.items()),
        ],
        {"weights before training": (same_weights(model, fresh), same_weights(model, trained))},
    )


def same_weights(model: VAE, encoder: Sequential) -> Checked:
    """Whether a classifier's encoder gives the means of the VAE's, image by image."""
    x = np.random.default_rng(0).random((5, thesis_classifier.sizes_of(model)[0]), np.float32)
    distance = float(np.abs(encoder.forward(x) - model.encode(x)[0]).max())
    encoder.forget()
    return Checked(distance < 1e-5, f"its codes differ from the VAE's means by up to {distance:.2g}")


def accuracy_after(lab: Lab, encoder: Sequential, whole: bool, n: int) -> float:
    """The accuracy after training with the first n labels: all of the network, or the softmax on the encoder's codes.

    Whatever n is, there are as many steps as with all labels.
    """
    train, test, n_z = lab.images.train, lab.images.test, lab.right.model.n_z
    encoder, rng = copy.deepcopy(encoder), np.random.default_rng(lab.seed)
    head = thesis_classifier.softmax(n_z, 10, n_z, rng)
    learner = Classifier(Sequential([encoder, head] if whole else [head]))
    x, test_x = (part if whole else encoder.forward(part[:]) for part in (train, test))
    labels, test_labels = map(data.labels_of, (train, test))
    rows = np.resize(np.arange(n), len(train))
    trainer = Trainer(learner, SGD(learner, lr=0.1), rng)
    run(trainer, thesis_classifier.Examples(x, labels, rows), epochs=lab.epochs, batch_size=BATCH_SIZE)
    return accuracy(predicted_classes(learner, test_x), test_labels)


def split(images: DataSet, rng: np.random.Generator) -> DataSet:
    """A random split of a video.

    Written: all frames are shuffled, and a part of them is put aside for the test.

    Looks right: it is what one does with images, and it makes the parts alike.

    Happens: frames that follow one another are almost the same frame, so nearly every test frame has a near copy
    among the training frames, and what is tested is memory as much as learning. The digits of scikit-learn come writer
    after writer, and leak in the same way, but less.

    Caught by: the neighbours in the sequence, which a contiguous split keeps together:
    tests/test_example_common_mistakes.py::test_a_contiguous_split_keeps_neighbours_together.
    """
    return images.reshuffled(rng)  # WRONG
    # RIGHT: return images


def random_split(lab: Lab) -> Finding:
    table: list[tuple[str, ...]] = [
        ("distance to the nearest training image", "random split", "contiguous split", "ratio")
    ]
    outcomes, distances, missing = {}, {}, ""
    for name in ("frey-face", "digits"):
        try:
            right = data.load(name)
        except DataError as error:
            missing = f" (Frey Face is left out: {str(error).splitlines()[0].rstrip(':.')}.)"
            continue
        wrong = split(right, np.random.default_rng(lab.seed))
        outcomes[f"neighbours, {name}"] = neighbours_apart(right, wrong), neighbours_apart(right, right)
        distances[name] = nearest(wrong), nearest(right)
        random, contiguous = (float(d.mean()) for d in distances[name])
        table.append((f"{name}, per pixel", f"{random:.4f}", f"{contiguous:.4f}", f"{contiguous / random:.2f}"))
    name, shown = next(iter(distances.items()))
    return Finding(
        f"On {name} the nearest training image is {table[1][-1]} times as far from a test image if the split is "
        f"contiguous.{missing}",
        table,
        outcomes,
        histograms(f"{name}: how near the nearest training image is to a test image", *shown),
    )


@drawing
def histograms(title: str, of_random: Array, of_contiguous: Array) -> figures.Figure:
    """The distances (N,) of the test images of two splits."""
    figure = figures.new_figure(5.6, 3.2, title)
    axes = figure.add_subplot()
    bins = np.linspace(0, float(max(of_random.max(), of_contiguous.max())), 40).tolist()
    for label, values, colour in (("random split", of_random, WRONG), ("contiguous split", of_contiguous, RIGHT)):
        axes.hist(values, bins, color=colour, alpha=0.7, label=label)
    axes.set(xlabel="mean squared distance per pixel", ylabel="test images")
    axes.legend(fontsize=8)
    return figure


def nearest(images: DataSet) -> Array:
    """The mean squared distance per pixel of every test image to the nearest training image."""
    train = images.train[:]
    return np.array([np.mean((train - image) ** 2, axis=1).min() for image in images.test[:]])


def neighbours_apart(sequence: DataSet, dealt: DataSet) -> Checked:
    """How many test images of `dealt` have a neighbour in `sequence` among the training images of `dealt`."""
    frames = np.concatenate([sequence.train.pixels, sequence.validation.pixels, sequence.test.pixels])
    times = {frame.tobytes(): time for time, frame in enumerate(frames)}
    trained = {times[frame.tobytes()] for frame in dealt.train.pixels}
    tested = [times[frame.tobytes()] for frame in dealt.test.pixels]
    share = float(np.mean([bool({time - 1, time + 1} & trained) for time in tested]))
    return Checked(share < 0.01, f"{share:.0%} of the test images have a neighbour among the training images")


MISTAKES = (
    Mistake(MeanAsZ, elbo_at_the_mean),
    Mistake(quoted_result, running_mean_quoted),
    Mistake(grey_likelihood, grey_importance_weights),
    Mistake(features, fresh_encoder),
    Mistake(split, random_split),
)
