"""The variational autoencoder: an encoder, a decoder, and one bound that trains both.

*The bound.* We want a decoder under which the data are probable: log p(x) large, where p(x) = ∫ p(x|z) p(z) dz, with z
drawn from N(0, I) and x from the decoder. Hardly any such z makes anything like this x. So an encoder says which z do,
as a distribution q(z|x), and is put into the integral:

    log p(x) = log ∫ q(z|x) [p(x|z) p(z) / q(z|x)] dz
             ≥ ∫ q(z|x) log [p(x|z) p(z) / q(z|x)] dz                 Jensen: log is concave
             = E_q[log p(x|z)]  −  KL(q(z|x) ‖ p(z))        =: ELBO   AEVB (3)

*The gap.* p(x|z) p(z) is also p(z|x) p(x). With that in the second line,

    ELBO = E_q[log p(x) + log p(z|x) − log q(z|x)]
         = log p(x)  −  KL(q(z|x) ‖ p(z|x))                           AEVB (1)

The gap is 0 where q is the true posterior. Otherwise it has two parts: the posterior need not be a Gaussian with
independent dimensions (approximation), and one encoder for all images need not give each the best of these
(amortisation).

*Three readings.* The first term asks that x can be reconstructed from its z; the second pulls the q(z|x) of every
image towards N(0, I), from which new images are drawn: a regularised autoencoder. As a message, in nats (natural
logarithms), KL is the net cost of sending z, the rate, and −E_q[log p(x|z)] what is still to be sent of x, the
distortion; a weight β of KL is the price of rate. And it is EM (expectation maximisation): the best q for a given
decoder is the posterior, which closes the gap (E-step); a decoder that raises the bound for this q raises log p(x) at
least as much (M-step). Here both take a step at once.

*What KL measures.* With q(z) for the mean of all q(z|x), the mean KL is what z says about x, the mutual information,
plus how far q(z) is from the prior:

    mean KL(q(z|x) ‖ p(z)) = I(x; z)  +  KL(q(z) ‖ p(z))

So it need not be 0 where all z together are N(0, I): with means from N(0, ½) and σ² = ½ they are, and the mean KL is
I(x; z) = ½ log 2 = 0.347.

*One draw.* The encoder gives q(z|x) = N(mean, σ²), with σ² = e^log_var. The expectation is estimated with one draw:
reconstruction, −log p(x|z) of that draw, plus KL is an unbiased estimate of −ELBO. A draw has no derivative by mean and
σ, unless it is written as z = mean + σ·eps with eps from N(0, I), which does not depend on them: then

    ∂/∂mean E_q[f(z)] = ∂/∂mean E_eps[f(mean + σ eps)] = E_eps[∂f(mean + σ eps)/∂mean]

and, for f without jumps, the derivative of one draw is an unbiased estimate of the gradient: the reparameterisation
trick.

The equations are those of Kingma & Welling, "Auto-Encoding Variational Bayes", 2014 (AEVB); its φ and θ are
`vae.encoder.params` and `vae.decoder.params`, two consecutive slices of `params`. We minimise −ELBO, in nats.
"""

from __future__ import annotations

import numpy as np

from scratchnn.layers.layer import Layer, Module
from scratchnn.likelihoods import Likelihood
from scratchnn.machinery.checks import expect, expect_generator, expect_int, expect_not_negative
from scratchnn.machinery.memory import Part
from scratchnn.machinery.parameters import Array


class Reparameterise(Module):
    """A draw has no derivative: this one, from N(mean, σ²), is a function of mean, log_var = log σ² and outside noise.

    Shapes
        mean, log_var, eps and z all (N, n_z).
    Forward
        z = mean + e^(log_var/2) · eps,      AEVB (4), (10): e^(log_var/2) is σ, while e^(log_var) would be σ².
    Backward
        mean has the factor 1, σ the derivative σ/2 with respect to log_var:

            dmean    = dz
            dlog_var = dz · eps · σ/2   with σ = e^(log_var/2)
    Watch
        Backward must use forward's eps, not draw again. With σ² in place of σ, forward and backward, every gradient
        check passes: the right derivative of the wrong z. Only the moments of z show it. Without a derivative here the
        encoder learns from the KL alone.
    """

    def forward(self, mean: Array, log_var: Array, eps: Array) -> Array:
        expect(self, "log_var", log_var, mean.shape, mean)
        expect(self, "eps", eps, mean.shape, mean)
        noise = np.exp(0.5 * log_var) * eps
        self.cache = (noise,)
        return mean + noise  # AEVB (4)

    def backward(self, dz: Array) -> tuple[Array, Array]:
        (noise,) = self.take_cache()
        expect(self, "dz", dz, noise.shape)
        return dz, dz * 0.5 * noise


