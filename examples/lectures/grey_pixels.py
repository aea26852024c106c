"""What a likelihood of grey pixels says: four of them, what can be compared, and which of them ever says grey.

A VAE's loss begins with −log p(x|z), and p must be a distribution of what pixels are. Grey pixels are often given to a
Bernoulli likelihood, whose outcomes are black and white. Here it stands beside three that have grey outcomes: the
continuous Bernoulli and the Gaussian, which are densities, and the discretised logistic, a probability of grey levels.
Their losses cannot be compared. What can be: bits per pixel, the error of the mean image, and how images drawn from
p(x|z) look. The derivations are in scratchnn/likelihoods.py and scratchnn/grey_likelihoods.py; 20 seconds on the digits
that come with the library, which have 17 grey levels.
"""

# %%
# **One pixel.** Let it be x = 5/16, and let the decoder fit it as well as it can. It outputs a logit; to have one axis
# for all, the Gaussian and the logistic here have the mean sigmoid(logit) and a fixed width. At the best logit the mean
# is 5/16 under each. The loss there is another thing each time:
#
# - Bernoulli's is the entropy of a coin that is white with probability x. It is above 0 although nothing about x is
#   left open: a *floor* that no decoder gets below.
# - That of the continuous Bernoulli is −log of a *density*, the probability per unit of x. It may be negative.
# - That of the Gaussian as well, and it falls by log 10 = 2.30 whenever σ is divided by ten, without end.
# - That of the discretised logistic is −log of a *probability*. It falls with s too, but only to 0: certain.

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from scratchnn import VAE, Adam, Bernoulli, ContinuousBernoulli, DiscretisedLogistic, Gaussian, data
from scratchnn.data import Images
from scratchnn.evaluation import bernoulli_floor, entropy, importance_weighted, log_prob_of_levels
from scratchnn.grey_likelihoods import mean_pixel
from scratchnn.layers.activations import sigmoid
from scratchnn.likelihoods import Likelihood
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import figures
from scratchnn.scripts.lecture import Lecture, train
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training import DivergedError, Trainer, evaluate

lecture = Lecture("grey_pixels")
LEVELS = 17
LAST = LEVELS - 1


def losses_of(likelihood: Likelihood, outputs: Array, x: float) -> Array:
    """−log p of one pixel x under every row of outputs."""
    return -likelihood.forward(outputs, np.full((len(outputs), 1), x, float))


x = 5 / LAST
logits = np.linspace(-8, 8, 160_001)[:, None]
candidates = {"Bernoulli": (Bernoulli(), logits), "continuous Bernoulli": (ContinuousBernoulli(), logits)}
for width in (0.01, 0.001):
    log_width = np.full_like(logits, np.log(width))
    mean_and_width = np.concatenate([sigmoid(logits), log_width], axis=1)
    candidates[f"Gaussian, σ = {width}"] = Gaussian(), mean_and_width * [1, 2]  # it wants log σ²
    candidates[f"discretised logistic, s = {width}"] = DiscretisedLogistic(LEVELS), mean_and_width
print(f"1. One pixel, x = 5/16 = {x:.4f}\n   {'':<32}best logit    mean   loss there (nats)")
one_pixel = {}
for name, (likelihood, outputs) in candidates.items():
    losses = losses_of(likelihood, outputs, x)
    best = losses.argmin()
    one_pixel[name] = logits[best, 0], likelihood.mean(outputs[best : best + 1])[0, 0], losses[best]
    print("   {:<32}{:10.3f}  {:.4f}   {:.4f}".format(name, *one_pixel[name]))
print(f"   entropy of a coin that is white with probability x: {entropy(np.array(x)):.4f}")

# %%
# **A black pixel**, x = 0, has no best logit: the further down, the better. Bernoulli's loss goes to 0. That of the
# continuous Bernoulli falls by log 10 whenever the logit is ten times as far: like the Gaussian's, it has no floor.

far = np.array([[-10.0], [-100.0], [-1000.0]])
black = {name: losses_of(candidates[name][0], far, 0) for name in ("Bernoulli", "continuous Bernoulli")}
print("\n   loss of x = 0 at the logits −10, −100, −1000")
for name, losses in black.items():
    print(f"   {name:<32}{'   '.join(f'{loss + 0:.4f}' for loss in losses)}")

