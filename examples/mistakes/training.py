"""Mistakes in what is trained: the sampler, the two terms of the loss, the optimiser, the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from mistakes import checks
from mistakes.lab import RIGHT, WRONG, Checked, Finding, Lab, Mistake, chart, numbers, with_right_loss
from scratchnn import VAE, Adam, Bernoulli
from scratchnn.data import Images
from scratchnn.evaluation import mean_image_loss
from scratchnn.layers.activations import sigmoid, softplus
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import figures
from scratchnn.training import DivergedError
from scratchnn.vae import KLToStandardNormal, Reparameterise


class NoiseDrawnAgain(Reparameterise):
    """Noise drawn again in backward.

    Written: backward needs eps, forward did not keep it, so backward draws it where it is needed.

    Looks right: it is noise from the same distribution, the loss falls, and the pictures are digits.

    Happens: dz and the new eps are independent, so the gradient that log_var gets through z is noise around 0. The KL
    alone then decides σ and drives it to 1, whatever the decoder needs. Only the means still learn, and the decoder
    sees of them what is larger than that noise.

    Caught by: a gradient check with the noise as an input, tests/test_gradcheck.py::test_the_whole_vae_is_right; and
    this mistake is planted in tests/test_gradcheck.py::test_planted_mistakes_in_the_vae_are_found.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.default_rng(0)

    def forward(self, mean: Array, log_var: Array, eps: Array) -> Array:
        z = super().forward(mean, log_var, eps)
        self.cache = (np.exp(0.5 * log_var), eps)
        return z

    def backward(self, dz: Array) -> tuple[Array, Array]:
        sigma, eps = self.take_cache()
        noise = sigma * self.rng.standard_normal(eps.shape).astype(eps.dtype)  # WRONG
        # RIGHT: noise = sigma * eps
        return dz, dz * 0.5 * noise


def noise_drawn_again(lab: Lab) -> Finding:
    right, wrong = lab.right, lab.train(sampler=NoiseDrawnAgain())
    losses, right_losses = lab.loss(wrong.model), lab.loss(right.model)
    sigmas = [float(np.exp(t.model.encode(lab.images.test[:])[1] / 2).mean()) for t in (wrong, right)]
    epochs = range(1, lab.epochs + 1)
    return Finding(
        f"The loss ends {losses['loss'] - right_losses['loss']:.2f} nats higher, and nothing on the way looks broken.",
        numbers(
            ("−ELBO of the test images", losses["loss"], right_losses["loss"]),
            ("its reconstruction", losses["reconstruction"], right_losses["reconstruction"]),
            ("its KL", losses["kl"], right_losses["kl"]),
            ("mean σ of q(z|x)", *sigmas),
            ("active units", lab.active_units(wrong.model), lab.active_units(right.model)),
        ),
        {"gradient check": (checks.gradients(sampler=NoiseDrawnAgain()), checks.gradients())},
        chart(
            "Noise drawn again in backward",
            "epoch",
            "−ELBO in training (nats)",
            [
                ("wrong", epochs, [record["train_loss"] for record in wrong.history], WRONG),
                ("right", epochs, [record["train_loss"] for record in right.history], RIGHT),
            ],
        ),
    )


class LogVarAsLogSigma(Reparameterise):
    """The log-variance taken for log σ.

    Written: σ = exp(log_var) in the sampler, while the KL takes exp(log_var) for the variance.

    Looks right: both lines have an exponential, the network can learn either, and backward fits forward.

    Happens: for a σ below 1 the KL is told √σ, and charges −½ log σ where −log σ is due: about half the price. The loss
    is lower than the right one and is no bound on anything. Doubling the half of the encoder's last layer that gives
    log_var makes the same model honest, since exp(2 log_var) is the variance that it draws with.

    Caught by: no gradient check. The moments of many draws, in
    tests/test_vae.py::test_draws_have_the_mean_and_the_variance_that_the_encoder_declares.
    """

    def forward(self, mean: Array, log_var: Array, eps: Array) -> Array:
        noise = np.exp(log_var) * eps  # WRONG
        # RIGHT: noise = np.exp(0.5 * log_var) * eps
        self.cache = (2 * noise,)  # of which backward takes the half that belongs to the right line
        return mean + noise


