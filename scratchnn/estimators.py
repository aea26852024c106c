"""The autoencoders of this library as transformers of scikit-learn, for its pipelines and searches.

    codes = make_pipeline(StandardScaler(), VAETransformer(n_components=10, random_state=0)).fit_transform(X)

`fit` makes two networks of dense layers with ReLU in between, an encoder and its mirror image, and trains them with
Adam, in the type of X, float32 or float64. `transform` gives codes (n_samples, n_components), `inverse_transform` data
from codes. Parameters have scikit-learn's names; `random_state` decides all that is drawn.

How the features are modelled is a choice. Any real numbers: by a Gaussian, or squared errors. The networks see them
less their means and over one common scale, of which nothing is to be seen outside: scores are those of X as it is.
Features of very different scales want a StandardScaler in front. Numbers from 0 to 1: by a Bernoulli and its kin.
MinMaxScaler(clip=True) brings features there, those of new rows too, which may lie outside without clip.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from scratchnn.autoencoder import Autoencoder
from scratchnn.evaluation import encode
from scratchnn.evaluation.latent import ROWS
from scratchnn.grey_likelihoods import ContinuousBernoulli
from scratchnn.iwae import KLOfOneDraw
from scratchnn.layers import Dense, Layer, ReLU, Sequential
from scratchnn.likelihoods import Bernoulli, Gaussian
from scratchnn.losses import BinaryCrossEntropy, MeanSquaredError
from scratchnn.machinery.checks import expect_int, expect_positive
from scratchnn.machinery.extras import missing
from scratchnn.machinery.logarithm import log_mean_exp
from scratchnn.machinery.parameters import Array
from scratchnn.optim import Adam
from scratchnn.training import DivergedError, EarlyStopping, Trainer
from scratchnn.vae import VAE

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
    from sklearn.utils import check_array, check_random_state
    from sklearn.utils.validation import check_is_fitted
except ModuleNotFoundError as error:
    raise missing(error, "scratchnn.estimators") from error
try:
    from sklearn.utils.validation import validate_data
except ImportError:  # before scikit-learn 1.6 it was a method

    def validate_data(estimator: Any, X: Any, **how: Any) -> Any:
        return estimator._validate_data(X, **how)


FLOATS = [np.float64, np.float32]  # what is kept; anything else becomes the first
# names in parameters: outputs of the decoder for each feature, and what these say about it
LIKELIHOODS: dict[str, tuple[int, Any]] = {
    "gaussian": (2, Gaussian),
    "bernoulli": (1, Bernoulli),
    "continuous-bernoulli": (1, ContinuousBernoulli),
}
LOSSES: dict[str, Any] = {"squared_error": MeanSquaredError, "log_loss": BinaryCrossEntropy}
FROM_0_TO_1 = ("bernoulli", "continuous-bernoulli", "log_loss")


class CodeTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What both have in common: two networks, their training, and the way there and back."""

    n_components: int
    hidden_layer_sizes: Any
    learning_rate_init: float
    batch_size: int
    max_iter: int
    n_iter_no_change: int | None
    validation_fraction: float
    verbose: bool
    random_state: Any
    model_: Any
    mean_: Any
    scale_: float

    # ---- what differs

    def fit_to(self) -> str:
        """The name of what the model is fitted by, a likelihood or a loss."""
        raise NotImplementedError

    def new_model(self, n_features: int, rng: np.random.Generator) -> Any:
        raise NotImplementedError

    def codes(self, X: Array) -> Array:
        raise NotImplementedError

    def score_samples(self, X: Any) -> Array:
        raise NotImplementedError

    # ---- scikit-learn's methods

    def fit(self, X: Any, y: object = None) -> CodeTransformer:
        """Trains on the rows of X; y is ignored."""
        seen = clone(self)  # a fit that fails leaves an earlier one as it was
        X = self.modelled(validate_data(seen, X, dtype=FLOATS))
        mean, scale = (0.0, 1.0) if self.fit_to() in FROM_0_TO_1 else mean_and_scale(X)
        lr = expect_positive("learning_rate_init", self.learning_rate_init)
        X = np.asarray((X - mean) / scale)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        train, held_out = self.split(X, rng)
        model = self.new_model(X.shape[1], rng).astype(X.dtype)
        trainer = Trainer(model, Adam(model, lr=lr), rng)
        try:
            trainer.fit(
                train, epochs=self.whole("max_iter"), batch_size=min(self.whole("batch_size"), len(train)),
                held_out=held_out, progress=bool(self.verbose),
                after_epoch=[] if held_out is None else [EarlyStopping(self.whole("n_iter_no_change"))],
            )  # fmt: skip
        except DivergedError as error:
            raise ValueError(
                f"training diverged in epoch {len(trainer.history) + 1}: take a smaller learning_rate_init than "
                f"{self.learning_rate_init:g}, or look for rows far from all others"
            ) from error
        model.forget()
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_  # the new rows may have no names
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(seen, name):
                setattr(self, name, getattr(seen, name))
        self.mean_, self.scale_ = mean, scale
        self.model_, self.history_, self.n_iter_ = model, trainer.history, len(trainer.history)
        self._n_features_out, self._seed = self.n_components, int(rng.integers(2**31))
        return self

    def transform(self, X: Any) -> Array:
        """The codes (n_samples, n_components) of the rows of X."""
        return self.codes(self.scaled(self.validated(X)))

    def inverse_transform(self, X: Any) -> Array:
        """The data (n_samples, n_features) that codes X (n_samples, n_components) stand for."""
        check_is_fitted(self, "model_")
        codes = check_array(X, dtype=FLOATS).astype(self.model_.params.dtype, copy=False)
        if codes.shape[1] != self._n_features_out:
            raise ValueError(f"X has {codes.shape[1]} columns, and a code {self._n_features_out} components")
        x = np.concatenate([self.model_.decode(rows) for rows in chunks(codes)])
        return np.asarray(self.mean_ + self.scale_ * x)

    def score(self, X: Any, y: object = None) -> float:
        """The mean of `score_samples`, which is the larger the better: what a search goes by. y is ignored."""
        return float(self.score_samples(X).mean())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # ---- parts

    def whole(self, name: str) -> int:
        """A parameter as a whole number of at least 1; ValueError if it is none."""
        return expect_int(type(self).__name__, name, getattr(self, name))

    def networks(self, n_features: int, n_heads: int, n_outputs: int, rng: np.random.Generator) -> tuple[Layer, Layer]:
        """An encoder with so many outputs for each component, and a decoder with so many for each feature."""
        name, n_components = type(self).__name__, self.whole("n_components")
        hidden = [expect_int(name, "hidden_layer_sizes", n) for n in np.ravel(self.hidden_layer_sizes).tolist()]
        return (
            dense_network([n_features, *hidden, n_heads * n_components], rng),
            dense_network([n_components, *hidden[::-1], n_outputs * n_features], rng),
        )

    def split(self, X: Array, rng: np.random.Generator) -> tuple[Array, Array | None]:
        """Rows to train on and rows to watch, which are None unless `n_iter_no_change` says when to stop."""
        if self.n_iter_no_change is None:
            return X, None
        n = int(np.ceil(self.validation_fraction * len(X))) if 0 < self.validation_fraction < 1 else len(X)
        if n == len(X):
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of n_samples={len(X)} leaves none to train on: "
                "give more rows, a fraction between 0 and 1, or n_iter_no_change=None"
            )
        order = rng.permutation(len(X))
        return X[order[n:]], X[order[:n]]

    def validated(self, X: Any) -> Array:
        """New rows, in the type of the model."""
        check_is_fitted(self, "model_")
        X, dtype = validate_data(self, X, dtype=FLOATS, reset=False), self.model_.params.dtype
        with np.errstate(over="ignore"):
            rows = np.asarray(X.astype(dtype, copy=False))
        if not np.isfinite(rows).all():
            raise ValueError(f"X has values up to {np.abs(X).max():g}, and the model was fitted in {dtype}")
        return rows

    def scaled(self, X: Array) -> Array:
        """Rows as the networks see them."""
        return np.asarray((X - self.mean_) / self.scale_)

    def modelled(self, X: Array) -> Array:
        """Rows as they are; ValueError if they are none of what the model describes."""
        name = self.fit_to()
        if name in FROM_0_TO_1 and not (X.min() >= 0 and X.max() <= 1):
            raise ValueError(
                f"{name} is for features from 0 to 1, and X has values from {X.min():g} to {X.max():g}: scale them "
                f"with MinMaxScaler(clip=True), or choose {'squared_error' if name in LOSSES else 'gaussian'}"
            )
        return X


