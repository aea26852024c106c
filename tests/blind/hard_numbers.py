"""Right and wrong derivatives of functions whose finite differences are hard to take."""

import numpy as np

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x):
    return np.sin(x) + 1e8, x


def backward(dy, x):
    dx = dy * np.cos(x)
    return dx
"""

STEEP = """
import numpy as np


def forward(x):
    y = np.exp(50 * x)
    return y, y


def backward(dy, y):
    dx = dy * 50 * y
    return dx
"""

FAST = """
import numpy as np


def forward(x):
    return np.cos(3000 * x), x


def backward(dy, x):
    dx = -3000 * dy * np.sin(3000 * x)
    return dx
"""

ROOT = """
import numpy as np


def forward(x):
    y = np.sqrt(x)
    return y, y


def backward(dy, y):
    dx = dy / (2 * y)
    return dx
"""

FAINT = """
import numpy as np


def forward(x):
    return 1e-10 * np.sin(x), x


def backward(dy, x):
    dx = 1e-10 * dy * np.cos(x)
    return dx
"""

CANCEL = """
import numpy as np


def forward(x):
    big = 1e6 * x
    total = np.cumsum(np.concatenate([big, -big[::-1], x**2], axis=0), axis=0)
    return total[len(x) :], (x, len(x))


def backward(dy, cache):
    x, n = cache
    suffix = dy[::-1].cumsum(axis=0)[::-1]
    first = dy.sum(axis=0) * np.ones_like(x)
    second = suffix[:n][::-1]
    dx = 1e6 * (first - second)
    dx = dx + 2 * x * suffix[n:]
    return dx
"""

WIDE = """
import numpy as np


def forward(x, w):
    u = x * w
    y = u / np.sqrt(1 + u**2)
    return y, (x, w, u)


def backward(dy, cache):
    x, w, u = cache
    du = dy * (1 + u**2) ** -1.5
    dx = du * w
    dw = du * x
    return dx, dw
"""

NORM = """
import numpy as np


def forward(x):
    norm = np.sqrt((x * x).sum(axis=1, keepdims=True))
    return x / norm, (x, norm)


def backward(dy, cache):
    x, norm = cache
    u = x / norm
    dx = dy - u * (u * dy).sum(axis=1, keepdims=True)
    dx /= norm
    return dx
"""


def problem(rng, size=0):
    return {"x": rng.normal(size=((3, 4), (7, 2))[size])}, ()


def small_roots(rng, size=0):
    return {"x": 1e-10 * (0.5 + rng.random((3, 4)))}, ()


def wide(rng, size=0):
    x = rng.choice([-1.0, 1.0], size=(4, 5)) * 10 ** rng.uniform(-9, 9, size=(4, 5))
    return {"x": x, "w": (0.3 + rng.random((4, 5))) / np.abs(x)}, ()


def mixed_rows(rng, size=0):
    return {"x": rng.normal(size=(4, 4)) * np.array([[1e-3], [1.0], [1e3], [1e4]])}, ()


def near_zero(rng, size=0):
    return {"x": rng.normal(size=(3, 4)) * 0.3 / 50}, ()


FAMILY = Family(
    name="hard_numbers",
    source=SOURCE,
    problem=problem,
    difficult=True,
    wrong=[
        Wrong(
            "sine for cosine, under an offset of 1e8",
            old="dx = dy * np.cos(x)",
            new="dx = dy * np.sin(x)",
            cause="The sine's derivative is the cosine; the large offset makes it hard to see.",
            label="missing_derivative",
            line="dx = dy * np.sin(x)",
        ),
        Wrong(
            "faint output, sign",
            base=FAINT,
            old="dx = 1e-10 * dy",
            new="dx = -1e-10 * dy",
            cause="The sign is wrong, in a gradient of 1e-10.",
            label="sign",
            line="dx = -1e-10 * dy * np.cos(x)",
        ),
        Wrong(
            "faint output, small gradients set to zero",
            base=FAINT,
            old="    return dx\n",
            new="    dx[np.abs(dx) < 1e-8] = 0\n    return dx\n",
            cause="Entries of the gradient below 1e-8 are taken for rounding errors and set to zero.",
            label="nonlinear_in_dy",
            line="dx[np.abs(dx) < 1e-8] = 0",
        ),
        Wrong(
            "steep exponential, factor off by a hundredth",
            base=STEEP,
            old="dy * 50 * y",
            new="dy * 49.5 * y",
            cause="The factor of the exponent is 50, not 49.5.",
            label="wrong_constant",
            line="dx = dy * 49.5 * y",
        ),
        Wrong(
            "small roots guarded",
            base=ROOT,
            old="dx = dy / (2 * y)",
            new="dx = dy / (2 * np.maximum(y, 1e-4))",
            cause="The root is kept from being small in backward, though forward does not do so.",
            label="wrong_constant",
            line="dx = dy / (2 * np.maximum(y, 1e-4))",
            problem=small_roots,
        ),
        Wrong(
            "fast cosine, inner derivative 3001",
            base=FAST,
            old="dx = -3000 * dy",
            new="dx = -3001 * dy",
            cause="The inner derivative is off by one in 3000.",
            label="wrong_constant",
            line="dx = -3001 * dy * np.sin(3000 * x)",
            effect=2e-4,
        ),
        Wrong(
            "rows of very different sizes, one not divided",
            base=NORM,
            old="dx /= norm",
            new="dx /= np.maximum(norm, 0.1)",
            cause="Rows shorter than 0.1 are divided by 0.1; forward divides by the row's norm.",
            label="wrong_constant",
            line="dx /= np.maximum(norm, 0.1)",
            problem=mixed_rows,
        ),
    ],
    right=[
        Right("exp(50 x)", source=STEEP, difficult=True),
        Right("exp(50 x) near zero", source=STEEP, problem=near_zero, difficult=True),
        Right("cos(3000 x)", source=FAST, difficult=True),
        Right("square roots of 1e-10", source=ROOT, problem=small_roots, difficult=True),
        Right("1e-10 sin x", source=FAINT, difficult=True),
        Right("sums that cancel to a millionth", source=CANCEL, difficult=True),
        Right("entries from 1e-9 to 1e9", source=WIDE, problem=wide, difficult=True),
        Right("rows from 1e-3 to 1e4, normalised", source=NORM, problem=mixed_rows, difficult=True),
    ],
)
