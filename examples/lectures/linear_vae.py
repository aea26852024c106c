"""A linear VAE is probabilistic PCA: the bound reaches log p(x), and with much noise the best model is a collapsed one.

Where encoder and decoder are linear and the noise is Gaussian, with one σ² for all pixels, the highest log p(x) that
training could ever reach is known: a formula in the eigenvalues of the data's covariance. So a trained VAE can be held
against the truth: its ELBO, its noise, and each of its latent dimensions. And it can be said why a dimension
*collapses*, that is, why its q(z_j|x) becomes the prior for every x and tells nothing of x: the noise is larger than
its eigenvalue. 20 seconds on the digits that come with the library.

The papers: Tipping & Bishop, "Probabilistic principal component analysis", 1999, and, on the VAE, Lucas, Tucker,
Grosse, Norouzi, "Don't blame the ELBO! A linear VAE perspective on posterior collapse", 2019.
"""

# %%
# The data: the digits, each block of 2×2 pixels added up to one number, less the mean image. PCA of them: eigenvalues
# λ_1 ≥ λ_2 ≥ … of the covariance S, and their eigenvectors u_j. λ_j is the variance of the images along u_j.

from collections.abc import Collection

import numpy as np

from scratchnn import VAE, Adam, Dense, Gaussian, Sequential, data
from scratchnn.evaluation import latent_use
from scratchnn.layers.layer import Layer
from scratchnn.machinery.parameters import Array, Gradient, Parameter
from scratchnn.scripts import figures
from scratchnn.scripts.lecture import Lecture
from scratchnn.training import Trainer

lecture = Lecture("linear_vae")
SEED = 0
STEPS = 3000
STEPS_FIXED = 1000  # of each training with a fixed σ²
n_z = 7

digits = data.load("digits").train[:].astype(float)
x = digits.reshape(-1, 4, 2, 4, 2).sum(axis=(2, 4)).reshape(-1, 16)
x -= x.mean(axis=0)
N, D = x.shape
eigenvalues, u = np.linalg.eigh(x.T @ x / N)
eigenvalues, u = eigenvalues[::-1], u[:, ::-1]  # the largest first; the columns of u are the eigenvectors
print(f"1. {N} digits of {D} numbers. The eigenvalues of their covariance:")
print("  ", *(f"{value:.3f}" for value in eigenvalues[:n_z]), "| of the others, the largest", f"{eigenvalues[n_z]:.3f}")

# %%
# **The highest log p(x).** The model: z from N(0, I), and x = z W + b + noise of variance σ², the same for each of the
# D numbers. So x is Gaussian, with the covariance C = WᵀW + σ² I, and log p(x), as a mean over the images, is
#
#     −½ [D log 2π + log det C + tr(C⁻¹ S)]      for b = the mean image, which is best
#
# W has n_z rows, so of the eigenvalues c_1 ≥ c_2 ≥ … of C the first n_z may be larger than σ², and the others are σ².
# log det C is Σ_j log c_j, and tr(C⁻¹ S) ≥ Σ_j λ_j/c_j (von Neumann's trace inequality), with equality where C has the
# eigenvectors of S, in the same order. Then
#
#     log p = −½ Σ_j [log 2π + log c_j + λ_j/c_j]
#
# Each term is highest at c_j = λ_j. So the first n_z are set to that. For the others, which share one σ², the sum is
# highest at their mean: σ² is the mean of the eigenvalues that are left out (Tipping & Bishop, appendix A).


def log_p_of_eigenvalues(c: Array) -> float:
    """log p(x), a mean over the images, where C has the eigenvectors of S and the eigenvalues c (D,)."""
    return float(-0.5 * np.sum(np.log(2 * np.pi) + np.log(c) + eigenvalues / c))


best_var = eigenvalues[n_z:].mean()
maximum = log_p_of_eigenvalues(np.concatenate([eigenvalues[:n_z], np.full(D - n_z, best_var)]))
print(f"\n2. The highest log p(x) with n_z = {n_z}, by the formula: {maximum:.4f}, at σ² = {best_var:.4f}")

# %%
# **The same as a VAE.** The decoder is a dense layer, for the mean, and one number for the noise. That number needs a
# layer of its own, since the Gaussian likelihood wants a log-variance for each pixel.


