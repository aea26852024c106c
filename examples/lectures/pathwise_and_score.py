"""Two ways to differentiate an expectation by the parameters of its distribution: pathwise, and by the score function.

The loss of a variational autoencoder is E_q[f(z)] plus a KL, where f(z) = −log p(x|z), and z is drawn from q(z|x) =
N(mean, σ²). How does this expectation change with mean and σ, which f does not contain? We want an unbiased estimate
from one draw: a number whose mean is the derivative. The reparameterisation trick gives one, and so does an older way
that needs no derivative of f. Here they stand side by side: by hand for f(z) = z², then on the digits that come with
the library, in half a minute.
"""

# %%
# **Pathwise.** Write the draw as z = mean + σ eps, with eps from N(0, 1). Now the distribution has no parameters, and
# the derivative can go inside:
#
#     ∂/∂mean E_q[f(z)] = ∂/∂mean E_eps[f(mean + σ eps)] = E_eps[f′(mean + σ eps)]
#
# **Score function.** Leave z as it is and differentiate the density. Since ∂q = q ∂log q,
#
#     ∂/∂mean E_q[f(z)] = ∫ f(z) ∂q(z)/∂mean dz = ∫ q(z) f(z) ∂log q(z)/∂mean dz = E_q[f(z) ∂log q(z)/∂mean]
#
# The derivative of log q is called the *score*. f enters by its value alone: draw z, see how large f is, and move q
# towards those z where it is large, or away from them. (Williams, "Simple statistical gradient-following algorithms for
# connectionist reinforcement learning", 1992, where it is called REINFORCE.) For a Gaussian,
# log q = −½ (log 2π + log_var + (z − mean)² e^(−log_var)), and z is a number here, not a function of mean:
#
#     ∂log q/∂mean    = (z − mean)/σ²               = eps/σ
#     ∂log q/∂log_var = ½ ((z − mean)²/σ² − 1)      = ½ (eps² − 1)
#
# **Baseline.** A constant b may be taken from f, since it adds nothing to the mean:
#
#     E_q[b ∂log q/∂mean] = b ∫ ∂q/∂mean dz = b ∂/∂mean ∫ q dz = b ∂1/∂mean = 0
#
# But it changes the variance. The mean of f is the usual choice: better or worse than usual is what counts then.

import copy

import numpy as np

from scratchnn import VAE, Adam, Bernoulli, Dense, Sequential, Step, Tanh, data
from scratchnn.gradcheck.numeric import numeric_gradient
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import figures
from scratchnn.scripts.lecture import Lecture, train
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training import Trainer

lecture = Lecture("pathwise_and_score")
DRAWS = 20_000
N = 5  # test images whose gradients are drawn
EPOCHS = 100

# %%
# **One dimension, by hand.** For f(z) = z² the expectation is mean² + σ², and its derivative by mean is 2 mean. One
# draw says
#
#     pathwise                   2 z                  = 2 mean + 2 σ eps
#     score function             z² eps/σ             = mean² eps/σ + 2 mean eps² + σ eps³
#     with b = mean² + σ²        (z² − b) eps/σ       = 2 mean eps² + σ (eps³ − eps)
#
# All have the mean 2 mean, as E[eps] = E[eps³] = 0 and E[eps²] = 1. With E[eps⁴] = 3 and E[eps⁶] = 15 the variances
# are 4 σ², mean⁴/σ² + 14 mean² + 15 σ² and 8 mean² + 10 σ². In the second, mean⁴/σ² is what the size of f alone costs,
# and the baseline removes it. What remains comes from the slope of f, which pathwise knows and the score function has
# to find out. (The mean of f is not quite the best constant. With s for the score, that is E_q[f s²]/E_q[s²], here
# mean² + 3 σ², with the variance 8 mean² + 6 σ².)

mean, sigma = 1.5, 0.5
rng = np.random.default_rng(0)
eps = rng.standard_normal(DRAWS)
z = mean + sigma * eps
score = eps / sigma
by_hand = {
    "pathwise": (2 * z, 4 * sigma**2),
    "score function": (z**2 * score, mean**4 / sigma**2 + 14 * mean**2 + 15 * sigma**2),
    "with a baseline": ((z**2 - mean**2 - sigma**2) * score, 8 * mean**2 + 10 * sigma**2),
}