class VAETransformer(CodeTransformer):
    """A variational autoencoder: codes with a distribution, and a bound on the log-probability of data.

    Parameters
        n_components          numbers in a code, the latent dimensions
        hidden_layer_sizes    of the encoder; the decoder has them in reverse
        likelihood            p(x|z) of the features: "gaussian" for real numbers, each with a mean and a variance that
                              depend on z; "bernoulli" for 0 and 1; "continuous-bernoulli" for numbers from 0 to 1
        learning_rate_init    Adam's step size
        batch_size, max_iter  rows in a step, passes through the data
        n_iter_no_change      end after so many epochs without a better bound on held-out rows, with the best epoch's
                              parameters; None: all epochs, and no rows are held out
        validation_fraction   of the rows, which are held out for this
        n_score_draws         draws of z for a row in `score_samples`
        verbose               a line for every epoch
        random_state          an int gives the same bits
    Attributes
        model_                the VAE of this library: `encode` gives mean and log_var, `reconstruct`, `generate`
        history_, n_iter_     a record of every epoch, and how many there were; also n_features_in_

    A code is the mean of q(z|x). With "bernoulli", grey features strictly between 0 and 1 train well, but the score is
    then no log-probability (scratchnn/likelihoods.py). With "gaussian" the score is that of a density: a feature that
    never changes drives it up without bound, so drop it first (VarianceThreshold), and compare scores on the same
    scale of the features alone.
    """

    def __init__(
        self,
        n_components: int = 2,
        *,
        hidden_layer_sizes: Any = (100,),
        likelihood: str = "gaussian",
        learning_rate_init: float = 1e-3,
        batch_size: int = 100,
        max_iter: int = 100,
        n_iter_no_change: int | None = None,
        validation_fraction: float = 0.1,
        n_score_draws: int = 100,
        verbose: bool = False,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.likelihood = likelihood
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.n_iter_no_change = n_iter_no_change
        self.validation_fraction = validation_fraction
        self.n_score_draws = n_score_draws
        self.verbose = verbose
        self.random_state = random_state

    def fit_to(self) -> str:
        return one_of("likelihood", self.likelihood, LIKELIHOODS)

    def new_model(self, n_features: int, rng: np.random.Generator) -> VAE:
        n_outputs, likelihood = LIKELIHOODS[self.likelihood]
        encoder, decoder = self.networks(n_features, 2, n_outputs, rng)  # two heads: mean and log_var
        return VAE(encoder, decoder, likelihood(), self.n_components)

    def codes(self, X: Array) -> Array:
        return np.asarray(encode(self.model_, X)[0])

    def score_samples(self, X: Any) -> Array:
        """A lower bound on log p(x) for each row (n_samples,), in nats, by K = `n_score_draws` draws z_k from q(z|x):

            log (1/K) Σ_k p(x|z_k) p(z_k) / q(z_k|x)

        On average over the draws it is at most log p(x), and rises towards it with K; K = 1 estimates the ELBO
        (scratchnn/iwae.py). z_k = mean + σ eps_k with the same eps_k for every row, drawn from a seed that `fit`
        draws from random_state: the score of a row is the same at every call, and does not depend on the other rows.
        """
        X = self.scaled(self.modelled(self.validated(X)))
        size = self.whole("n_score_draws"), self.model_.n_z
        all_eps = np.random.default_rng(self._seed).standard_normal(size).astype(X.dtype)
        with np.errstate(over="ignore", invalid="ignore"):  # said in a sentence
            bound = np.concatenate([self.bound(rows, all_eps) for rows in chunks(X)])
        if np.isnan(bound).any():
            raise ValueError(
                f"row {int(np.isnan(bound).argmax())} is so far from those of fit that the variances of its code "
                "overflow: there is no bound for it; leave it out, or clip the features"
            )
        return np.asarray(bound - X.shape[1] * np.log(self.scale_))  # dx = scale · d(x/scale) for each feature

    def bound(self, x: Array, all_eps: Array) -> Array:
        """The bound for rows x (N, D) by the noise of all draws (K, n_z)."""
        mean, log_var = self.model_.encode(x)
        log_w = np.empty((len(x), len(all_eps)))
        with self.model_.evaluating():
            for k, eps in enumerate(all_eps):
                z = mean + np.exp(log_var / 2) * eps
                log_p_x = self.model_.likelihood.forward(self.model_.decoder.forward(z), x)
                log_w[:, k] = log_p_x - KLOfOneDraw().forward(z, log_var, eps)
        return np.asarray(log_mean_exp(log_w))

    def sample(self, n_samples: int = 1) -> Array:
        """New rows (n_samples, n_features) drawn from p(x): z from N(0, I), and x from p(x|z).

        With an int as random_state the same ones at every call. `inverse_transform` gives the means of p(x|z) instead.
        """
        check_is_fitted(self, "model_")
        # not the stream of `fit`, which begins with the initial weights
        rng = np.random.default_rng([check_random_state(self.random_state).randint(2**31), 1])
        size = expect_int(type(self).__name__, "n_samples", n_samples), self.model_.n_z
        z = rng.standard_normal(size).astype(self.model_.params.dtype)
        with self.model_.evaluating():
            x = self.model_.likelihood.sample(self.model_.decoder.forward(z), rng)
        return np.asarray(self.mean_ + self.scale_ * x)


class AutoencoderTransformer(CodeTransformer):
    """An autoencoder: codes from which rows come back as well as codes of this size allow.

    Parameters
        loss                  "squared_error", the mean over the features, for real numbers; "log_loss", the
                              cross-entropy summed over the features, for numbers from 0 to 1
        All others and the attributes are those of VAETransformer; what it has beside them needs a distribution.
    """

    def __init__(
        self,
        n_components: int = 2,
        *,
        hidden_layer_sizes: Any = (100,),
        loss: str = "squared_error",
        learning_rate_init: float = 1e-3,
        batch_size: int = 100,
        max_iter: int = 100,
        n_iter_no_change: int | None = None,
        validation_fraction: float = 0.1,
        verbose: bool = False,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.loss = loss
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.n_iter_no_change = n_iter_no_change
        self.validation_fraction = validation_fraction
        self.verbose = verbose
        self.random_state = random_state

    def fit_to(self) -> str:
        return one_of("loss", self.loss, LOSSES)

    def new_model(self, n_features: int, rng: np.random.Generator) -> Autoencoder:
        encoder, decoder = self.networks(n_features, 1, 1, rng)
        return Autoencoder(encoder, decoder, LOSSES[self.loss]())

    def codes(self, X: Array) -> Array:
        return encode(self.model_, X)

    def score_samples(self, X: Any) -> Array:
        """Minus the loss of each row (n_samples,): low for rows that are unlike those of `fit`."""
        X = self.scaled(self.modelled(self.validated(X)))
        with self.model_.evaluating():
            loss = np.concatenate([self.model_.forward(rows) for rows in chunks(X)])
        return np.asarray(-loss * self.scale_ * self.scale_)


def mean_and_scale(X: Array) -> tuple[Array, float]:
    """The mean of each feature (n_features,), and one scale for all, the root of their mean variance (1 for 0);
    ValueError where they are too large for that."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean = X.mean(axis=0, dtype=np.float64)
        off = X - mean
        off[:, X.max(axis=0) == X.min(axis=0)] = 0  # and not what the rounding of the mean leaves
        largest = float(np.abs(off).max()) or 1.0  # by which no square overflows or vanishes
        scale = largest * float(np.sqrt(np.mean((off / largest) ** 2))) or 1.0
    if not np.isfinite([*mean, scale]).all():
        raise ValueError(f"X has values up to {np.abs(X).max():g}, whose mean is too large for a float: scale them")
    return mean.astype(X.dtype), scale


def dense_network(sizes: list[int], rng: np.random.Generator) -> Layer:
    """Dense layers from size to size, with ReLU in between."""
    first, *others = [Dense(n_in, n_out, rng) for n_in, n_out in pairwise(sizes)]
    return Sequential([first, *(layer for dense in others for layer in (ReLU(), dense))])


def one_of(parameter: str, value: Any, names: dict[str, Any]) -> str:
    """The value itself; ValueError unless it is one of the names."""
    if value not in names:
        raise ValueError(f"{parameter}={value!r} is none of {', '.join(map(repr, names))}")
    return str(value)


def chunks(X: Array) -> list[Array]:
    """Some rows at a time."""
    return [X[start : start + ROWS] for start in range(0, len(X), ROWS)]