# %%
# **From a density to a probability.** A file holds level k, and x = k/16. The *bin* of a level is all that is rounded
# to it, from x − 1/32 to x + 1/32, and its probability is the integral of the density over it. The bins at the ends
# need care. The continuous Bernoulli has its mass on [0, 1], so there its bins are half as wide: [0, 1/32] and
# [31/32, 1]. The Gaussian has some outside, and as in the discretised logistic the last bins reach to infinity. So each
# adds up to 1 over the 17 levels, and −log₂ of the probability is what a level takes in bits; log₂ 17 = 4.09 with no
# model.
#
# Eight values of one pixel, and each likelihood with its best parameters for them. For Bernoulli and the continuous
# Bernoulli only the mean can be chosen. With a mean near a half the latter is nearly uniform: it cannot be sure of a
# grey. The other two have a width as well. And Bernoulli gives grey no probability at all.

SAMPLE = np.array([5, 6, 7, 7, 8, 8, 9, 12])
values = SAMPLE[:, None] / LAST

logit = np.interp(values.mean(), mean_pixel(logits[:, 0]), logits[:, 0])  # whose mean is that of the values
grid = np.stack(np.meshgrid(np.linspace(0.3, 0.7, 81), np.linspace(-5, 0, 101)), axis=-1).reshape(-1, 2)  # m and log s
logistic_losses: Array = np.sum([losses_of(DiscretisedLogistic(LEVELS), grid, v) for v in values[:, 0]], axis=0)
fitted = {
    "continuous Bernoulli": (ContinuousBernoulli(), [logit]),
    "Gaussian": (Gaussian(), [values.mean(), np.log(values.var())]),
    "discretised logistic": (DiscretisedLogistic(LEVELS), grid[logistic_losses.argmin()]),
}
all_levels = np.arange(LEVELS)[:, None] / LAST
shares = np.bincount(SAMPLE, minlength=LEVELS) / len(SAMPLE)
seen = shares > 0
print("\n2. Eight values of a pixel: levels " + ", ".join(map(str, SAMPLE)) + "; bits for each, the mean")
print(f"   uniform                 {np.log2(LEVELS):.3f}")
probabilities = {}
for name, (likelihood, outputs) in fitted.items():
    log_p = log_prob_of_levels(likelihood, np.tile(outputs, (LEVELS, 1)), all_levels, LEVELS)
    probabilities[name] = np.exp(log_p)
    print(f"   {name:<23} {-shares @ log_p / np.log(2):.3f}   (the 17 add up to {probabilities[name].sum():.6f})")
print("   Bernoulli                   ∞   (black and white add up to 1, so grey has the probability 0)")
print(f"   entropy of the eight    {-shares[seen] @ np.log2(shares[seen]):.3f}   (no distribution needs less)")

# %%
# **What Bernoulli's loss lacks.** On grey pixels, λ^x (1 − λ)^(1 − x) with λ = sigmoid(l) is no density: it does not
# integrate to 1. The continuous Bernoulli multiplies by what is missing (Loaiza-Ganem, Cunningham, "The continuous
# Bernoulli: fixing a pervasive error in variational autoencoders", 2019):
#
#     C(λ) = 2 artanh(1 − 2λ)/(1 − 2λ) = l/tanh(l/2)
#
# It depends on λ, so leaving it out changes what is learned. log C is smallest at λ = ½, where it is log 2, and grows
# like log |l| towards the ends: Bernoulli's loss is off the most where pixels are nearly black or white. And the mean
# of x is not λ. For a mean near 0 or 1 the decoder must go much further: for 0.99 to l = 100, instead of 4.6.

