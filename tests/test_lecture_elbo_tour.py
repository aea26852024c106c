"""The ELBO tour: quadrature against closed forms, and what the lecture says of its numbers."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from conftest import ROOT
from lectures import run

from scratchnn import VAE, Bernoulli, Dense, Gaussian
from scratchnn.evaluation import QuadratureError, on_grid
from scratchnn.layers.layer import Layer
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.vae import KLToStandardNormal


class Affine(Layer):
    """z → [z A + c, log variances that do not depend on z]: with it, p(x) is a Gaussian."""

    def __init__(self, A: np.ndarray, c: np.ndarray, log_var: np.ndarray) -> None:
        super().__init__(parts={"dense": Dense(*A.shape, np.random.default_rng(0), b=c, dtype=np.float64)})
        self.parts["dense"].W = A
        self.log_var = log_var

    def forward(self, z: np.ndarray) -> np.ndarray:
        mean = self.parts["dense"].forward(z)
        return np.concatenate([mean, np.broadcast_to(self.log_var, mean.shape)], axis=1)


def linear_gaussian(n_z: int) -> tuple[VAE, np.ndarray, np.ndarray, np.ndarray]:
    """x = z A + c + noise: the model, A, c and the variances of the noise."""
    rng = np.random.default_rng(n_z)
    A, c, log_var = rng.normal(size=(n_z, 4)), rng.normal(size=4), rng.uniform(-1, 1, 4)
    encoder = Dense(4, 2 * n_z, rng, b=rng.normal(size=2 * n_z), dtype=np.float64)
    return VAE(encoder, Affine(A, c, log_var), Gaussian(), n_z), A, c, np.exp(log_var)


@pytest.mark.parametrize(("n_z", "points"), [(1, 121), (2, 121), (3, 91)])
def test_log_p_and_posterior_are_those_of_the_linear_gaussian_model(n_z, points):
    """log p(x) = log N(x; c, AᵀA + D) in closed form. A sum with spacing h over a Gaussian of width σ errs by a factor
    of 2 e^(−2π²σ²/h²) at the most, for each dimension; the narrowest direction of a posterior here has σ = 0.22, with
    h = 0.18: 1e-13."""
    model, A, c, variance = linear_gaussian(n_z)
    x = np.random.default_rng(5).normal(size=(2, 4))
    grid = on_grid(model, x, points)
    exact = scipy.stats.multivariate_normal(c, A.T @ A + np.diag(variance)).logpdf(x)
    np.testing.assert_allclose(grid.log_p, exact, rtol=0, atol=1e-10)
    precision = np.eye(n_z) + (A / variance) @ A.T
    means = np.linalg.solve(precision, (A / variance) @ (x - c).T).T
    np.testing.assert_allclose(grid.posterior @ grid.z * grid.volume, means, rtol=0, atol=1e-10)


def test_log_p_is_elbo_plus_the_divergence_to_the_posterior():
    """Three derivations of the ELBO give one number, for any decoder, kinks included: they use the same sums over the
    grid, and those of a Gaussian alone are exact to rounding if h = 0.13 < 0.22 < σ and ±8 is 9σ away."""
    rng = np.random.default_rng(0)
    model = thesis_vae(16, 10, 2, rng)
    x = (rng.random((4, 16)) < 0.5).astype(np.float32)
    mean, log_var = rng.uniform(-1, 1, (4, 2)), rng.uniform(-3, -0.5, (4, 2))
    grid = on_grid(model, x, points=121)
    q = grid.expectations(mean, log_var)
    kl = KLToStandardNormal().forward(mean, log_var)
    np.testing.assert_allclose(q["jensen"], q["log_likelihood"] - kl, rtol=0, atol=1e-10)
    np.testing.assert_allclose(grid.log_p - q["kl_to_posterior"], q["jensen"], rtol=0, atol=1e-10)
    assert (q["kl_to_posterior"] > 0).all()


def test_the_sum_with_every_second_point_is_that_of_a_coarser_grid():
    model, *_ = linear_gaussian(2)
    x = np.random.default_rng(5).normal(size=(2, 4))
    np.testing.assert_allclose(on_grid(model, x, 121).coarser().log_p, on_grid(model, x, 61).log_p, rtol=1e-13)


def test_what_a_grid_cannot_do_is_said():
    rng = np.random.default_rng(0)
    with pytest.raises(QuadratureError, match=r"241\^4 points: quadrature is for at most 3 .*importance_weighted"):
        on_grid(thesis_vae(16, 10, 4, rng), np.zeros((1, 16), np.float32))
    grid = on_grid(VAE(Dense(16, 4, rng), Dense(2, 16, rng), Bernoulli(), 2), np.zeros((1, 16), np.float32), 61)
    with pytest.raises(QuadratureError, match=r"does not hold q\(z\|x\) of image 0.*σ \[0\.01, 0\.01\]; take more"):
        grid.expectations(np.array([[0.1, 0.1]]), np.log([[1e-4, 1e-4]]))
    with pytest.raises(QuadratureError, match="does not hold"):  # outside
        grid.expectations(np.array([[7.0, 0.1]]), np.zeros((1, 2)))
    for points in (1, 2, 60):
        with pytest.raises(ValueError, match=f"odd number of at least 3, .* got {points}"):
            on_grid(thesis_vae(16, 10, 2, rng), np.zeros((1, 16), np.float32), points)


def test_the_lecture_holds_what_it_says(tmp_path):
    names, printed = run("elbo_tour", tmp_path, EPOCHS=20, N=6, POINTS=121, STEPS=60, DRAWS=300)
    assert (tmp_path / "elbo_tour.png").exists() and "figure:" in printed
    log_p, best, elbo = names["log_p"], names["best"], names["by_terms"]
    assert (log_p > best).all() and best.mean() > elbo.mean()  # both gaps
    assert names["furthest"] < 1e-10
    # one draw is unbiased: five standard errors are exceeded once in two million
    assert abs(-names["losses"].mean() - elbo.mean()) < 5 * names["error"]
    bounds, errors = np.array(names["bounds"]), np.array(names["errors"])
    assert abs(bounds[0] - elbo.mean()) < 5 * errors[0]
    assert (np.diff(bounds) > 0).all() and bounds[-1] < log_p.mean() + 5 * errors[-1]


def test_grey_pixels_and_more_than_the_memory_holds_are_refused():
    rng = np.random.default_rng(0)
    model = VAE(Dense(4, 6, rng), Dense(3, 4, rng), Bernoulli(), n_z=3)
    with pytest.raises(QuadratureError, match="no likelihood of grey pixels"):
        on_grid(model, np.full((2, 4), 0.5, np.float32))
    with pytest.raises(QuadratureError, match=r"100 images on a grid of 241\^3 points take more .* 121 points"):
        on_grid(model, np.zeros((100, 4), np.float32))


LECTURE = """
\"\"\"A lecture.\"\"\"
import signal, sys
from scratchnn.scripts.lecture import Lecture
lecture = Lecture("short")
print("begun", flush=True)
{}
"""


@pytest.mark.parametrize(
    "last, status, told",
    [
        ("signal.raise_signal(signal.SIGTERM)", 143, "\nended by SIGTERM: "),
        ("raise OSError(28, 'No space left on device', 'short.png')", 1, "error: No space left on device: short.png\n"),
        ("raise BrokenPipeError", 1, ""),
        ("1 / 0", 1, "Traceback "),  # a mistake of the lecture's own
    ],
)
def test_a_mistake_and_a_signal_end_a_lecture_as_they_end_any_script(last, status, told, tmp_path):
    (tmp_path / "short.py").write_text(LECTURE.format(last), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "short.py", "--out", "out"],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout == "begun\n" and done.returncode == status
    assert done.stderr.startswith(told) and (told != "" or not done.stderr)
    assert ("Traceback" in done.stderr) == told.startswith("Traceback")
