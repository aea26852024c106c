"""Cosine similarity of paired rows."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(a, b):
    na = np.sqrt((a * a).sum(axis=1, keepdims=True))
    nb = np.sqrt((b * b).sum(axis=1, keepdims=True))
    dot = (a * b).sum(axis=1, keepdims=True)
    cos = dot / (na * nb)
    return cos[:, 0], (a, b, na, nb, cos)


def backward(g, cache):
    a, b, na, nb, cos = cache
    g = g[:, None]
    ga = g * (b / (na * nb) - cos * a / na**2)
    gb = g * (a / (na * nb) - cos * b / nb**2)
    return ga, gb
"""


def problem(rng, size=0):
    n, d = ((4, 4), (3, 6))[size]
    return {"a": rng.normal(size=(n, d)), "b": rng.normal(size=(n, d)) * 3}, ()


def tiny(rng, size=0):
    inputs, constants = problem(rng, size)
    return {"a": inputs["a"] * 1e-4, "b": inputs["b"] * 1e4}, constants


FAMILY = Family(
    name="cosine_similarity",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "norms detached",
            old="ga = g * (b / (na * nb) - cos * a / na**2)",
            new="ga = g * b / (na * nb)",
            cause="The norm of a is treated as a constant.",
            label="missing_term",
            line="ga = g * b / (na * nb)",
        ),
        Wrong(
            "norm not squared",
            old="gb = g * (a / (na * nb) - cos * b / nb**2)",
            new="gb = g * (a / (na * nb) - cos * b / nb)",
            cause="The projection is divided by the norm, not by its square.",
            label="missing_derivative",
            line="gb = g * (a / (na * nb) - cos * b / nb)",
        ),
        Wrong(
            "the other norm",
            old="gb = g * (a / (na * nb) - cos * b / nb**2)",
            new="gb = g * (a / (na * nb) - cos * b / na**2)",
            cause="The norm of a is used where that of b belongs.",
            label="wrong_operand",
            line="gb = g * (a / (na * nb) - cos * b / na**2)",
        ),
        Wrong(
            "similarity of the call before",
            source=SOURCE.replace("import numpy as np\n", "import numpy as np\n\n_last = {}\n", 1).replace(
                "    a, b, na, nb, cos = cache\n",
                "    a, b, na, nb, cos = _last.setdefault(cache[0].shape, cache)\n",
            ),
            cause="The first cache of each shape is kept and used for ever after.",
            label="state",
            line="a, b, na, nb, cos = _last.setdefault(cache[0].shape, cache)",
            shows="second_call",
        ),
        Wrong(
            "guard in backward only",
            old="ga = g * (b / (na * nb) - cos * a / na**2)",
            new="ga = g * (b / (na * nb + 1e-6) - cos * a / na**2)",
            cause="Backward adds 1e-6 to the product of the norms, forward does not.",
            label="wrong_constant",
            line="ga = g * (b / (na * nb + 1e-6) - cos * a / na**2)",
            effect=1e-08,
        ),
        Wrong(
            "a and b swapped",
            old="return ga, gb",
            new="return gb, ga",
            cause="The two gradients are returned in the wrong order.",
            label="swapped_returns",
            line="return gb, ga",
        ),
        Wrong(
            "norms detached, at odd scales",
            old="gb = g * (a / (na * nb) - cos * b / nb**2)",
            new="gb = g * a / (na * nb)",
            cause="The norm of b, which is some 1e4, is treated as a constant.",
            label="missing_term",
            line="gb = g * a / (na * nb)",
            problem=tiny,
        ),
    ],
    right=[
        Right(
            "with unit vectors",
            old="""    ga = g * (b / (na * nb) - cos * a / na**2)
    gb = g * (a / (na * nb) - cos * b / nb**2)
    return ga, gb
""",
            new="""    u, v = a / na, b / nb
    return g / na * (v - cos * u), g / nb * (u - cos * v)
""",
        ),
        Right(
            "helper that is called twice",
            old="""    ga = g * (b / (na * nb) - cos * a / na**2)
    gb = g * (a / (na * nb) - cos * b / nb**2)
    return ga, gb
""",
            new="""
    def one(x, y, nx, ny):
        tangent = y / ny - cos * x / nx
        return g * tangent / nx

    return one(a, b, na, nb), one(b, a, nb, na)
""",
        ),
        Right("a of 1e-4, b of 1e4", problem=tiny, difficult=True),
    ],
)