lambdas = np.array([0.5, 0.9, 0.99, 0.999, 0.9999])
log_odds = np.log(lambdas / (1 - lambdas))[:, None]
log_c = losses_of(Bernoulli(), log_odds, x) - losses_of(ContinuousBernoulli(), log_odds, x)  # the same for every x
print("\n3. The normaliser of the continuous Bernoulli")
print("   λ                 " + "   ".join(f"{value:.4f}" for value in lambdas))
print("   log C(λ)          " + "   ".join(f"{value:.4f}" for value in log_c))
print("   mean of x         " + "   ".join(f"{value:.4f}" for value in mean_pixel(log_odds[:, 0])))

# %%
# **A VAE with the Gaussian.** On the digits it has a mean and a log σ² for each pixel. Some pixels have the same value
# in every training image. As with one pixel, σ → 0 there, and log p has no bound: these few pixels soon bring most of
# the log-density, and they say nothing about digits. Density times the width of a bin, often taken for the probability
# of a level, is far above 1 there; the integral over the bin is not. In the end (x − mean)/σ², which is in the
# gradient, is beyond the largest float, and the next loss is NaN.

EPOCHS = 80
N_Z = 5
LOOK_AFTER = (5, 10, 15, 20, 80)  # epochs
SEED = 0

digits = data.load("digits")
train_x, test_x = digits.train[:].astype(float), digits.test[:].astype(float)
D = train_x.shape[1]
still = np.flatnonzero(np.ptp(train_x, axis=0) == 0)


def new_model(likelihood: str) -> tuple[VAE, np.random.Generator]:
    rng = np.random.default_rng(SEED)
    return thesis_vae(D, 100, N_Z, rng, likelihood, LEVELS), rng


def outputs_of(model: VAE, x: Array) -> Array:
    """The decoder's outputs for the means of q(z|x), in float64."""
    with model.evaluating():
        return model.decoder.forward(model.encode(x.astype(np.float32))[0]).astype(float)


print(f"\n4. A Gaussian likelihood of grey levels, of which {len(still)} pixels of {D} never change")
gaussian, rng = new_model("gaussian")
trainer = Trainer(gaussian, Adam(gaussian), rng)
looks = []
for epoch in LOOK_AFTER:
    try:
        train(trainer, digits.train, epoch)
    except DivergedError as error:
        print(f"   {str(error).partition(';')[0]}")
        break
    outputs = outputs_of(gaussian, train_x)
    of_still = outputs[:, [*still, *(D + still)]]
    everywhere = Gaussian().forward(outputs, train_x).mean()
    there = Gaussian().forward(of_still, train_x[:, still]).mean()
    by_bins = log_prob_of_levels(Gaussian(), of_still, train_x[:, still], LEVELS).mean()
    sigma = np.exp(outputs[:, D + still].mean() / 2)
    as_if, integral = np.exp(there / len(still)) / LAST, np.exp(by_bins / len(still))  # geometric means over the pixels
    looks.append((there, everywhere, as_if, integral))
    print(
        f"   log p(x|z) {everywhere:.0f} nats, of which the {len(still)} bring {there:.0f}; "
        f"there σ {sigma:.0e}, density × width {as_if:.0e}, integral {integral:.3f}"
    )

# %%
# The remedy: add *noise* to the pixels, uniform and one bin wide, so that no value comes twice. The mean over the noise
# u of log p(x + u), with the width w of a bin, is never above the logarithm of the bin's probability (Theis, van den
# Oord, Bethge, "A note on the evaluation of generative models", 2016), by Jensen's inequality:
#
#     E_u[log p(x + u)] + log w ≤ log ∫ p(t) dt from x − w/2 to x + w/2
#
# So this mean is bounded. (The log-density of the continuous Bernoulli is not, but log |l| grows so slowly that it can
# be trained all the same.) Five models, the Gaussian with noise. "drawn" stands for Bernoulli on pixels that are drawn
# black or white, with the grey value for the probability of white. For these it is a probability.


@dataclass(frozen=True)
class WithNoise:
    """Grey images with uniform noise, one level wide, drawn whenever a batch is taken."""

    images: Images
    rng: np.random.Generator

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Any) -> Array:
        x = self.images[rows]
        return x + (self.rng.random(x.shape, np.float32) - np.float32(0.5)) / np.float32(LAST)