class KLToStandardNormal(Module):
    """Keeps q near the prior: KL(N(mean, σ²) ‖ N(0, I)), the extra nats of draws of q in a code made for N(0, I).

    Shapes
        mean and log_var (N, n_z), kl (N,).
    Forward
        KL = ∫ q log q − ∫ q log p
        For one dimension of a Gaussian, ∫ q log q = −½ (log 2π + 1 + log σ²) and ∫ q log p = −½ (log 2π + mean² + σ²),
        the second since E[z²] = mean² + σ². The difference, summed:

            kl_n = −½ Σ_j (1 + log_var_nj − mean_nj² − e^(log_var_nj))      AEVB appendix B

        Near log_var = 0 three terms nearly cancel; expm1 gives e^(log_var) − 1 to full precision.
    Backward
        dmean_nj    = dkl_n mean_nj
        dlog_var_nj = dkl_n ½ (e^(log_var_nj) − 1)
    Watch
        It is 0 for mean = 0, log_var = 0, and never negative. Summed over the dimensions, not averaged. Without it
        σ goes to 0, and the decoder learns nothing between the codes of the images.
    """

    def forward(self, mean: Array, log_var: Array) -> Array:
        expect(self, "log_var", log_var, mean.shape, mean)
        var_minus_1 = np.expm1(log_var)
        self.cache = (mean, var_minus_1)
        return 0.5 * np.sum(mean**2 + var_minus_1 - log_var, axis=1)  # AEVB App. B  # Thesis §4.4

    def backward(self, dkl: Array) -> tuple[Array, Array]:
        mean, var_minus_1 = self.take_cache()
        expect(self, "dkl", dkl, mean.shape[:1])
        return dkl[:, None] * mean, dkl[:, None] * 0.5 * var_minus_1