def log_var_as_log_sigma(lab: Lab) -> Finding:
    model, right = lab.train(sampler=LogVarAsLogSigma()).model, lab.right.model
    reported, honest = lab.loss(model), with_right_loss(model)
    for weights in list(honest.encoder.parameters.values())[-2:]:  # W and b of the heads
        weights[..., honest.n_z :] *= 2
    densities = []
    for name, sampler, colour in (("wrong", LogVarAsLogSigma(), WRONG), ("right", Reparameterise(), RIGHT)):
        density, edges = np.histogram(checks.draws(sampler), bins=np.linspace(0, 3, 61), density=True)
        densities.append((name, (edges[1:] + edges[:-1]) / 2, density, colour))
    figure = chart("Draws of z where the encoder declares N(1.5, 0.25)", "z", "density", densities)
    return understated(LogVarAsLogSigma(), reported, lab.loss(honest), lab.loss(right), figure)


def understated(
    sampler: Reparameterise,
    reported: dict[str, float],
    worth: dict[str, float],
    right: dict[str, float],
    figure: figures.Figure,
) -> Finding:
    """What there is to say of a sampler that draws with another σ than the KL is told."""
    return Finding(
        f"It reports {reported['loss']:.2f} nats, {right['loss'] - reported['loss']:.2f} fewer than the right version; "
        f"its −ELBO is {worth['loss']:.2f}, {worth['loss'] - right['loss']:.2f} more.",
        numbers(
            ("−ELBO that it reports", reported["loss"], right["loss"]),
            ("−ELBO with the σ that it draws with", worth["loss"], right["loss"]),
            ("KL that it reports", reported["kl"], right["kl"]),
            ("KL with the σ that it draws with", worth["kl"], right["kl"]),
        ),
        {
            "moments of many draws": (checks.variance_of_draws(sampler), checks.variance_of_draws(Reparameterise())),
            "gradient check": (checks.gradients(sampler=sampler), checks.gradients()),
        },
        figure,
    )


class NoiseTooSmall(Reparameterise):
    """Noise with a standard deviation of 0.1, and a KL for 1.

    Written: eps from N(0, 0.1²), since pictures come out sharper with less noise. It stands in a published example, and
    in one of the student works that this project reproduces.

    Looks right: it is a setting like any other, and the loss becomes smaller.

    Happens: the draws have a standard deviation of 0.1 σ while the KL is charged for σ, which saves up to log 10 = 2.30
    nats in every dimension that is used. The loss is not that of this model; subtracting 2 log 10 from log_var
    gives the model that was really trained.

    Caught by: no gradient check. The moments of many draws, in
    tests/test_vae.py::test_draws_have_the_mean_and_the_variance_that_the_encoder_declares.
    """

    def forward(self, mean: Array, log_var: Array, eps: Array) -> Array:
        return super().forward(mean, log_var, 0.1 * eps)  # WRONG
        # RIGHT: return super().forward(mean, log_var, eps)


def noise_too_small(lab: Lab) -> Finding:
    model, right = lab.train(sampler=NoiseTooSmall()).model, lab.right.model
    reported, honest = lab.loss(model), with_right_loss(model)
    *_, b = honest.encoder.parameters.values()
    b[honest.n_z :] -= 2 * np.log(10)
    pictures = lab.pictures(
        "Decoded draws of z from N(0, I)",
        wrong=lab.samples(model),
        right=lab.samples(right),
    )
    return understated(NoiseTooSmall(), reported, lab.loss(honest), lab.loss(right), pictures)