def standard_error(values: Array) -> Array:
    """Of the mean over the draws (DRAWS, …)."""
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


print(f"1. ∂/∂mean E[z²] at mean {mean}, σ {sigma}: exactly {2 * mean}. From {DRAWS} draws")
for name, (g, variance) in by_hand.items():
    print(f"   {name:<16} mean {g.mean():.3f} ± {standard_error(g):.3f}   variance of one draw {g.var():6.2f} "
          f"± {standard_error((g - g.mean()) ** 2):.2f}, by hand {variance:5.2f}")  # fmt: skip

# %%
# **Where only the score function works.** A step, f(z) = 1 for z > 1 and 0 otherwise, has the derivative 0 at every
# draw, so pathwise says 0. But E_q[f(z)] is the probability of z > 1, which grows with mean by the density of q at 1.
# (The derivative may not go inside the expectation here: where f jumps there is none.)
#
# The other case is a discrete z: a choice, a word, a pixel. It does not move a little when its distribution does. For
# z = 1 with probability p = sigmoid(logit) and otherwise 0, the score is z − p. The mean of f(z) (z − p) over both
# values is p (1 − p) (f(1) − f(0)), and that is the derivative of p f(1) + (1 − p) f(0) by the logit.

step = Step()
f = step.forward(z - 1)
by_path = step.backward(np.ones(DRAWS))
by_score = (f - f.mean()) * score * DRAWS / (DRAWS - 1)  # less the mean of the other draws: see below
at_1 = np.exp(-0.5 * ((1 - mean) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
print(f"\n2. ∂/∂mean P(z > 1): the density of q at 1, {at_1:.3f}")
print(f"   pathwise          {by_path.mean():.3f} ± {standard_error(by_path):.3f}")
print(f"   score function    {by_score.mean():.3f} ± {standard_error(by_score):.3f}")
p, f_0, f_1 = 0.3, 2.0, 7.0
discrete = (1 - p) * f_0 * (0 - p) + p * f_1 * (1 - p)
print(f"   z = 0 or 1, p = {p}, f(0) = {f_0:.0f}, f(1) = {f_1:.0f}: {discrete:.2f} by the score function, "
      f"{p * (1 - p) * (f_1 - f_0):.2f} by the derivative")  # fmt: skip

# %%
# **A backward pass without ∂f/∂z.** Now the VAE. Its KL has a closed form and needs no draw; the reconstruction is
# E_q[f(z)] with f(z) = −log p(x|z). `VAE.backward` sends the gradient of f through the decoder into z, and from there
# into mean and log_var. By the score function nothing comes out of the decoder but the *value* of f. The decoder's own
# weights get the usual gradient: q does not depend on them.
#
# The baseline of a draw is the mean of f over the *other* draws of the same image: whatever these are, it is a constant
# for this one. With its own f in the mean of L draws the estimate would be 1 − 1/L times as large, and so too small on
# average. So two draws for each image at least.


def minus_others(f: Array) -> Array:
    """f less the mean of the other columns of its row, (N, L): with b that mean, f − b."""
    n = f.shape[1]
    return f - (f.sum(axis=1, keepdims=True) - f) / (n - 1)


class ScoreFunctionVAE(VAE):
    """The same model and the same loss. The encoder learns by the score function, with or without a baseline.

    Forward
        As before, with f_nl = −log p(x_n|z_nl) of each draw kept.
    Backward
        With reconstruction_n = 1/L Σ_l f_nl, and b_nl the mean of the other f_nk, or 0 without a baseline:

            dmean_n    = dloss_n 1/L Σ_l (f_nl − b_nl) eps_nl/σ_n
            dlog_var_n = dloss_n 1/L Σ_l (f_nl − b_nl) ½ (eps_nl² − 1)
    """

    baseline = True

    def forward(self, x: Array, eps: Array) -> tuple[Array, Array]:
        mean, log_var = self.split(self.encoder.forward(x))
        sigma = np.exp(0.5 * self.for_each_draw(log_var))
        z = self.for_each_draw(mean) + sigma * eps
        f = -self.likelihood.forward(self.decoder.forward(z), self.for_each_draw(x))
        self.cache = (f, eps, sigma)
        return self.over_draws(f) / self.n_draws, self.divergence.forward(mean, log_var)

    def backward(self, dloss: Array) -> None:
        f, eps, sigma = self.take_cache()
        dmean_kl, dlog_var_kl = self.divergence.backward(dloss)
        df = self.for_each_draw(dloss / self.n_draws)
        self.decoder.write_gradients(self.likelihood.backward(-df))  # no dz
        if self.baseline:
            f = minus_others(f.reshape(-1, self.n_draws)).ravel()
        dmean = self.over_draws((df * f)[:, None] * eps / sigma) + dmean_kl
        dlog_var = self.over_draws((df * f)[:, None] * 0.5 * (eps**2 - 1)) + dlog_var_kl
        self.encoder.write_gradients(np.concatenate([dmean, dlog_var], axis=1))


# %%
# Of one draw there is no gradient check: this backward is not the derivative of this forward. Only their means over
# eps belong together. For a tiny model with one latent dimension that mean is a sum: Gauss-Hermite quadrature has
# nodes and weights with E[g(eps)] = Σ_k w_k g(eps_k), exact for polynomials of degree up to 2 K − 1. Two draws for each
# image take all pairs of nodes. Every pair is a row of the batch, and its weight is the upstream gradient of the row.
# The finite differences are those of the loss itself, summed in the same way.

NODES = 30
nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)  # the weights add up to √(2π)
pairs = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 1)  # two draws, one after another
w = np.outer(weights, weights).ravel() / (2 * np.pi)

