"""The autoencoder as a model: its gradients, planted mistakes, and what it gives back."""

from __future__ import annotations

import numpy as np
import pytest

from scratchnn import Adam, Autoencoder, BinaryCrossEntropy, Dense, MeanSquaredError, Reshape, Sequential, Tanh
from scratchnn.gradcheck import GradientError, check_model
from scratchnn.training import Trainer, evaluate

LOSSES = pytest.mark.parametrize("loss", [MeanSquaredError, BinaryCrossEntropy])


def small(rng, loss, cls=Autoencoder, dtype=np.float64) -> Autoencoder:
    def dense(n_in, n_out):
        return Dense(n_in, n_out, rng, b=rng.normal(size=n_out), dtype=dtype)

    return cls(Sequential([dense(5, 4), Tanh(), dense(4, 2)]), Sequential([dense(2, 3), Tanh(), dense(3, 5)]), loss())


@LOSSES
@pytest.mark.parametrize("seed", range(3))
def test_every_gradient_is_right(loss, seed):
    rng = np.random.default_rng(seed)
    report = check_model(small(rng, loss), rng.random((7, 5)), seed=seed)
    assert len(report.arrays) == 8 and all(array.analytic.any() for array in report.arrays)


class CodeGradientLost(Autoencoder):
    def backward(self, dloss):
        dcode = self.decoder.backward(self.loss.backward(dloss))
        self.encoder.write_gradients(np.zeros_like(dcode))


class TargetForgotten(Autoencoder):
    """Forward compares with the image turned round, backward with the image."""

    def forward(self, x):
        loss = super().forward(x)
        self.loss.forward(self.decoder.forward(self.encoder.forward(x)), x[:, ::-1])
        return loss


@pytest.mark.parametrize("cls", [CodeGradientLost, TargetForgotten])
def test_planted_mistakes_are_found(cls, rng):
    with pytest.raises(GradientError, match="WRONG"):
        check_model(small(rng, MeanSquaredError, cls), rng.random((7, 5)))


@LOSSES
def test_the_loss_is_between_the_reconstruction_and_the_image(loss, rng):
    model, x = small(rng, loss), rng.random((6, 5))
    again = model.reconstruct(x)
    np.testing.assert_allclose(again, model.decode(model.encode(x)))
    by_hand = {
        MeanSquaredError: lambda: np.mean((again - x) ** 2, axis=1),
        BinaryCrossEntropy: lambda: -np.sum(x * np.log(again) + (1 - x) * np.log(1 - again), axis=1),
    }[loss]()
    np.testing.assert_allclose(model.loss_terms(x, rng)["reconstruction"], by_hand)
    assert model.encode(x).shape == (6, 2)


def test_with_a_linear_network_it_finds_the_principal_components(rng):
    """Baldi and Hornik, 1989: the best linear autoencoder spans the space of the first principal components."""
    x = (rng.normal(size=(300, 3)) * [3, 1, 0.2] @ np.linalg.qr(rng.normal(size=(3, 3)))[0]).astype(np.float32)
    x -= x.mean(axis=0)
    model = Autoencoder(Sequential([Dense(3, 2, rng)]), Sequential([Dense(2, 3, rng)]), MeanSquaredError())
    Trainer(model, Adam(model, lr=0.01), rng).fit(x, epochs=400, batch_size=100)
    smallest = np.linalg.svd(x, compute_uv=False)[-1]
    best = smallest**2 / x.size  # what two components cannot give back
    found = float(np.mean((model.reconstruct(x) - x) ** 2))
    assert best * 0.999 < found < 1.05 * best


def test_a_decoder_must_return_rows(rng):
    model = Autoencoder(Dense(6, 2, rng), Sequential([Dense(2, 6, rng), Reshape((1, 2, 3))]), MeanSquaredError())
    with pytest.raises(ValueError, match=r"shape \(N, D\), got \(4, 1, 2, 3\): Flatten\(\) makes rows of images"):
        model.forward(np.ones((4, 6), np.float32))


def test_an_encoder_need_not_learn(rng):
    model = Autoencoder(Tanh(), Dense(5, 5, rng, dtype=np.float64), MeanSquaredError())
    assert len(check_model(model, rng.random((7, 5))).arrays) == 2


def test_nothing_is_left_for_a_backward_pass(rng):
    model = small(rng, MeanSquaredError)
    model.reconstruct(rng.random((6, 5)))
    evaluate(model, rng.random((6, 5)))
    assert model.loss.cache is None  # a part like the networks
    with pytest.raises(RuntimeError, match="call forward once before each backward"):
        model.backward(np.ones(6))
    model.forward(rng.random((6, 5)))
    model.encode(rng.random((6, 5)))
    with pytest.raises(
        RuntimeError, match=r"there is nothing: .*, with no evaluation or encoding in between, which drops"
    ):
        model.backward(np.ones(6))