class MeanOverPixels(Bernoulli):
    """The reconstruction as a mean over pixels, beside a summed KL.

    Written: the mean of the cross-entropy over all its entries, as many libraries' losses give it unless told
    otherwise, plus the KL summed over its dimensions.

    Looks right: a mean is as good as a sum, it differs by a factor only; and the loss is small and falls.

    Happens: the factor is on one term of two. Dividing the reconstruction by D pixels multiplies the weight of the KL
    by D, a β-VAE with β = 64 on the digits and 784 on MNIST. No code is worth its price, every dimension is switched
    off, and the decoder shows the mean image for all z: the posterior has *collapsed* onto the prior.

    Caught by: no gradient check. The sum of log-probabilities by other means, in
    tests/test_layers.py::test_outputs_agree_with_an_independent_computation; and the number of active units.
    """

    def forward(self, outputs: Array, x: Array) -> Array:
        self.n_pixels = x.shape[1]
        return super().forward(outputs, x) / self.n_pixels  # WRONG
        # RIGHT: return super().forward(outputs, x)

    def backward(self, dlog_prob: Array) -> Array:
        return super().backward(dlog_prob / self.n_pixels)


def mean_over_pixels(lab: Lab) -> Finding:
    model, right = lab.train(likelihood=MeanOverPixels()).model, lab.right.model
    worth, mean_image = lab.loss(with_right_loss(model))["loss"], mean_image_loss(lab.images.test)
    return weighted(
        lab,
        model,
        f"{lab.active_units(model)} of {model.n_z} dimensions are active, {lab.active_units(right)} in the right "
        f"version; its −ELBO is {worth:.2f}, and one mean image for all costs {mean_image:.2f}.",
        "Decoded draws of z from N(0, I)",
        {
            "sum over pixels": tuple(map(checks.sum_of_log_probabilities, (MeanOverPixels(), Bernoulli()))),
            "gradient check": (checks.gradients(likelihood=MeanOverPixels()), checks.gradients()),
        },
    )


def weighted(lab: Lab, model: VAE, headline: str, title: str, outcomes: dict[str, Any]) -> Finding:
    """What there is to say of a loss whose two terms have been given different weights."""
    right = lab.right.model
    reported, worth, best = lab.loss(model), lab.loss(with_right_loss(model)), lab.loss(right)
    return Finding(
        headline,
        numbers(
            ("loss that it reports", reported["loss"], best["loss"]),
            ("−ELBO of its weights", worth["loss"], best["loss"]),
            ("its reconstruction", worth["reconstruction"], best["reconstruction"]),
            ("its KL", worth["kl"], best["kl"]),
            ("active units", lab.active_units(model), lab.active_units(right)),
        ),
        outcomes,
        lab.pictures(title, wrong=lab.samples(model), right=lab.samples(right)),
    )


class KLOfTheMinibatch(KLToStandardNormal):
    """The factor M/N, on the KL only.

    Written: the KL times M/N, batch size over data set size, since there is one prior, and this is a part of the data.

    Looks right: AEVB (8) has the factor N/M, for M examples that stand for N; its inverse seems to belong to the term
    that does not look at the data.

    Happens: there is one z, and one KL, for every example, so (8) multiplies both terms, and a mean over the batch has
    it in both already. On the KL only it is a β-VAE with β = M/N: an autoencoder with hardly a prior. It
    reconstructs well, quotes a small loss, and what it decodes from draws of the prior need not be digits.

    Caught by: no gradient check. The KL by many draws, tests/test_vae.py::test_kl_against_monte_carlo; and the loss of
    an example alone, tests/test_vae.py::test_both_terms_are_per_example_and_do_not_depend_on_the_batch.
    """

    def __init__(self, n_data: int = 100) -> None:
        super().__init__()
        self.n_data = n_data

    def forward(self, mean: Array, log_var: Array) -> Array:
        self.factor = len(mean) / self.n_data
        return self.factor * super().forward(mean, log_var)  # WRONG
        # RIGHT: return super().forward(mean, log_var)

    def backward(self, dkl: Array) -> tuple[Array, Array]:
        return super().backward(self.factor * dkl)