class SharedVariance(Layer):
    """The top of a decoder that is equally sure of every pixel: one noise variance σ² for all of them.

    Shapes
        x (N, D): the means; log_var (1,); y (N, 2D): the means, then D log-variances, as `Gaussian` wants them.
    Forward
        y_n = [x_n, log_var, …, log_var]
    Backward
        dy = [dmean, dlog_vars], each (N, D). The means pass unchanged. One number was copied to N·D places, so it is
        used N·D times, and their gradients add up:

            dx_ni    = dmean_ni
            dlog_var = Σ_n Σ_i dlog_vars_ni
    Watch
        It is a sum, not a mean: the 1/N is already inside dy. With `learned=False` log_var gets no gradient, and Adam
        leaves it as it is.
    """

    log_var, dlog_var = Parameter(), Gradient()

    def __init__(self, var: float = 1.0, learned: bool = True) -> None:
        super().__init__({"log_var": (1,)})
        self.log_var, self.learned = np.log(var), learned

    def forward(self, x: Array) -> Array:
        self.cache = (x.shape[1],)
        return np.concatenate([x, np.broadcast_to(self.log_var, x.shape)], axis=1)

    def backward(self, dy: Array) -> Array:
        (D,) = self.take_cache()
        dmean, dlog_vars = dy[:, :D], dy[:, D:]
        self.dlog_var = dlog_vars.sum() if self.learned else 0
        return dmean


rng = np.random.default_rng(SEED)


def linear_vae(noise: SharedVariance) -> VAE:
    """With random weights."""
    return VAE(Dense(D, 2 * n_z, rng), Sequential([Dense(n_z, D, rng), noise]), Gaussian(), n_z)


# %%
# Two exact numbers, each a mean over the images. log p(x) is that of a Gaussian. The ELBO is an expectation over eps:
# but z is linear in eps, the mean of x is linear in z, and log p(x|z) is quadratic in that. Such a function of eps has
# the same mean over N(0, I) as over the 2 n_z points ±√n_z on the axes: both have mean 0 and covariance I.


def exact_log_p(model: VAE) -> float:
    W, b, log_var = (array.astype(float) for array in model.decoder.parameters.values())
    C, r = W.T @ W + np.exp(log_var) * np.eye(D), x - b
    squares = np.sum(r * np.linalg.solve(C, r.T).T, axis=1)
    return float(-0.5 * (D * np.log(2 * np.pi) + np.linalg.slogdet(C)[1] + squares.mean()))


def exact_elbo(model: VAE) -> float:
    model = model.astype(np.float64)
    points = np.sqrt(n_z) * np.concatenate([np.eye(n_z), -np.eye(n_z)])
    return -float(np.mean([np.sum(model.forward(x, np.tile(eps, (N, 1))), axis=0) for eps in points]))


# %%
# **No gap.** The rows of the best W are √(λ_j − σ²) u_j, which makes the eigenvalue of C along u_j equal to λ_j. What
# is z, given x? By Bayes' rule log p(z|x) is, but for a constant, log p(z) + log p(x|z):
#
#     −½ z zᵀ − ½ (x − b − z W)(x − b − z W)ᵀ/σ² = −½ z (I + W Wᵀ/σ²) zᵀ + z W (x − b)ᵀ/σ² + constant
#
# It is quadratic in z, so z is Gaussian. Its precision (the inverse of its covariance) is what stands between z and zᵀ,
# its mean is where the slope by z is 0:
#
#     Λ = I + W Wᵀ/σ² = diag(λ_j/σ²)      and the mean (x − b) Wᵀ Λ⁻¹/σ²
#
# Λ is diagonal, since the rows of W are orthogonal and W Wᵀ = diag(λ_j − σ²); and so is the precision of q(z|x). The
# mean is linear in x, as the encoder is. So the encoder can be the true posterior, nothing is missed, and the ELBO has
# the same maximum as log p(x).

by_formula = linear_vae(SharedVariance()).astype(np.float64)
W_best = np.sqrt(eigenvalues[:n_z] - best_var)[:, None] * u[:, :n_z].T
to_mean = W_best.T / eigenvalues[:n_z]
by_formula.encoder.parameters["W"][...] = np.concatenate([to_mean, np.zeros((D, n_z))], axis=1)
by_formula.encoder.parameters["b"][n_z:] = np.log(best_var / eigenvalues[:n_z])
by_formula.decoder.parameters["0.W"][...] = W_best
by_formula.decoder.parameters["1.log_var"][...] = np.log(best_var)
formula_gap = abs(maximum - exact_elbo(by_formula))
print("\n3. A VAE whose weights are those of the formula")
print(f"   ELBO {exact_elbo(by_formula):.4f}, the highest log p(x) {maximum:.4f}: they differ by {formula_gap:.0e}")

# %%
# **Training gets there.** Now from random weights, by Adam on one draw of z for each image, knowing nothing of
# eigenvalues. Its steps become smaller, since the noise of the draws would otherwise keep it moving. The cosines are
# those of the principal angles between the rows of W and the first n_z eigenvectors: all are 1 if both span the same
# space.


