"""KL divergence between two diagonal Gaussians, both given by mean and log variance."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(m1, lv1, m2, lv2):
    ratio = np.exp(lv1 - lv2)
    delta = m1 - m2
    kl = 0.5 * (lv2 - lv1 + ratio + delta**2 * np.exp(-lv2) - 1)
    return kl.sum(axis=1), (ratio, delta, lv2)


def backward(g, cache):
    ratio, delta, lv2 = cache
    g = g[:, None]
    dm1 = g * delta * np.exp(-lv2)
    dm2 = -dm1
    dlv1 = 0.5 * g * (ratio - 1)
    dlv2 = 0.5 * g * (1 - ratio - delta**2 * np.exp(-lv2))
    return dm1, dlv1, dm2, dlv2
"""


def problem(rng, size=0):
    shape = ((4, 4), (3, 5))[size]
    return {name: rng.normal(size=shape) for name in ("m1", "lv1", "m2", "lv2")}, ()


def close(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["m2"] = inputs["m1"] + 1e-4 * inputs["m2"]
    inputs["lv2"] = inputs["lv1"] + 1e-4 * inputs["lv2"]
    return inputs, constants


FAMILY = Family(
    name="gaussian_kl",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "squared distance not counted",
            old="dlv2 = 0.5 * g * (1 - ratio - delta**2 * np.exp(-lv2))",
            new="dlv2 = 0.5 * g * (1 - ratio)",
            cause="The second variance also scales the squared distance of the means.",
            label="missing_term",
            line="dlv2 = 0.5 * g * (1 - ratio)",
        ),
        Wrong(
            "deviation for variance",
            old="dm1 = g * delta * np.exp(-lv2)",
            new="dm1 = g * delta * np.exp(-0.5 * lv2)",
            cause="The means are divided by the deviation, half the log variance, and should be by the variance.",
            label="factor",
            line="dm1 = g * delta * np.exp(-0.5 * lv2)",
        ),
        Wrong(
            "first variance",
            old="dlv2 = 0.5 * g * (1 - ratio - delta**2 * np.exp(-lv2))",
            new="dlv2 = 0.5 * g * (1 - ratio - delta**2 * ratio)",
            cause="The squared distance is divided by the second variance, and here by the ratio of both.",
            label="wrong_operand",
            line="dlv2 = 0.5 * g * (1 - ratio - delta**2 * ratio)",
        ),
        Wrong(
            "half counted twice",
            old="dlv1 = 0.5 * g * (ratio - 1)",
            new="dlv1 = 0.25 * g * (ratio - 1)",
            cause="The half in front of the divergence is applied twice.",
            label="factor",
            line="dlv1 = 0.25 * g * (ratio - 1)",
        ),
        Wrong(
            "variances exchanged",
            old="return dm1, dlv1, dm2, dlv2",
            new="return dm1, dlv2, dm2, dlv1",
            cause="The gradients of the two log variances are exchanged.",
            label="swapped_returns",
            line="return dm1, dlv2, dm2, dlv1",
        ),
        Wrong(
            "gradients in place, one array for two",
            old="    dm2 = -dm1\n",
            new="    dm2 = dm1\n    dm2 *= -1\n",
            cause="Both means get the same array, so that changing the sign of one changes the other.",
            label="overwrite",
            line="dm2 *= -1",
            fair=("dm2 = dm1",),
        ),
    ],
    right=[
        Right(
            "term by term",
            old="    dlv1 = 0.5 * g * (ratio - 1)\n    dlv2 = 0.5 * g * (1 - ratio - delta**2 * np.exp(-lv2))\n",
            new="""    dkl = 0.5 * g * np.ones_like(ratio)
    dratio = dkl
    dlv1 = dratio * ratio - dkl
    dlv2 = dkl - dratio * ratio - dkl * delta**2 / np.exp(lv2)
""",
        ),
        Right(
            "two close distributions",
            problem=close,
            difficult=True,
        ),
    ],
)