rng = np.random.default_rng(1)
x = np.repeat([[1.0, 0.0, 0.0, 1.0]], len(w), axis=0)
tiny = VAE(
    Sequential([Dense(4, 3, rng), Tanh(), Dense(3, 2, rng, b=np.array([0.5, -3.0]))]),
    Sequential([Dense(1, 3, rng), Tanh(), Dense(3, 4, rng)]),
    Bernoulli(),
    n_z=1,
).astype(np.float64)


def three_ways(model: VAE) -> dict[str, VAE]:
    """The model three times, with the same weights, two draws for each image, and three ways back."""
    ways = {"pathwise": copy.deepcopy(model)}
    for name in ("score function", "with a baseline"):
        way = ScoreFunctionVAE(*copy.deepcopy((model.encoder, model.decoder, model.likelihood)), model.n_z)
        way.baseline = name == "with a baseline"
        ways[name] = way
    for each in ways.values():
        each.n_draws = 2
    return ways


ways = three_ways(tiny)
exact = numeric_gradient(lambda: [w @ sum(ways["pathwise"].forward(x, pairs))], ways["pathwise"].params, [np.ones(())])
print(f"\n3. The mean over eps of backward, on a tiny model with {tiny.params.size} weights, by quadrature")
largest_errors = {}
for name, way in ways.items():
    way.forward(x, pairs)
    way.backward(w)
    largest_errors[name] = np.abs(way.grads - exact.value).max()
    print(f"   {name:<16} largest difference from finite differences {largest_errors[name]:.0e}")
print(f"   error bar of the finite differences, at most                  {exact.error.max():.0e}")

# %%
# **The digits.** A VAE with three latent dimensions on black and white pixels, trained pathwise.

HIDDEN = 100
digits = data.load("digits")
start = thesis_vae(64, HIDDEN, 3, np.random.default_rng(0))
held_out = data.binarise_held_out(digits.validation, "dynamic")


def trained(model: VAE) -> Array:
    """−ELBO and KL of the validation images, after each epoch; order, pixels and noise are the same for every model."""
    rng = np.random.default_rng(1)
    images = data.binarise(digits.train, "dynamic", rng)  # drawn anew whenever an image is used
    trainer = Trainer(model, Adam(model), rng)
    train(trainer, images, EPOCHS, held_out=held_out)
    return np.array([[record["held_out_loss"], record["held_out_kl"]] for record in trainer.history])


