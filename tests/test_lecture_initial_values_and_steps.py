"""Sizes of first weights and of steps: what the lecture says of them."""

from __future__ import annotations

import numpy as np
from lectures import run


def test_the_lecture_holds_what_it_says(tmp_path):
    names, printed = run("initial_values_and_steps", tmp_path, EPOCHS=8, VAE_EPOCHS=12)
    assert (tmp_path / "initial_values_and_steps.png").exists()

    # 1. A layer multiplies the mean square by gain/2, up to a factor of 1 ± √(5/300) = 0.13: a ReLU's output r has
    # E[r⁴]/E[r²]² = 6, so r² has the variance 5 E[r²]², and the 300 units are nearly independent. After ten layers that
    # is ± 0.41 on the log scale; five times that is still less than the factor of 1,024 between the two.
    for gain, (forward, backward) in names["sizes"].items():
        for ratio in (forward[-1], backward[0]):
            assert abs(np.log(ratio / (gain / 2) ** 10)) < 5 * 0.41

    # 2. With a thousandth of the signal nothing is learned in the time in which the other network learns
    losses = names["losses"]
    assert losses[2][-1] < losses[1][-1] and losses[1][-1] > 1.5

    # 3. The ravine: gradient descent's factor is exact, and a rotation changes nothing for it or momentum
    walks = names["walks"]
    distance = np.linalg.norm(walks["gradient descent", ""], axis=1)
    np.testing.assert_allclose(distance[1:200] / distance[:199], 99 / 101, rtol=1e-9)
    for name in ("gradient descent", "momentum"):
        turned = np.linalg.norm(walks[name, "turned by 45°"][:200], axis=1)
        straight = np.linalg.norm(walks[name, ""][:200], axis=1)
        np.testing.assert_allclose(turned, straight, rtol=1e-6, atol=1e-12)
        assert np.linalg.norm(walks[name, "loss × 1000"][-1]) > 1e3
    for name in ("Adam, lr = 0.03", "Adam, lr = 0.3"):  # its scale drops out, but for the 1e-8 beside the root
        np.testing.assert_allclose(walks[name, "loss × 1000"][:80], walks[name, ""][:80], atol=1e-5)
        assert int(names["steps_needed"](walks[name, ""])) < 100
    assert "over 1000" in printed

    # 4. Momentum with the rate r goes like gradient descent with 10 r, once its first steps are made up for
    slow, fast = (names["curves"][name][-1] for name in ("momentum 0.9, lr = 0.001", "gradient descent, lr = 0.01"))
    assert abs(slow - fast) < 0.1 * abs(slow - names["curves"]["gradient descent, lr = 0.001"][-1])