def fit(model: VAE, steps: int, watched: Collection[int] = ()) -> list[float]:
    """Trains on all images at once; the exact ELBO after each of the steps that are watched."""
    adam, images = Adam(model), x.astype(np.float32)
    trainer, elbos = Trainer(model, adam, rng), []
    for step in range(1, steps + 1):
        adam.lr = 0.05 * (1 - (step - 1) / steps) ** 2
        trainer.step(images)
        if step in watched:
            elbos.append(exact_elbo(model))
    return elbos


def cosines(W: Array, vectors: Array) -> Array:
    """Of the principal angles between the rows of W (k, D) and the columns of `vectors` (D, k), which are orthonormal:
    the singular values of the product of two orthonormal bases."""
    return np.linalg.svd(np.linalg.qr(W.T)[0].T @ vectors, compute_uv=False)


noise = SharedVariance()  # at first σ² = 1
model = linear_vae(noise)
watched = np.unique(np.geomspace(1, STEPS, 60).round().astype(int)).tolist()
elbos = fit(model, STEPS, watched)
W, var = model.decoder.parameters["0.W"].astype(float), float(np.exp(noise.log_var[0]))
trained_log_p = exact_log_p(model)
angles = cosines(W, u[:, :n_z])
print(f"\n4. A VAE from random weights, after {STEPS} steps           trained     by the formula")
print(f"   ELBO                                                 {elbos[-1]:9.4f}  {maximum:9.4f}")
print(f"   log p(x)                                             {trained_log_p:9.4f}  {maximum:9.4f}")
print(f"   σ²                                                   {var:9.4f}  {best_var:9.4f}")
print(f"   the smallest cosine between the two spaces           {angles.min():9.6f}  {1:9.6f}")

# %%
# **Which axes?** PCA has an order of axes; log p(x) has none. With R a rotation, R W has the same WᵀW and the same C.
# But the ELBO tells them apart: the precision Λ is diagonal only if the rows of W are orthogonal, and else a q with
# independent dimensions misses the posterior. With the right mean and the variances s_j, q misses it by
#
#     KL(q ‖ p(z|x)) = ½ [Σ_j (Λ_jj s_j − 1 − log s_j) − log det Λ]
#
# This is lowest at s_j = 1/Λ_jj, and there it is ½ [Σ_j log Λ_jj − log det Λ].
#
# So the bound leads to the principal axes. Where two eigenvalues are nearly equal there is little to gain, and training
# is slow to turn these two.


def turned(W: Array, i: int, j: int) -> Array:
    """W with its rows i and j turned by 45° in their plane."""
    W = W.copy()
    W[[i, j]] = np.array([[1, 1], [-1, 1]]) @ W[[i, j]] / np.sqrt(2)
    return W


def lost_by_independence(W: Array, var: float) -> float:
    precision = np.eye(n_z) + W @ W.T / var
    return float(0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1]))


PAIRS = ((1, 7), (1, 2), (6, 7))
lost = {pair: lost_by_independence(turned(W_best, pair[0] - 1, pair[1] - 1), best_var) for pair in PAIRS}
by_size = np.argsort(-np.linalg.norm(W, axis=1))
own_axis = np.abs(np.sum(W[by_size].T * u[:, :n_z], axis=0)) / np.linalg.norm(W[by_size], axis=1)
print("\n5. What the bound loses, log p(x) being the same")
for (i, j), nats in lost.items():
    those = f"{eigenvalues[i - 1]:.2f} and {eigenvalues[j - 1]:.2f}"
    print(f"   axes {i} and {j} turned by 45°, their eigenvalues {those}: {nats:.4f} nats")
print("   cosine of each trained axis with its own eigenvector:", *(f"{cosine:.3f}" for cosine in own_axis))

# %%
# **Collapse is a threshold.** Now σ² is fixed. In the sum above, c_j = λ_j is still the best if λ_j > σ². If not, the
# best that can be had is c_j = σ²: row j of W is 0, and z_j says nothing of x. With c_j = max(λ_j, σ²) there is again
# no gap, and the KL to the prior of q = N(mean, σ²/λ_j), averaged over the images, whose means have the variance
# 1 − σ²/λ_j, is
#
#     KL_j = ½ [(1 − σ²/λ_j) + σ²/λ_j − 1 − log(σ²/λ_j)] = ½ log(λ_j/σ²)      and 0 for λ_j ≤ σ²
#
# Each training starts from the VAE above, which uses all dimensions: what collapses here has been in use.

FIXED = (0.3, 0.57, 0.95, 1.4)


def predicted_kl(var: float) -> Array:
    """KL_j by the formula, for the first n_z eigenvalues."""
    return np.maximum(0, 0.5 * np.log(eigenvalues[:n_z] / var))


