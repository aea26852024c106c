"""The classifier as one model: its gradient, its probabilities, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from sklearn.linear_model import LogisticRegression

from scratchnn import SGD, Classifier, Dense, ReLU, Sequential
from scratchnn.gradcheck import GradientError, check_model
from scratchnn.losses import batch_mean


def small(rng, dtype=np.float64) -> Classifier:
    layers = [Dense(4, 6, rng, b=rng.normal(size=6)), ReLU(), Dense(6, 3, rng, b=rng.normal(size=3))]
    return Classifier(Sequential(layers)).astype(dtype)


def test_its_gradient_is_right(rng):
    check_model(small(rng), rng.normal(size=(5, 4)), np.array([0, 2, 1, 1, 0]))


def test_a_forgotten_sign_would_be_found(rng):
    class Forgotten(Classifier):
        def backward(self, dloss):
            super().backward(-dloss)

    model = Forgotten(small(rng).network)
    with pytest.raises(GradientError):
        check_model(model, rng.normal(size=(5, 4)), np.array([0, 2, 1, 1, 0]))


def test_its_loss_is_minus_the_logarithm_of_its_probability(rng):
    model, x, labels = small(rng), rng.normal(size=(7, 4)), rng.integers(0, 3, 7)
    p = model.probabilities(x)
    np.testing.assert_allclose(p, scipy.special.softmax(model.network.forward(x), axis=1), rtol=1e-12)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(model.forward(x, labels), -np.log(p[np.arange(7), labels]), rtol=1e-12)
    np.testing.assert_array_equal(model.loss_terms((x, labels), rng)["cross_entropy"], model.forward(x, labels))


def test_logits_in_the_thousands_are_no_trouble():
    """e^1000 is infinite; the difference of two logits is what counts."""
    layer = Dense(1, 2, np.random.default_rng(0))
    layer.W = [[1000, 999]]
    model = Classifier(Sequential([layer]))
    x = np.ones((1, 1), np.float32)
    np.testing.assert_allclose(model.probabilities(x), [[0.731059, 0.268941]], rtol=1e-5)
    np.testing.assert_allclose(model.forward(x, np.array([1])), [1.313262], rtol=1e-5)


def test_looking_at_probabilities_leaves_nothing_for_a_backward_pass(rng):
    model = small(rng)
    model.forward(rng.normal(size=(2, 4)), np.array([0, 1]))
    model.forget()
    model.probabilities(rng.normal(size=(2, 4)))
    with pytest.raises(RuntimeError, match="call forward once before each backward"):
        model.backward(np.ones(2))
    with pytest.raises(RuntimeError, match="call forward once before each backward"):
        model.network.backward(np.ones((2, 3)))


def test_one_hot_labels_and_labels_out_of_range_are_refused(rng):
    model, x = small(rng), rng.normal(size=(2, 4))
    with pytest.raises(ValueError, match="whole numbers and not one-hot rows"):
        model.forward(x, np.eye(3)[[0, 1]])
    with pytest.raises(ValueError, match="labels run from 0 to 2; got values from 1 to 3"):
        model.forward(x, np.array([1, 3]))


def test_trained_to_the_end_it_is_logistic_regression(rng):
    """Classes that overlap have one best softmax, and gradient descent and scikit-learn's L-BFGS both find it."""
    labels = rng.integers(0, 3, 90)
    x = rng.normal(size=(90, 2)) + np.array([[0, 0], [1.5, 0], [0, 1.5]])[labels]
    model = Classifier(Sequential([Dense(2, 3, rng)])).astype(np.float64)
    optimiser = SGD(model, lr=0.5, momentum=0.9)
    for _ in range(2000):
        _, dloss = batch_mean(model.forward(x, labels))
        model.backward(dloss)
        optimiser.step()
    expected = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(x, labels).predict_proba(x)
    np.testing.assert_allclose(model.probabilities(x), expected, atol=1e-5)