def kl_of_the_minibatch(lab: Lab) -> Finding:
    model, right = lab.train(divergence=KLOfTheMinibatch(len(lab.images.train))).model, lab.right.model
    reported, worth = lab.loss(model), lab.loss(with_right_loss(model))
    return weighted(
        lab,
        model,
        f"It reports {reported['loss']:.2f} nats; its −ELBO is {worth['loss']:.2f}, and the right version's "
        f"{lab.loss(right)['loss']:.2f}.",
        "Decoded draws of z from N(0, I)",
        {
            "KL by many draws": tuple(map(checks.kl_by_draws, (KLOfTheMinibatch(), KLToStandardNormal()))),
            "an example alone": (checks.an_example_alone(divergence=KLOfTheMinibatch()), checks.an_example_alone()),
            "gradient check": (checks.gradients(divergence=KLOfTheMinibatch()), checks.gradients()),
        },
    )


class ClippedProbabilities(Bernoulli):
    """Clipped probabilities instead of logits.

    Written: p = sigmoid(logits), clipped to lie between 1e-9 and 1 − 1e-9, or 1e-7 when that gave NaN; then log p.

    Looks right: it is the formula of the paper, and what the clip cuts off is far away.

    Happens: in float32 the neighbour of 1 below is 1 − 6e-8, so 1 − 1e-9 *is* 1, log(1 − p) is −∞ from the logit 17
    on, and the slope is 0/0. With 1e-7 the loss of a pixel is capped at 15.9 nats, and beyond the cap its slope is 0:
    the pixels that are most wrong are those that learn nothing. Before that, 1 − p has lost its digits.

    Caught by: no gradient check at moderate logits. The loss of a pixel that is sure and wrong,
    tests/test_likelihoods.py::test_bernoulli_knows_the_answer_where_clipping_would_not.
    """

    def __init__(self, clip: float = 1e-7) -> None:
        super().__init__()
        self.clip = clip

    def forward(self, outputs: Array, x: Array) -> Array:
        p = np.clip(sigmoid(outputs), self.clip, 1 - self.clip).astype(outputs.dtype)  # WRONG
        self.cache = (p, x, sigmoid(outputs) == p)
        return np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)  # WRONG
        # RIGHT: return np.sum(x * outputs - softplus(outputs), axis=1)

    def backward(self, dlog_prob: Array) -> Array:
        p, x, inside = self.take_cache()
        dp = x / p - (1 - x) / (1 - p)
        return dlog_prob[:, None] * dp * p * (1 - p) * inside  # a clipped value has the slope 0


