"""The ELBO from every side, with a number for each: what it is, what it misses, and where that goes.

A variational autoencoder is trained on a bound, because log p(x) = log ∫ p(x|z) p(z) dz cannot be computed. With two
latent dimensions it can: the integral is a sum over a grid. So here the bound stands beside what it bounds. Three
derivations of it give one number, what it misses is a divergence that can be split in two, and more draws of z close
it. The derivations in words are in scratchnn/vae.py; 40 seconds on the digits that come with the library.
"""

# %%
# A VAE with a latent space of two dimensions. The pixels are black or white, so that p(x|z) is a probability, and
# everything below is in nats per image.

import copy

import numpy as np

from scratchnn import VAE, Adam, Bernoulli, data
from scratchnn.evaluation import on_grid
from scratchnn.evaluation.bounds import log_weights
from scratchnn.layers.layer import Layer
from scratchnn.machinery.logarithm import log_mean_exp
from scratchnn.machinery.parameters import Array, Gradient, Parameter
from scratchnn.scripts import figures
from scratchnn.scripts.lecture import Lecture, train
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training import Trainer
from scratchnn.vae import KLToStandardNormal

lecture = Lecture("elbo_tour")
EPOCHS = 150
N = 100  # test images
POINTS = 241  # of the grid, in each direction

digits = data.load("digits")
rng = np.random.default_rng(0)
images = data.binarise(digits.train, "dynamic", rng)  # drawn anew whenever an image is used
x = data.binarise_held_out(digits.test, "dynamic")[:N]
model = thesis_vae(64, 100, 2, rng)
print("1. A VAE with two latent dimensions, on digits of black and white pixels")
train(Trainer(model, Adam(model), rng), images, EPOCHS)

# %%
# **log p(x), by adding up.** p(x|z) p(z) at 241 × 241 points z between −8 and 8, times the area that a point stands
# for. The same sum over only every second point shows which decimals can be trusted: those in which both agree.

grid = on_grid(model, x, POINTS)
log_p = grid.log_p
print(f"\n2. log p(x) of {N} test images, by a sum over {POINTS}² points: {log_p.mean():.6f}")
print(f"   with every second point in each direction:        {grid.coarser().log_p.mean():.6f}")

# %%
# **Three derivations, one number.** The encoder gives q(z|x) = N(mean, σ²) for every image.
#
# Jensen's inequality, log E ≥ E log, with q put into the integral:
#
#     log p(x) = log E_q[p(x, z)/q(z|x)] ≥ E_q[log (p(x, z)/q(z|x))]
#
# The same logarithm taken apart, where the divergence has a closed form:
#
#     ELBO = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z))
#
# And from the other end, with p(x, z) = p(z|x) p(x):
#
#     ELBO = log p(x) − KL(q(z|x) ‖ p(z|x))

mean, log_var = model.encode(x)
q = grid.expectations(mean, log_var)
kl_to_prior = KLToStandardNormal().forward(mean.astype(float), log_var.astype(float))
by_jensen = q["jensen"]
by_terms = q["log_likelihood"] - kl_to_prior
by_gap = log_p - q["kl_to_posterior"]
print("\n3. The ELBO, three times (the mean over the images)")
print(f"   E_q[log p(x, z)/q(z|x)]                  {by_jensen.mean():.10f}")
print(f"   E_q[log p(x|z)] − KL(q(z|x) ‖ p(z))      {by_terms.mean():.10f}   = {q['log_likelihood'].mean():.4f} "
      f"− {kl_to_prior.mean():.4f}")  # fmt: skip
print(f"   log p(x) − KL(q(z|x) ‖ p(z|x))           {by_gap.mean():.10f}   = {log_p.mean():.4f} "
      f"− {q['kl_to_posterior'].mean():.4f}")  # fmt: skip
furthest = np.ptp([by_jensen, by_terms, by_gap], axis=0).max()
print(f"   largest difference of an image           {furthest:.0e}")

# %%
# **One draw.** Training sees none of these. It has one z for each image: an unbiased estimate of the same number.

DRAWS = 1000
losses = np.array([sum(model.loss_terms(x, rng).values()) for _ in range(DRAWS)], dtype=float)
error = losses.mean(axis=1).std(ddof=1) / np.sqrt(DRAWS)
print("\n4. From one draw of z for each image")
print(f"   mean of {DRAWS} such estimates     {-losses.mean():.4f} ± {error:.4f}")
print(f"   standard deviation of one    {losses.std(axis=0, ddof=1).mean():.2f} for an image, "
      f"{losses.mean(axis=1).std(ddof=1):.2f} for the mean of {N}")  # fmt: skip

# %%
# **The gap, split in two.** What is missing, KL(q(z|x) ‖ p(z|x)), has two reasons. The posterior need not be a
# Gaussian with independent dimensions: even the best of these misses something (*approximation*). And the encoder, one
# network for all images, does not give each image its best one (*amortisation*).
#
# The best one is found by leaving the network out. In its place stands a table, one row of numbers for each test
# image, which are moved by Adam until the bound is highest; the decoder stays as it is. The search begins at the
# encoder's Gaussian and may end at a local optimum, so the first gap is at most as large as what is printed.


class Table(Layer):
    """y = W, whatever x is: a row of parameters for each image, (N, 2·n_z). So dW = dy, and there is no dx."""

    W, dW = Parameter(), Gradient()

    def __init__(self, rows: Array) -> None:
        super().__init__({"W": rows.shape})
        self.W = rows

    def forward(self, x: Array) -> Array:
        return self.W.copy()

    def backward(self, dy: Array) -> Array:
        self.dW = dy
        return dy


