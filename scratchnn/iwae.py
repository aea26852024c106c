"""The importance-weighted autoencoder: the networks of the VAE, trained by a bound nearer to log p(x).

*Why nearer.* For a z drawn from q(z|x), w = p(x|z) p(z) / q(z|x) is the *importance weight*, and its mean is p(x): that
is the integral in vae.py. The ELBO is E[log w], and the more w varies from draw to draw, the more Jensen's inequality
loses. The mean of K weights has the same mean and varies less, with a K-th of the variance if w has one, so
its logarithm loses less:

    L_K = E[log((1/K) Σ_k w_k)]  ≤  log E[(1/K) Σ_k w_k] = log p(x)      z_1, …, z_K from q(z|x)

L_1 is the ELBO, and L_(K+1) ≥ L_K: leave one of K + 1 weights out, each in turn; the mean of the K + 1 means of the
others is the mean of all, and Jensen says that its logarithm is no less than the mean of their logarithms. Where the
ELBO is finite, L_K reaches log p(x) in the limit.

*Not the L draws of a VAE.* There log p(x|z) is averaged, which is the same bound with less noise. Here the w are
averaged, inside the logarithm, and the bound is another one. A single good draw of the K makes it high, while each bad
draw costs the ELBO: q(z|x) need not avoid every z that explains x badly.

*The gradient.* With z_k = mean + σ eps_k, as in vae.py, the expectation is over noise that does not depend on the
parameters, and one draw of it gives an unbiased gradient. For a parameter θ, ∂w/∂θ = w ∂log w/∂θ, so

    ∂/∂θ log((1/K) Σ_k w_k) = Σ_k ∂w_k/∂θ / Σ_j w_j = Σ_k s_k ∂log w_k/∂θ   with s_k = w_k / Σ_j w_j

a mean of the K draws' gradients, weighted by their shares of the sum of weights. The shares s are the softmax of the
log w. These lie near −90 for a digit of MNIST, and near −550 before training, while e^(log w) is 0 in float32 below
−104. So the largest is taken out of all first, which changes no share, and is added to the logarithm afterwards.

The objective and its gradient are those of Burda, Grosse & Salakhutdinov, "Importance weighted autoencoders", 2015.
"""

from __future__ import annotations

import numpy as np

from scratchnn.layers.layer import Layer, Module
from scratchnn.likelihoods import Likelihood
from scratchnn.machinery.checks import expect, expect_int
from scratchnn.machinery.memory import Part
from scratchnn.machinery.parameters import Array
from scratchnn.vae import VAE, Reparameterise


class KLOfOneDraw(Module):
    """log q(z|x) − log p(z) of a draw z = mean + σ eps, whose mean over the draws is KL(q(z|x) ‖ p(z)).

    Shapes
        z, log_var and eps (N, n_z), kl (N,).
    Forward
        The factors 2π of the two Gaussian densities cancel, and (z − mean)²/σ² in the exponent of q is eps²:

            kl_n = −½ Σ_j (eps_nj² + log_var_nj − z_nj²)

        With the means of eps² and z², 1 and mean² + σ², it is the closed form, KLToStandardNormal.
    Backward
        dz_nj       = dkl_n z_nj
        dlog_var_nj = −½ dkl_n
    Watch
        mean stands nowhere: log q(z|x) depends on it in two ways, directly and through z, and the two cancel. A single
        draw may well be negative.
    """

    def forward(self, z: Array, log_var: Array, eps: Array) -> Array:
        expect(self, "log_var", log_var, z.shape, z)
        self.cache = (z,)
        return -0.5 * np.sum(eps**2 + log_var - z**2, axis=1)

    def backward(self, dkl: Array) -> tuple[Array, Array]:
        (z,) = self.take_cache()
        expect(self, "dkl", dkl, z.shape[:1])
        return dkl[:, None] * z, np.broadcast_to(-0.5 * dkl[:, None], z.shape)