def clipped_probabilities(lab: Lab) -> Finding:
    logits = np.linspace(0, 40, 81, dtype=np.float32)
    curves = {}
    for name, likelihood in (
        ("clip 1e-9", ClippedProbabilities(1e-9)),
        ("clip 1e-7", ClippedProbabilities()),
        ("logits", Bernoulli()),
    ):
        with np.errstate(divide="ignore", invalid="ignore"):
            loss = -likelihood.forward(logits[:, None], np.zeros((81, 1), np.float32))
            curves[name] = loss, likelihood.backward(np.full(81, -1, np.float32))[:, 0]
    table = [("a black pixel under the logit", *(f"{name}: loss, slope" for name in curves))]
    for k in (10, 30, 34, 40, 80):
        table.append((f"{logits[k]:g}", *(f"{loss[k]:.2f}, {slope[k]:.2f}" for loss, slope in curves.values())))
    trained = lab.loss(with_right_loss(lab.train(likelihood=ClippedProbabilities()).model))["loss"]
    gain = trained - lab.loss(lab.right.model)["loss"]
    return Finding(
        f"One pixel that is sure and wrong makes the loss infinite (1e-9), or learns nothing (1e-7). A training that "
        f"never gets there hardly notices: with 1e-7 it ends at {trained:.2f} nats, {gain:+.2f} against the right one.",
        table,
        {
            "sure and wrong, clip 1e-9": (
                checks.sure_and_wrong(ClippedProbabilities(1e-9)),
                checks.sure_and_wrong(Bernoulli()),
            ),
            "sure and wrong, clip 1e-7": (
                checks.sure_and_wrong(ClippedProbabilities()),
                checks.sure_and_wrong(Bernoulli()),
            ),
            "gradient check": (checks.gradients(likelihood=ClippedProbabilities()), checks.gradients()),
        },
        chart(
            "What a black pixel costs, in float32",
            "logit",
            "loss (nats)",
            [
                ("logits", logits, curves["logits"][0], RIGHT),
                ("clip 1e-7, then flat", logits, curves["clip 1e-7"][0], WRONG),
                ("clip 1e-9, then infinite", logits, curves["clip 1e-9"][0], "#ffa90e"),
            ],
        ),
    )


class AdamCountsEpochs(Adam):
    """Adam's bias correction by the number of the epoch.

    Written: t is the number of the epoch, which the loop has at hand, instead of the number of steps.

    Looks right: the corrections only matter in the beginning, and after a while t = 50 and t = 5,000 give the same.

    Happens: m and v fill up step by step while the correction believes in one step an epoch. The step is
    lr √w2/w1 times m/√v, with w1 and w2 the sums of the weights so far; w1 is full after some 30 steps, w2
    only after some 3,000. So the steps are first up to twice too long and then for a long time too short: a learning
    rate with a schedule that was never chosen.

    Caught by: no gradient check. Five steps worked by hand,
    tests/test_optim.py::test_five_steps_of_adam_worked_by_hand.
    """

    def __init__(self, model: Any, steps_per_epoch: int = 100, **settings: Any) -> None:
        super().__init__(model, **settings)
        self.steps, self.steps_per_epoch = 0, steps_per_epoch

    def step(self) -> None:
        self.t = self.steps // self.steps_per_epoch  # WRONG
        # RIGHT: self.t = self.steps
        self.steps += 1
        super().step()  # which begins with t + 1