models = three_ways(start)
print("\n4. A VAE with three latent dimensions, trained pathwise")
curves = {"pathwise": trained(models["pathwise"])}

# %%
# Its gradient, from single draws of z, for five test images. All three estimates use the same draws. Likelihood and
# decoder go backward for the first of them only. (The baseline, a mean of so many draws, is as good as a constant.)

model = models["pathwise"].astype(np.float64)
x = data.binarise_held_out(digits.test, "dynamic")[:N].astype(float)
means, log_vars = model.encode(x)
rng = np.random.default_rng(2)
estimates = {name: np.empty((DRAWS, N, 6)) for name in models}  # by the three means and three log-variances
size_alone = np.empty(N)
for n in range(N):
    eps = rng.standard_normal((DRAWS, 3))
    z = model.sampler.forward(np.tile(means[n], (DRAWS, 1)), np.tile(log_vars[n], (DRAWS, 1)), eps)
    f = -model.likelihood.forward(model.decoder.forward(z), np.tile(x[n], (DRAWS, 1)))
    dz = model.decoder.backward(model.likelihood.backward(-np.ones(DRAWS)))
    score = np.concatenate([eps / np.exp(0.5 * log_vars[n]), 0.5 * (eps**2 - 1)], axis=1)
    estimates["pathwise"][:, n] = np.concatenate(model.sampler.backward(dz), axis=1)
    estimates["score function"][:, n] = f[:, None] * score
    estimates["with a baseline"][:, n] = minus_others(f[None]).T * score
    size_alone[n] = f.mean() ** 2 * np.exp(-log_vars[n]).mean()

# %%
# **All are unbiased.** Ten entries, chosen before anything was drawn: the first mean and the first log-variance of each
# image. And one number for the gradient of all the encoder's weights: its product with a random direction. This
# gradient is linear in the derivatives by the means and log-variances. So one backward pass for each mean and
# log-variance says by how much its derivative counts in the product.

ENTRIES = (0, 3)  # of an image: its first mean, its first log-variance
direction = rng.standard_normal(model.encoder.params.size)
slopes = np.empty((N, 6))
for entry in np.ndindex(N, 6):
    dheads = np.zeros((N, 6))
    dheads[entry] = 1
    model.encoder.forward(x)
    model.encoder.write_gradients(dheads)
    slopes[entry] = model.encoder.grads @ direction
fixed = {
    name: np.column_stack([draws[:, :, ENTRIES].reshape(DRAWS, -1), np.sum(draws * slopes, axis=(1, 2))])
    for name, draws in estimates.items()
}
apart = {}  # the differences from pathwise, in standard errors
for name in ("score function", "with a baseline"):
    differences = fixed[name] - fixed["pathwise"]
    apart[name] = differences.mean(axis=0) / standard_error(differences)
print(f"\n5. The gradient of E_q[f]: the mean of {DRAWS} draws ± its standard error. In brackets the distance from")
print("   pathwise, in standard errors of the difference")
print(f"   {'':<17}" + "".join(f"{name:>16}{'':<11}" for name in fixed).rstrip())
rows = [f"image {n + 1}, {which}" for n in range(N) for which in ("mean₁", "log_var₁")] + ["the direction"]
for row, what in enumerate(rows):
    line = f"   {what:<17}"
    for name, g in fixed.items():
        beside = f"({apart[name][row]:+.1f})" if name in apart else ""
        line += f"{g[:, row].mean():7.3f} ± {standard_error(g[:, row]):6.3f} {beside:<10}"
    print(line.rstrip())

# %%
# **The variance of one draw**, the mean over images and dimensions. The quotient by pathwise says how many draws by the
# other estimate are worth one pathwise draw. It has an error, as it comes from draws: that of a quotient A/B of two
# means of a_l and b_l is to first order that of the mean of (a_l − (A/B) b_l)/B.
#
# Without a baseline nine tenths of the variance is the square of f's mean times the variance 1/σ² of the score: noise
# around 0 that f would give if it were a constant, with nothing to learn from.