class IWAE(VAE):
    """The importance-weighted bound of K draws, forward and backward; everything else is the VAE's.

    Shapes
        As in VAE, with K = n_draws: eps and z (N·K, n_z), the K draws of an image one after another.
    Forward
        log_w_nk = log_p_nk − kl_nk      log p(x_n|z_nk) and the KL of each draw
        The loss has one term, −L_K by these draws:

            loss_n = −log((1/K) Σ_k e^(log_w_nk))
    Backward
        s_nk      = e^(log_w_nk) / Σ_j e^(log_w_nj)      the shares
        dlog_w_nk = −dloss_n s_nk
        The rest is that of VAE, draw by draw. z is used twice, by the decoder and in the KL; log_var as well, for z
        and in the KL; mean for z alone. What the K draws of an image send back to its mean and log_var is added up.
    Watch
        For K = 1 this is the ELBO with the KL estimated by the one draw, not in closed form: loss and gradient have the
        same expectation. For a larger K a loss can only be compared with one of the same K, not with a VAE's;
        −log p(x) is estimated in the same way for both (evaluation/bounds.py).
        The larger K, the nearer the bound is to log p(x), whatever q is: the gradient of the encoder falls as 1/K, its
        noise as 1/√K alone (Rainforth et al., "Tighter variational bounds are not necessarily better", 2018). Part of
        that noise comes by way of log q and can be avoided (Tucker et al., "Doubly reparameterized gradient estimators
        for Monte Carlo objectives", 2019); here it is the plain derivative.
    """

    term_names = ("minus_L_K",)
    draw_kl = Part(KLOfOneDraw)  # in the place of the closed form, `divergence`

    def __init__(self, encoder: Layer, decoder: Layer, likelihood: Likelihood, n_z: int, n_draws: int) -> None:
        self.n_z, self.n_draws = expect_int("IWAE", "n_z", n_z), expect_int("IWAE", "n_draws", n_draws)
        sampler, draw_kl = Reparameterise(), KLOfOneDraw()
        Module.__init__(  # not VAE's, which makes the closed form
            self,
            parts={
                "encoder": encoder, "decoder": decoder, "likelihood": likelihood,
                "sampler": sampler, "draw_kl": draw_kl,
            },
        )  # fmt: skip

    def forward(self, x: Array, eps: Array) -> tuple[Array, ...]:
        """−L_K of every example, (N,), by the noise eps (N·K, n_z): the one term of the loss."""
        if self.training and self.beta != 1:
            raise ValueError(f"an IWAE has no KL of its own for beta to weigh: leave it at 1, got {self.beta}")
        mean, log_var = self.split(self.for_each_draw(self.encoder.forward(x)))
        z = self.sampler.forward(mean, log_var, eps)
        log_p = self.likelihood.forward(self.decoder.forward(z), self.for_each_draw(x))
        kl = self.draw_kl.forward(z, log_var, eps)
        log_w = (log_p - kl).reshape(-1, self.draws)
        largest = log_w.max(axis=1, keepdims=True)
        w = np.exp(log_w - largest)  # at most 1, and 1 for the largest
        s = w / w.sum(axis=1, keepdims=True)
        self.cache = (s,)
        return (-(largest[:, 0] + np.log(w.mean(axis=1))),)

    def backward(self, dloss: Array) -> None:
        """Writes the gradients of Σ_n dloss_n loss_n into `grads`; dloss (N,)."""
        (s,) = self.take_cache()
        expect(self, "dloss", dloss, s.shape[:1])
        dlog_w = (-dloss[:, None] * s).reshape(-1)
        dz_kl, dlog_var_kl = self.draw_kl.backward(-dlog_w)
        doutputs = np.where(dlog_w[:, None] == 0, 0, self.likelihood.backward(dlog_w))  # a share of 0 times ∞ is 0
        dz = self.decoder.backward(doutputs) + dz_kl  # used twice: the gradients add up
        dmean, dlog_var_z = self.sampler.backward(dz)
        dlog_var = dlog_var_z + dlog_var_kl
        self.encoder.write_gradients(self.over_draws(np.concatenate([dmean, dlog_var], axis=1)))

    def __repr__(self) -> str:
        parts = f"{self.encoder!r}, {self.decoder!r}, {self.likelihood!r}"
        return f"IWAE({parts}, n_z={self.n_z}, n_draws={self.n_draws})"