KINDS = {
    "Bernoulli": ("bernoulli", "no −log p"),
    "continuous Bernoulli": ("continuous-bernoulli", "−log of a density on [0, 1]"),
    "Gaussian": ("gaussian", "−log of a density"),
    "discretised logistic": ("discretised-logistic", "−log of a probability of levels"),
    "Bernoulli, drawn": ("bernoulli", "−log of a probability of black and white"),
}
models, negative_elbo = {}, {}
test_sets: dict[str, Any] = {}
print("\n5. Five trainings")
for name, (kind, _) in KINDS.items():
    models[name], rng = new_model(kind)
    images: Any = digits.train
    test_sets[name] = digits.test
    if name == "Gaussian":
        images, test_sets[name] = WithNoise(digits.train, rng), WithNoise(digits.test, np.random.default_rng(1))
    elif name == "Bernoulli, drawn":
        images = data.binarise(digits.train, "dynamic", rng)
        test_sets[name] = data.binarise_held_out(digits.test, "dynamic")
    print(f"   {name:<22}", end="")
    train(Trainer(models[name], Adam(models[name]), rng), images, EPOCHS)
    negative_elbo[name] = evaluate(models[name], test_sets[name])["loss"]

# %%
# **Five losses that cannot be compared.** Each is in nats per image, of another quantity. A density depends on the
# unit: with pixels from 0 to 16 the same model has a loss that is 64 log 16 = 177.4 nats higher. And Bernoulli's on
# grey pixels is about black and white: it is linear in x, and so the mean loss of the images that can be drawn from x,
# for the z of the grey image.

print(f"\n   test images, −ELBO   (pixels from 0 to 16: {D * np.log(LAST):+.1f} for a density)")
for name, (_, what) in KINDS.items():
    print(f"   {name:<22} {negative_elbo[name]:8.2f}   {what}")
print(f"   floor of Bernoulli's on grey pixels: {bernoulli_floor(digits.test):.2f}")
grey_outputs = outputs_of(models["Bernoulli"], test_x)
DRAWS = 200
rng = np.random.default_rng(2)
grey_loss = -Bernoulli().forward(grey_outputs, test_x).mean()
drawn_losses = [
    -Bernoulli().forward(grey_outputs, 1.0 * (rng.random(test_x.shape) < test_x)).mean() for _ in range(DRAWS)
]
drawn_error = np.std(drawn_losses, ddof=1) / np.sqrt(DRAWS)
print(f"   reconstruction at the mean of q: of the grey images {grey_loss:.3f}, "
      f"of draws from them {np.mean(drawn_losses):.3f} ± {drawn_error:.3f}")  # fmt: skip

# %%
# **Bits per pixel** can be compared: −log₂ P(x) of a test image, over its 64 pixels. With its density integrated over
# the bins every decoder is a model of levels. K draws of z bound the bits from above; K = 1 is the ELBO, and more draws
# come closer (`importance_weighted`). For a scale: a code without a model, and one that knows of each pixel its
# histogram over the training images, but not the rest of the image. Bernoulli has no density. Its logits can be read as
# those of the continuous Bernoulli, to see what it has learned about grey. Drawn pixels are other data; there 1 bit is
# the scale.
#
# One number for each pixel is not enough for grey: the continuous Bernoulli needs more bits than the histograms. The
# two that have a width need fewer.

SAMPLES = 50


class OfLevels(Likelihood):
    """A likelihood as a probability of grey levels, to evaluate with."""

    def __init__(self, likelihood: Likelihood) -> None:
        super().__init__()
        self.likelihood = likelihood

    def forward(self, outputs: Array, x: Array) -> Array:
        return log_prob_of_levels(self.likelihood, outputs, x, LEVELS)


def bits(model: VAE, likelihood: Likelihood, k: int) -> tuple[float, float]:
    """Bits per pixel of the test images by K draws, at most; and the standard error from the choice of images."""
    of_levels = VAE(copy.deepcopy(model.encoder), copy.deepcopy(model.decoder), OfLevels(likelihood), N_Z)
    found = importance_weighted(of_levels, digits.test, k, progress=False)
    return -found.mean / D / np.log(2), found.sampling_error / D / np.log(2)