STEPS = 400
table = Table(np.concatenate([mean, log_var], axis=1))
without_encoder = VAE(table, copy.deepcopy(model.decoder), Bernoulli(), n_z=2)
without_encoder.n_draws = 64
adam = Adam(table, lr=0.02)
for step in range(STEPS):
    adam.lr = 0.02 * (1 - step / STEPS)  # smaller steps at the end, where the noise of the draws counts
    without_encoder.loss_terms(x, rng)
    without_encoder.backward(np.ones(N, np.float32))  # the sum over the images: each has its own parameters
    adam.step()
best_mean, best_log_var = without_encoder.encode(x)
best = grid.expectations(best_mean, best_log_var)["jensen"]
print("\n5. What the bound misses")
print(f"   log p(x)                          {log_p.mean():.3f}")
print(f"   ELBO, each image's best Gaussian  {best.mean():.3f}   approximation gap {(log_p - best).mean():.3f}")
print(f"   ELBO, the encoder's               {by_terms.mean():.3f}   amortisation gap  {(best - by_terms).mean():.3f}")

# %%
# **More draws.** With K draws inside the logarithm the bound is E[log (1/K) Σ_k p(x, z_k)/q(z_k|x)]. For K = 1 it is
# the ELBO, and it rises to log p(x) without a better encoder (Burda, Grosse, Salakhutdinov, "Importance weighted
# autoencoders", 2015). Here the same 3,000 draws of each image are taken in groups of K.

SAMPLES = (1, 3, 10, 30, 100, 300, 1000)
log_w = log_weights(model, x, 3000, rng)  # log p(x, z)/q(z|x) of each draw, (N, 3000)
bounds, errors = [], []
print("\n6. The bound with K draws")
for k in SAMPLES:
    bound = log_mean_exp(log_w.reshape(N, -1, k))  # of each group, (N, 3000/K)
    bounds.append(bound.mean())
    errors.append(np.sqrt(np.mean(bound.var(axis=1, ddof=1)) / bound.size))
    print(f"   K = {k:<5} {bounds[-1]:.4f} ± {errors[-1]:.4f}")
print(f"   log p(x)  {log_p.mean():.4f}")

# %%
# **In one picture.** Grey: the posterior of two images. The ellipses are one and two σ of the Gaussians.

gaps = log_p - by_terms
typical, worst = np.argsort(gaps)[[N // 2, -1]]
figure = figures.new_figure(
    10, 3.7, "What the ELBO misses: the encoder's q(z|x) is not p(z|x). More draws make up for it"
)
left, middle, right = figure.subplots(1, 3)
side = round(len(grid.z) ** 0.5)
axis = grid.z[:side, 1]
circle = np.exp(1j * np.linspace(0, 2 * np.pi, 200))

for axes, n, which in ((left, typical, "a typical image"), (middle, worst, "the image with the largest gap")):
    posterior = grid.posterior[n].reshape(side, side)
    axes.contourf(axis, axis, posterior.T, levels=12, cmap="Greys")
    shown = [grid.z[grid.posterior[n] > 0.02 * posterior.max()]]  # the points that must be in the picture
    for q_mean, q_log_var, colour, label in (
        (mean, log_var, "#bd1f01", "the encoder's"),
        (best_mean, best_log_var, "#3f90da", "the best Gaussian"),
    ):
        for radius in (1, 2):
            unit = radius * np.stack([circle.real, circle.imag], axis=1)
            ellipse = q_mean[n] + unit * np.exp(q_log_var[n] / 2)
            axes.plot(*ellipse.T, color=colour, label=label if radius == 1 else None)
            shown.append(ellipse)
    low, high = np.concatenate(shown).min(axis=0), np.concatenate(shown).max(axis=0)
    half = 0.72 * (high - low).max()
    axes.set(xlim=(low + high)[0] / 2 + [-half, half], ylim=(low + high)[1] / 2 + [-half, half])
    axes.set(aspect="equal", xlabel="z₁", ylabel="z₂")
    axes.set_title(f"p(z|x) of {which}\ngap {gaps[n]:.2f} nats", fontsize=9)
    inset = axes.inset_axes((0.02, 0.76, 0.22, 0.22))
    inset.imshow(x[n].reshape(8, 8), cmap="gray")
    inset.set(xticks=[], yticks=[])
left.legend(fontsize=7, loc="lower right")

right.errorbar(SAMPLES, bounds, errors, color="black", marker="o", markersize=3, linewidth=1)
for level, colour, label in (
    (log_p, "black", "log p(x)"),
    (best, "#3f90da", "ELBO, the best Gaussians"),
    (by_terms, "#bd1f01", "ELBO, the encoder's"),
):
    right.axhline(level.mean(), color=colour, linestyle="--", linewidth=1)
    x_of_text, align = (1, "left") if label == "log p(x)" else (1000, "right")
    place = {"xy": (x_of_text, level.mean()), "xytext": (0, 3), "textcoords": "offset points"}
    right.annotate(label, **place, color=colour, fontsize=8, ha=align)
right.margins(y=0.08)
right.set(xscale="log", xlabel="K, draws of z for an image", ylabel="bound (nats per image)")
right.set_title("the bound with K draws", fontsize=9)
lecture.show(figure)
