"""Functions of one or two inputs at awkward scales, offsets and points."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, scale):
    y = np.log1p(scale * x**2) * 1e-7 + 3.0
    return y, (x, scale)


def backward(dy, cache):
    x, scale = cache
    g = 1e-7 * dy / (1 + scale * x**2)
    dx = 2 * scale * x * g
    dscale = (x**2 * g).sum(axis=0)
    return dx, dscale
"""

SHARP = """
import numpy as np


def forward(x):
    s = 1 / (1 + np.exp(-400 * x))
    return s, s


def backward(dy, s):
    dx = 400 * dy * s * (1 - s)
    return dx
"""

RATIO = """
import numpy as np


def forward(x, w):
    d = x - w
    return d / (x + w), (x, w)


def backward(dy, cache):
    x, w = cache
    total = (x + w) ** 2
    dx = dy * 2 * w / total
    dw = -dy * 2 * x / total
    return dx, dw
"""

STEPS = """
import numpy as np


def forward(x):
    bins = np.floor(4 * x)
    rest = 4 * x - bins
    return bins + rest**2, rest


def backward(dy, rest):
    dx = 8 * dy * rest
    return dx
"""

CUBE = """
import numpy as np


def forward(x):
    y = np.cbrt(x)
    return y, y


def backward(dy, y):
    dx = dy / (3 * y**2)
    return dx
"""

ABSOLUTE = """
import numpy as np


def forward(x, b):
    r = np.abs(x - b)
    return np.minimum(r, 1.0), (x - b, r)


def backward(dy, cache):
    d, r = cache
    dx = dy * np.sign(d) * (r < 1)
    return dx, -dx.sum(axis=0)
"""


def problem(rng, size=0):
    n, d = ((3, 4), (5, 2))[size]
    return {"x": rng.normal(size=(n, d)), "scale": 0.5 + rng.random(d)}, ()


def small(rng, size=0):
    return {"x": 0.01 * rng.normal(size=(3, 4))}, ()


def huge(rng, size=0):
    return {"x": 1e7 * (1 + rng.random((3, 4))), "w": 1e7 * (1 + rng.random((3, 4)))}, ()


def inside(rng, size=0):
    return {"x": (rng.integers(-8, 8, size=(4, 4)) + rng.uniform(0.2, 0.8, size=(4, 4))) / 4}, ()


def tiny(rng, size=0):
    return {"x": 1e-9 * rng.choice([-1, 1], size=(3, 4)) * (1 + rng.random((3, 4)))}, ()


def corners(rng, size=0):
    b = rng.integers(-2, 3, size=4) / 2
    x = b + rng.normal(size=(5, 4))
    x[0], x[1] = b, b + 1
    return {"x": x, "b": b}, ()


FAMILY = Family(
    name="awkward_scales",
    source=SOURCE,
    problem=problem,
    people=False,
    difficult=True,
    wrong=[
        Wrong(
            "factor of a faint output rounded",
            old="g = 1e-7 * dy / (1 + scale * x**2)",
            new="g = 1.05e-7 * dy / (1 + scale * x**2)",
            cause="The factor is 1e-7, and 1.05e-7 is written.",
            label="wrong_constant",
            line="g = 1.05e-7 * dy / (1 + scale * x**2)",
        ),
        Wrong(
            "faint output, scale by the input",
            old="dscale = (x**2 * g).sum(axis=0)",
            new="dscale = (x * g).sum(axis=0)",
            cause="The scale's gradient has the input squared in it, and here the input.",
            label="wrong_operand",
            line="dscale = (x * g).sum(axis=0)",
        ),
        Wrong(
            "steep sigmoid, saturated places cut off",
            old="dx = 400 * dy * s * (1 - s)",
            new="dx = 400 * dy * s * (1 - s) * (np.abs(s - 0.5) < 0.4)",
            cause="Places where the sigmoid is within a tenth of its limits get no gradient.",
            label="mask",
            line="dx = 400 * dy * s * (1 - s) * (np.abs(s - 0.5) < 0.4)",
            base=SHARP,
            problem=small,
        ),
        Wrong(
            "huge inputs, quotient by one of them",
            old="dw = -dy * 2 * x / total",
            new="dw = -dy * 2 * x / w**2",
            cause="The quotient's derivative is divided by the square of the sum, and here by that of one input.",
            label="wrong_operand",
            line="dw = -dy * 2 * x / w**2",
            base=RATIO,
            problem=huge,
        ),
        Wrong(
            "steps, inner factor once",
            old="dx = 8 * dy * rest",
            new="dx = 2 * dy * rest",
            cause="The input is multiplied by four, and the derivative has only the square's two.",
            label="factor",
            line="dx = 2 * dy * rest",
            base=STEPS,
            problem=inside,
        ),
        Wrong(
            "cube root guarded",
            old="dx = dy / (3 * y**2)",
            new="dx = dy / (3 * y**2 + 1e-6)",
            cause="A small number is added below the fraction, larger than what stands there.",
            label="wrong_constant",
            line="dx = dy / (3 * y**2 + 1e-6)",
            base=CUBE,
            problem=tiny,
        ),
    ],
    right=[
        Right(
            "steep sigmoid",
            source=SHARP,
            problem=small,
            difficult=True,
        ),
        Right(
            "quotients of huge numbers",
            source=RATIO,
            problem=huge,
            difficult=True,
        ),
        Right(
            "saw of parabolas between its steps",
            source=STEPS,
            problem=inside,
            difficult=True,
        ),
        Right(
            "cube roots of 1e-9",
            source=CUBE,
            problem=tiny,
            difficult=True,
        ),
        Right(
            "clipped distance at its corners",
            source=ABSOLUTE,
            problem=corners,
            kink=True,
        ),
    ],
)