histogram = np.stack([(digits.train.pixels == k).sum(axis=0) + 1 for k in range(LEVELS)])  # one more, so that none is 0
histogram = histogram / histogram.sum(axis=0)
independent = -np.log2(histogram[digits.test.pixels, np.arange(D)]).mean()
print(f"\n6. Bits per pixel of the test images, at most     K = 1    K = {SAMPLES}")
print(f"   uniform, log₂ 17                              {np.log2(LEVELS):6.3f}")
print(f"   each pixel's own histogram                    {independent:6.3f}")
in_bits = {}
for name, label in (
    ("Bernoulli", "Bernoulli, its logits read as the next one's"),
    ("continuous Bernoulli", ""),
    ("Gaussian", ""),
    ("discretised logistic", ""),
):
    likelihood = models[name].likelihood if name != "Bernoulli" else ContinuousBernoulli()
    one, (many, plus_minus) = bits(models[name], likelihood, 1)[0], bits(models[name], likelihood, SAMPLES)
    in_bits[name] = one, many, plus_minus
    print(f"   {label or name:<45} {one:6.3f}   {many:6.3f} ± {plus_minus:.3f}")
with_noise = (negative_elbo["Gaussian"] / D + np.log(LAST)) / np.log(2)
print(f"   (Gaussian, from its density with noise        {with_noise:6.3f})")
drawn = importance_weighted(models["Bernoulli, drawn"], test_sets["Bernoulli, drawn"], SAMPLES, progress=False)
drawn_bits = [negative_elbo["Bernoulli, drawn"] / D / np.log(2), -drawn.mean / D / np.log(2)]
print("   Bernoulli, drawn: black and white, of 1 bit   {:6.3f}   {:6.3f}".format(*drawn_bits))

# %%
# **Means and samples** can be compared as well, on the scale of a pixel. What is usually shown of a VAE is the mean of
# p(x|z). A *sample* is drawn from it: an image as the model expects them. Three distances, each the root of a mean
# square: from the mean to the image, the *error*; from the sample to the mean, the *spread* that the model claims; and
# from the sample to the image. If a model is right about how far its means are off, spread and error are alike.
#
# By their means Bernoulli's images are about as good as the others. But its samples are black and white, so the spread
# is nearly twice the error: a model of grey images that never says grey. The continuous Bernoulli and the Gaussian say
# grey too often, and the first is a little too sure of its mean. That mean is not sigmoid(l): shown in its place, λ has
# a larger error. "Drawn" has seen only black and white of each test image, and so its means are further off.


def rms(difference: Array) -> float:
    return float(np.sqrt(np.mean(difference**2)))


def is_grey(images: Array) -> float:
    """The share of pixels that are neither black nor white, as levels."""
    k = np.rint(images * LAST)
    return float(np.mean((k > 0) & (k < LAST)))


rng = np.random.default_rng(3)
means, samples, looks_like = {}, {}, {}
print(f"\n7. Test images: pixels that are grey {is_grey(test_x):.3f}")
print(f"   {'':<38}error   spread   sample to image   grey in samples")
for name, model in models.items():
    seen_x = test_sets[name][:] if name == "Bernoulli, drawn" else test_x
    outputs = outputs_of(model, seen_x)
    means[name], samples[name] = model.likelihood.mean(outputs), model.likelihood.sample(outputs, rng)
    looks_like[name] = (
        rms(means[name] - test_x), rms(samples[name] - means[name]), rms(samples[name] - test_x), is_grey(samples[name])
    )  # fmt: skip
    print("   {:<38}{:.3f}   {:.3f}    {:.3f}             {:.3f}".format(name, *looks_like[name]))
logits_of_cb = outputs_of(models["continuous Bernoulli"], test_x)
too_sure = rms(sigmoid(logits_of_cb) - test_x)
print(f"   continuous Bernoulli, sigmoid(l) shown {too_sure:.3f}")

# %%
# **How much was left out.** Σ log C(λ) over the pixels of an image, for the decoder that was trained without it and for
# the one trained with it.