def adam_counts_epochs(lab: Lab) -> Finding:
    per_epoch = len(lab.right.iteration_losses) // lab.epochs
    right, wrong = lab.right, lab.train(optimiser=lambda model: AdamCountsEpochs(model, per_epoch))

    def correction(t: Array) -> Array:
        """√w2 / w1, in the place of which one step takes the other's."""
        return np.sqrt((1 - 0.999**t) / (1 - 0.999)) / ((1 - 0.9**t) / (1 - 0.9))

    steps = np.arange(1, per_epoch * lab.epochs + 1)
    lengths = correction(1 + (steps - 1) // per_epoch) / correction(steps)
    losses, right_losses = lab.loss(wrong.model), lab.loss(right.model)
    early = max(lab.epochs // 10, 1)
    return Finding(
        f"It ends {losses['loss'] - right_losses['loss']:+.2f} nats from the right one: the lengths of the steps are "
        f"wrong by factors from {lengths.min():.2f} to {lengths.max():.2f}.",
        numbers(
            (f"−ELBO in training, epoch {early}", *(t.history[early - 1]["train_loss"] for t in (wrong, right))),
            (f"−ELBO in training, epoch {lab.epochs}", *(t.history[-1]["train_loss"] for t in (wrong, right))),
            ("−ELBO of the test images", losses["loss"], right_losses["loss"]),
        ),
        {"five steps by hand": (checks.steps_of_adam(AdamCountsEpochs), checks.steps_of_adam(Adam))},
        chart(
            "Adam's bias correction by epoch: how long its steps are",
            "step",
            "length, relative to the right one",
            [("wrong", steps, lengths, WRONG), ("right", steps, np.ones(len(steps)), RIGHT)],
        ),
    )


class Unscaled:
    """Pixels that were not scaled to [0, 1].

    Written: the images as the file has them, 0–255 (0–16 for the digits), as floats, into a Bernoulli likelihood.

    Looks right: it runs, and the loss falls as it never fell before.

    Happens: a Bernoulli loss has a floor only for targets in [0, 1]. For a pixel x above 1 the loss softplus(l) − x l
    falls without end as the logit l grows, so training drives it towards −∞ and learns white where anything was.

    Caught by: the likelihood itself, which refuses such targets:
    tests/test_likelihoods.py::test_bernoulli_and_cross_entropy_say_in_their_own_names_what_is_wrong_with_the_data.
    """

    def __init__(self, images: Images) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Any) -> Array:
        return self.images.pixels[rows].astype(np.float32)  # WRONG
        # RIGHT: return self.images.pixels[rows] / np.float32(self.images.max_value)


class Unchecked(Bernoulli):
    """The likelihood without its look at the targets, so that it can be seen what it guards against."""

    def forward(self, outputs: Array, x: Array) -> Array:
        self.cache = (outputs, x)
        return np.sum(x * outputs - softplus(outputs), axis=1)

    def backward(self, dlog_prob: Array) -> Array:
        outputs, x = self.take_cache()
        return dlog_prob[:, None] * (x - sigmoid(outputs))


def pixels_not_scaled(lab: Lab) -> Finding:
    epochs = min(lab.epochs, 20)
    outcomes = {"targets": (refusal(Unscaled(lab.images.test)), refusal(lab.images.test))}
    right = lab.right
    try:
        trainer = lab.train(epochs=epochs, train=Unscaled(lab.images.train), likelihood=Unchecked())
    except DivergedError as error:
        said = str(error).split(";")[0]
        return Finding(f"Without the check {said}.", [("", "wrong", "right"), ("training", said, "runs")], outcomes)
    shown, targets = Unscaled(lab.images.test)[:36], lab.images.test[:36]
    pictures = {"wrong": trainer.model.reconstruct(shown), "right": right.model.reconstruct(targets)}
    grey = [float(((images > 0.1) & (images < 0.9)).mean()) for images in (*pictures.values(), targets)]
    return Finding(
        f"Without the check the loss is {trainer.history[-1]['train_loss']:,.0f} nats after {epochs} epochs, and "
        f"{grey[0]:.0%} of the reconstructed pixels are grey (0.1 to 0.9), of the images {grey[2]:.0%}.",
        numbers(
            *(
                (f"loss in training, epoch {epoch}", *(t.history[epoch - 1]["train_loss"] for t in (trainer, right)))
                for epoch in sorted({1, (epochs + 1) // 2, epochs})
            )
        ),
        outcomes,
        lab.pictures("Test images, reconstructed", test_images=targets, **pictures),
    )


def refusal(images: Any) -> Checked:
    """What the library's likelihood says of these images."""
    x = images[:10]
    try:
        Bernoulli().forward(np.zeros_like(x), x)
    except ValueError as error:
        return Checked(False, str(error))
    return Checked(True, "targets lie in [0, 1]")


MISTAKES = (
    Mistake(NoiseDrawnAgain, noise_drawn_again),
    Mistake(LogVarAsLogSigma, log_var_as_log_sigma),
    Mistake(NoiseTooSmall, noise_too_small),
    Mistake(MeanOverPixels, mean_over_pixels),
    Mistake(KLOfTheMinibatch, kl_of_the_minibatch),
    Mistake(ClippedProbabilities, clipped_probabilities),
    Mistake(AdamCountsEpochs, adam_counts_epochs),
    Mistake(Unscaled, pixels_not_scaled),
)