class VAE(Module):
    """log p(x) cannot be computed, a bound of it can: the ELBO put together once, forward and backward.

    Shapes
        x (N, D); the encoder maps it to (N, 2·n_z), means, then log-variances; eps and z (N·L, n_z), L draws for
        each image, one after another; the decoder maps z to what the likelihood wants: (N·L, D) logits for Bernoulli,
        (N·L, 2D) for Gaussian.
    Forward
        reconstruction_n = −(1/L) Σ_l log p(x_n|z_nl)
        and β kl_n, (N,). For β = 1 their sum estimates −ELBO_n, AEVB (10). In batches of 100, L = 1 is enough.
    Backward
        Forward's lines in reverse order. Where a value is used more than once its gradients are added: mean and log_var
        reach the loss through each of the L draws and through the KL. The encoder's two heads are one product,
        [mean, log_var] = h [W_mean, W_log_var], so the sum of what they send to h is inside dh = [dmean, dlog_var] Wᵀ.
    Watch
        β counts in training only: in evaluation it is 1. β = 0 leaves an autoencoder with noise.
        e^log_var overflows above 88.7 in float32, and the training loop stops.
    """

    n_draws = 1  # L; a training may set another on its model
    beta = 1.0  # β; likewise
    encoder = Part(Layer)  # x → the means and log-variances of q(z|x); its params are φ
    decoder = Part(Layer)  # z → what the likelihood wants; its params are θ
    likelihood = Part(Likelihood)
    sampler = Part(Reparameterise)
    divergence = Part(KLToStandardNormal)

    def __init__(self, encoder: Layer, decoder: Layer, likelihood: Likelihood, n_z: int) -> None:
        self.n_z = expect_int("VAE", "n_z", n_z)
        parts = {"encoder": encoder, "decoder": decoder, "likelihood": likelihood}
        super().__init__(parts={**parts, "sampler": Reparameterise(), "divergence": KLToStandardNormal()})

    def forward(self, x: Array, eps: Array) -> tuple[Array, ...]:
        """The two terms of the loss per example, reconstruction (N,) and β KL (N,), for the noise eps (N·L, n_z)."""
        heads = self.encoder.forward(x)
        mean, log_var = self.split(heads)
        z = self.sampler.forward(self.for_each_draw(mean), self.for_each_draw(log_var), eps)
        outputs = self.decoder.forward(z)
        log_p = self.likelihood.forward(outputs, self.for_each_draw(x))
        reconstruction = -self.over_draws(log_p) / self.draws
        kl = self.divergence.forward(mean, log_var)
        return reconstruction, self.kl_weight * kl  # AEVB (10)

    def backward(self, dloss: Array) -> None:
        """Writes the gradients of Σ_n dloss_n (reconstruction_n + β kl_n) into `grads`; dloss (N,)."""
        dmean_kl, dlog_var_kl = self.divergence.backward(self.kl_weight * dloss)
        doutputs = self.likelihood.backward(self.for_each_draw(-dloss / self.draws))
        dz = self.decoder.backward(doutputs)
        dmean_z, dlog_var_z = self.sampler.backward(dz)
        dmean = self.over_draws(dmean_z) + dmean_kl  # used twice: the gradients add up
        dlog_var = self.over_draws(dlog_var_z) + dlog_var_kl
        dheads = np.concatenate([dmean, dlog_var], axis=1)
        self.encoder.write_gradients(dheads)

    def loss_terms(self, x: Array, rng: np.random.Generator) -> dict[str, Array]:
        """`forward` with fresh noise, the terms of the loss by name: what the training loop calls."""
        eps = rng.standard_normal((len(x), self.draws, self.n_z)).reshape(-1, self.n_z).astype(self.params.dtype)
        return dict(zip(self.term_names, self.forward(x, eps), strict=True))

    @property
    def draws(self) -> int:
        return expect_int("a VAE", "n_draws", self.n_draws)

    @property
    def kl_weight(self) -> float:
        return expect_not_negative("a VAE's beta", self.beta) if self.training else 1.0

    @property
    def term_names(self) -> tuple[str, ...]:
        return "reconstruction", ("kl" if self.kl_weight == 1 else "beta_kl")

    def for_each_draw(self, rows: Array) -> Array:
        """Every row L times, (N, …) → (N·L, …)."""
        return rows if self.draws == 1 else np.repeat(rows, self.draws, axis=0)

    def over_draws(self, rows: Array) -> Array:
        """The sum over the L draws of each image, (N·L, …) → (N, …): the transpose of `for_each_draw`."""
        return rows if self.draws == 1 else rows.reshape(-1, self.draws, *rows.shape[1:]).sum(axis=1)

    def encode(self, x: Array) -> tuple[Array, Array]:
        """mean and log_var (N, n_z) of q(z|x)."""
        with self.encoder.evaluating():
            return self.split(self.encoder.forward(x))

    def decode(self, z: Array) -> Array:
        """The mean images (N, D) of p(x|z) for latent points z (N, n_z)."""
        with self.decoder.evaluating():
            return self.likelihood.mean(self.decoder.forward(z))

    def reconstruct(self, x: Array) -> Array:
        """The images (N, D) decoded from the means of q(z|x), without noise."""
        return self.decode(self.encode(x)[0])

    def generate(self, n: int, rng: np.random.Generator) -> Array:
        """n new images (n, D): the mean images of p(x|z) for z drawn from N(0, I)."""
        expect_generator("a VAE", rng)
        return self.decode(rng.standard_normal((expect_int("generate", "n", n, 0), self.n_z)).astype(self.params.dtype))

    def split(self, heads: Array) -> tuple[Array, Array]:
        """mean and log_var (N, n_z) out of the encoder's output (N, 2·n_z)."""
        expect("the encoder of a VAE", "its output", heads, ("N", 2 * self.n_z))
        return heads[:, : self.n_z], heads[:, self.n_z :]

    def __repr__(self) -> str:
        return f"VAE({self.encoder!r}, {self.decoder!r}, {self.likelihood!r}, n_z={self.n_z})"