left_out = {}
print("\n8. Σ log C(λ) in nats per image, mean and standard deviation over the test images")
for name in ("Bernoulli", "continuous Bernoulli"):
    outputs = outputs_of(models[name], test_x)
    left_out[name] = ContinuousBernoulli().forward(outputs, test_x) - Bernoulli().forward(outputs, test_x)
    print(f"   decoder of {name:<22} {left_out[name].mean():6.1f} ± {left_out[name].std():.1f}")

# %%
# **In one picture.** Left: parts 2 and 3. Right: test images as each model has them, with its bits per pixel.

COLOURS = {
    "Bernoulli": "#bd1f01",
    "continuous Bernoulli": "#ffa90e",
    "Gaussian": "#3f90da",
    "discretised logistic": "#832db6",
}
SHOWN = 10
figure = figures.new_figure(
    10, 6.6, "Means look alike under every likelihood. Samples do not: Bernoulli never says grey"
)
halves: Any = figure.subfigures(1, 2, width_ratios=(1, 1.2))
left, right = halves
top, bottom = left.subplots(2, 1)
k = np.arange(LEVELS)
top.bar(k, shares, color="#d9d9d9", width=0.9, label="eight grey values")
p = values.mean()
top.bar([0, LAST], [1 - p, p], color=COLOURS["Bernoulli"], width=0.5, label="Bernoulli")
for (name, p_k), marker in zip(probabilities.items(), "s^o", strict=True):
    top.plot(k, p_k, color=COLOURS[name], marker=marker, markersize=4, linewidth=1.2, label=name)
top.set(xlabel="grey level", xticks=range(0, LEVELS, 4), ylabel="probability", ylim=(0, 0.72))
top.set_title("one pixel, each at its best parameters", fontsize=9)
top.legend(fontsize=7, ncols=2, loc="upper center")
curve = np.linspace(-14, 14, 1001)[:, None]
bottom.plot(
    curve[:, 0], losses_of(Bernoulli(), curve, x) - losses_of(ContinuousBernoulli(), curve, x),
    color=COLOURS["continuous Bernoulli"], linewidth=1.5,
)  # fmt: skip
bottom.axhline(np.log(2), color="black", linestyle=":", linewidth=1)
for value, logit, height in zip(lambdas[[0, 2, 4]], log_odds[[0, 2, 4], 0], log_c[[0, 2, 4]], strict=True):
    bottom.plot(logit, height, "o", color="black", markersize=4)
    bottom.annotate(f"λ = {value:g}: {height:.2f}", (logit, height), (8, -12), textcoords="offset points", fontsize=8)
bottom.set(xlabel="logit of λ", ylabel="log C(λ) (nats)", xlim=(-14, 18.5), ylim=(0, 2.8))
bottom.set_title(f"what Bernoulli's loss lacks, for each pixel\n(summed over an image of the digits: "
                 f"{left_out['Bernoulli'].mean():.0f} nats)", fontsize=9)  # fmt: skip

panels = right.subplots(1 + len(models), 1, height_ratios=(1, *(2 for _ in models)))
titles = {
    "Bernoulli": "Bernoulli\non grey\npixels",
    "continuous Bernoulli": "continuous\nBernoulli\n{:.2f} bits",
    "Gaussian": "Gaussian\n{:.2f} bits",
    "discretised logistic": "discretised\nlogistic\n{:.2f} bits",
    "Bernoulli, drawn": "Bernoulli\non pixels\ndrawn black\nor white",
}
for axes, name in zip(panels, ("test images", *models), strict=True):
    rows = test_x[:SHOWN] if name == "test images" else np.concatenate([means[name][:SHOWN], samples[name][:SHOWN]])
    axes.imshow(figures.mosaic(np.clip(rows, 0, 1), digits.image_shape, SHOWN), cmap="gray", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if name != "test images":
        axes.set_yticks([4, 13], ["mean", "sample"], fontsize=7)
        axes.tick_params(length=0)
    title = titles.get(name, name).format(in_bits.get(name, (0, 0))[1])
    axes.set_ylabel(title, fontsize=8, rotation=0, ha="right", va="center", labelpad=4)
panels[0].set_title("test images, and bits per pixel", fontsize=9)
lecture.show(figure)