def quotient(a: Array, b: Array) -> tuple[float, float]:
    """The mean of a by the mean of b, both (DRAWS,), and half of its 95 % interval."""
    ratio = a.mean() / b.mean()
    return float(ratio), float(1.96 * standard_error((a - ratio * b) / b.mean()))


print("\n6. The variance of one draw, and how many times that of pathwise it is (95 % interval)")
ratios = {}
for by, columns in (("mean", slice(0, 3)), ("log_var", slice(3, 6))):
    print(f"   the derivative by {by}")
    squares = {name: np.square(g - g.mean(axis=0))[:, :, columns].mean(axis=(1, 2)) for name, g in estimates.items()}
    for name, values in squares.items():
        ratios[name, by] = quotient(values, squares["pathwise"])
        times = "" if name == "pathwise" else "   × {:.1f} ± {:.1f}".format(*ratios[name, by])
        print(f"      {name:<22} {values.mean():8.2f}{times}")
    if by == "mean":
        print(f"      (mean of f)²/σ² alone  {size_alone.mean():8.2f}")

# %%
# **A training by each.** The same initial weights, order of the images, pixels, noise and learning rate, and two draws
# for each image, so that the baseline is the other one's f. Only the encoder's gradient is different. First the decoder
# learns what all images have in common, whatever z is. Then z has to say something about x. Without a baseline the
# gradient that would make it do so is small beside its noise, and the KL stays near 0 for longer.

print("\n7. The same training by the score function")
for name in ("score function", "with a baseline"):
    print(f"   {name}: ", end="")
    curves[name] = trained(models[name])
print(f"\n   {'−ELBO (KL) of validation images':<34}" + "".join(f"{name:<18}" for name in curves).rstrip())
for epoch in (EPOCHS // 8, EPOCHS // 4, EPOCHS // 2, EPOCHS):
    cells = [f"{curve[epoch - 1, 0]:.2f} ({curve[epoch - 1, 1]:.2f})" for curve in curves.values()]
    print(f"   after {epoch:>3} epochs{'':<18}" + "".join(f"{cell:<18}" for cell in cells).rstrip())

# %%
# **Which to use.** Pathwise wherever f has a derivative and no jumps, and z can be written as a function of noise
# that has derivatives by the parameters: it is what `VAE` does. The score function where that fails (z is discrete; f
# is a step, a simulator, a reward that is known by its value only), and then with a baseline.
#
# **In one picture.** Left: single draws of one number, the derivative by the first mean of the first image, on a
# logarithmic scale.

figure = figures.new_figure(
    10, 4, "Three estimates with one mean: by the score function a draw is noisier, and the same training is slower"
)
left, right = figure.subplots(1, 2)
looks = (
    ("score function", "#bd1f01", "score function"),
    ("with a baseline", "#ffa90e", "score function with a baseline"),
    ("pathwise", "#3f90da", "pathwise"),
)
for name, colour, label in looks:
    g = estimates[name][:, 0, 0]
    edges = np.arange(np.floor(g.min() / 2), np.ceil(g.max() / 2) + 1) * 2
    density = np.histogram(g, edges, density=True)[0]
    floor = 0.5 / (2 * DRAWS)  # half a draw in an interval of 2
    named = f"{label}: standard deviation {g.std():.1f}"
    left.stairs(np.maximum(density, floor), edges, baseline=floor, fill=True, color=colour, alpha=0.9, label=named)
    right.plot(np.arange(1, EPOCHS + 1), curves[name][:, 0], color=colour, linewidth=1.6, label=label)
shared = fixed["pathwise"][:, 0].mean()
left.axvline(shared, color="black", linestyle="--", linewidth=1, label=f"the pathwise mean: {shared:.2f}")
left.set(yscale="log", xlabel="∂/∂mean₁ by one draw", ylabel="density", ylim=(floor, 30))
left.set_title(f"{DRAWS:,} draws for one image", fontsize=9)
left.legend(fontsize=8, loc="upper left")
right.set(xlabel="epoch", ylabel="−ELBO of validation images (nats)", ylim=(None, 29))
right.set_title("three trainings from the same start", fontsize=9)
right.legend(fontsize=8)
right.grid(alpha=0.25)
lecture.show(figure)