measured = {best_var: np.sort(latent_use(model, x.astype(np.float32)).kl)[::-1]}
fixed_elbos, fixed_maxima, n_used = {}, {}, {}
print("\n6. σ² fixed. The KL of each dimension, in nats: trained, and ½ log(λ/σ²)")
print("                  eigenvalue", *(f"{value:6.3f}" for value in eigenvalues[:n_z]))
for fixed_var in FIXED:
    noisy = linear_vae(SharedVariance(fixed_var, learned=False))
    noisy.params[:-1] = model.params[:-1]  # all but the last, which is log_var
    fit(noisy, STEPS_FIXED)
    fixed_elbos[fixed_var] = exact_elbo(noisy)
    c = np.full(D, fixed_var)
    c[:n_z] = np.maximum(eigenvalues[:n_z], fixed_var)
    fixed_maxima[fixed_var] = log_p_of_eigenvalues(c)
    use = latent_use(noisy, x.astype(np.float32))
    measured[fixed_var], n_used[fixed_var] = np.sort(use.kl)[::-1], int(use.active.sum())
    print(f"   σ² = {fixed_var:4.2f}        trained", *(f"{kl:6.3f}" for kl in measured[fixed_var]))
    print(f"     {n_used[fixed_var]} active        formula", *(f"{kl:6.3f}" for kl in predicted_kl(fixed_var)))

# %%
# Is it the bound that gives these dimensions up, or the optimiser? Neither: with a dimension more in use, log p(x)
# itself would be lower. The ELBO reaches the highest log p(x) that any linear model with this σ² has.

print("\n7. σ² fixed: the ELBO, and the highest log p(x) that there is")
for fixed_var in FIXED:
    print(f"   σ² = {fixed_var:4.2f}   {fixed_elbos[fixed_var]:9.4f}   {fixed_maxima[fixed_var]:9.4f}")

# %%
# For deep VAEs this teaches that collapse is not only the optimiser's fault, nor the ELBO's: where the decoder's noise
# is too large, the best model under that noise has collapsed dimensions. So look at σ² first, and let one σ² for all
# pixels be learned. (One for each pixel can fall to 0: examples/lectures/grey_pixels.py.)
#
# **In one picture.**

figure = figures.new_figure(
    10, 4.2, "A linear VAE reaches the highest log p(x), and uses a dimension only if its eigenvalue exceeds the noise"
)
left, right = figure.subplots(1, 2)
left.axhline(maximum, color="black", linestyle="--", linewidth=1)
text = f"the highest log p(x), by the formula: {maximum:.3f}".replace("-", "−")
left.annotate(text, (1, maximum), xytext=(0, 4), textcoords="offset points", fontsize=8)
left.plot(watched, elbos, color="#bd1f01", label="ELBO of the VAE in training")
left.set(xscale="log", xlabel="step", ylabel="nats per image")
left.margins(y=0.12)
left.set_title("training from random weights", fontsize=9)
left.legend(fontsize=8, loc="lower right")
inset = left.inset_axes((0.5, 0.28, 0.45, 0.36))
inset.plot(watched, maximum - np.array(elbos), color="#bd1f01")
inset.set(xscale="log", yscale="log")
inset.set_title("the dashed line less the ELBO", fontsize=8)
inset.tick_params(labelsize=7)

curve = np.geomspace(0.38, 2.1, 500)
looks = zip(("black", "#3f90da", "#ffa90e", "#bd1f01", "#832db6"), "osD^v", (4, 5, 9, 6.5, 3.5), strict=True)
for (var_of, kl), (colour, marker, size) in zip(measured.items(), looks, strict=True):
    right.plot(curve, np.maximum(0, 0.5 * np.log(curve / var_of)), color=colour, linewidth=1)
    label = f"σ² = {var_of:.2f}, {'learned' if var_of == best_var else 'fixed'}"
    right.plot(eigenvalues[:n_z], kl, marker, color=colour, markersize=size, label=label)
    if curve[0] < var_of:
        place = {"xytext": (0, -14), "textcoords": "offset points", "ha": "center", "va": "top", "fontsize": 7}
        right.annotate(f"σ² = {var_of}", (var_of, 0), **place, arrowprops={"arrowstyle": "-", "color": colour})
right.set(xscale="log", xlabel="eigenvalue λ", ylabel="KL of the dimension (nats)")
right.set_xticks([0.4, 0.6, 0.8, 1, 1.5, 2], ["0.4", "0.6", "0.8", "1", "1.5", "2"])
right.minorticks_off()
right.set_ylim(bottom=-0.16)
right.set_title("points: trained; lines: ½ log(λ/σ²), and 0 where λ < σ²", fontsize=9)
right.legend(fontsize=8)
lecture.show(figure)
