"""Rotation of points by a quaternion that is normalised first, a translation, and a Huber loss on the distances."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def rotation(q):
    w, x, y, z = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def forward(q, t, points, target, delta):
    norm = np.sqrt(np.sum(q**2))
    u = q / norm
    R = rotation(u)
    r = points @ R.T + t - target
    dist = np.sqrt((r**2).sum(axis=1))
    loss = np.where(dist < delta, 0.5 * dist**2, delta * (dist - delta / 2)).sum()
    return loss, (u, norm, R, points, r, dist, delta)


def backward(gloss, cache):
    u, norm, R, points, r, dist, delta = cache
    gdist = gloss * np.minimum(dist, delta)
    gr = (gdist / dist)[:, None] * r
    gt = gr.sum(axis=0)
    gtarget = -gr
    gpoints = gr @ R
    gR = gr.T @ points
    w, x, y, z = u
    gw = 2 * (x * (gR[2, 1] - gR[1, 2]) + y * (gR[0, 2] - gR[2, 0]) + z * (gR[1, 0] - gR[0, 1]))
    gx = 2 * (y * (gR[0, 1] + gR[1, 0]) + z * (gR[0, 2] + gR[2, 0]) + w * (gR[2, 1] - gR[1, 2]))
    gx -= 4 * x * (gR[1, 1] + gR[2, 2])
    gy = 2 * (x * (gR[0, 1] + gR[1, 0]) + z * (gR[1, 2] + gR[2, 1]) + w * (gR[0, 2] - gR[2, 0]))
    gy -= 4 * y * (gR[0, 0] + gR[2, 2])
    gz = 2 * (x * (gR[0, 2] + gR[2, 0]) + y * (gR[1, 2] + gR[2, 1]) + w * (gR[1, 0] - gR[0, 1]))
    gz -= 4 * z * (gR[0, 0] + gR[1, 1])
    gu = np.array([gw, gx, gy, gz])
    gq = (gu - u * (u @ gu)) / norm
    return gq, gt, gpoints, gtarget
"""


def problem(rng, size=0):
    n = (3, 5)[size]
    inputs = {"q": rng.normal(size=4), "t": rng.normal(size=3), "points": rng.normal(size=(n, 3))}
    return inputs | {"target": 1.5 * rng.normal(size=(n, 3))}, (1.5,)


FAMILY = Family(
    name="quaternion_pose",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "normalisation's derivative missing",
            old="gq = (gu - u * (u @ gu)) / norm",
            new="gq = gu / norm",
            cause="The quaternion's gradient is only divided by its length, as though the length were constant.",
            label="missing_derivative",
            line="gq = gu / norm",
        ),
        Wrong(
            "rotation not undone",
            old="gpoints = gr @ R",
            new="gpoints = gr @ R.T",
            cause="The gradient of the points is rotated forwards.",
            label="transpose",
            line="gpoints = gr @ R.T",
        ),
        Wrong(
            "diagonal's factor",
            old="gy -= 4 * y * (gR[0, 0] + gR[2, 2])",
            new="gy -= 2 * y * (gR[0, 0] + gR[2, 2])",
            cause="The diagonal's derivative has a factor 4, from 2 and the square, and here 2.",
            label="factor",
            line="gy -= 2 * y * (gR[0, 0] + gR[2, 2])",
        ),
        Wrong(
            "anti-symmetric part's sign",
            old="gz = 2 * (x * (gR[0, 2] + gR[2, 0]) + y * (gR[1, 2] + gR[2, 1]) + w * (gR[1, 0] - gR[0, 1]))",
            new="gz = 2 * (x * (gR[0, 2] + gR[2, 0]) + y * (gR[1, 2] + gR[2, 1]) + w * (gR[0, 1] - gR[1, 0]))",
            cause="In one component the difference has the wrong order.",
            label="sign",
            line="gz = 2 * (x * (gR[0, 2] + gR[2, 0]) + y * (gR[1, 2] + gR[2, 1]) + w * (gR[0, 1] - gR[1, 0]))",
        ),
        Wrong(
            "points times gradients",
            old="gR = gr.T @ points",
            new="gR = points.T @ gr",
            cause="The rotation's gradient is transposed.",
            label="transpose",
            line="gR = points.T @ gr",
        ),
        Wrong(
            "distance's direction not of unit length",
            old="gr = (gdist / dist)[:, None] * r",
            new="gr = gdist[:, None] * r",
            cause="The distance's derivative is the residual divided by the distance, and the division is left out.",
            label="missing_derivative",
            line="gr = gdist[:, None] * r",
        ),
    ],
    right=[
        Right(
            "derivatives of the matrix, one by one",
            old="""    gw = 2 * (x * (gR[2, 1] - gR[1, 2]) + y * (gR[0, 2] - gR[2, 0]) + z * (gR[1, 0] - gR[0, 1]))
    gx = 2 * (y * (gR[0, 1] + gR[1, 0]) + z * (gR[0, 2] + gR[2, 0]) + w * (gR[2, 1] - gR[1, 2]))
    gx -= 4 * x * (gR[1, 1] + gR[2, 2])
    gy = 2 * (x * (gR[0, 1] + gR[1, 0]) + z * (gR[1, 2] + gR[2, 1]) + w * (gR[0, 2] - gR[2, 0]))
    gy -= 4 * y * (gR[0, 0] + gR[2, 2])
    gz = 2 * (x * (gR[0, 2] + gR[2, 0]) + y * (gR[1, 2] + gR[2, 1]) + w * (gR[1, 0] - gR[0, 1]))
    gz -= 4 * z * (gR[0, 0] + gR[1, 1])
    gu = np.array([gw, gx, gy, gz])
""",
            new="""    jacobian = [
        [[0, -z, y], [z, 0, -x], [-y, x, 0]],
        [[0, y, z], [y, -2 * x, -w], [z, w, -2 * x]],
        [[-2 * y, x, w], [x, 0, z], [-w, z, -2 * y]],
        [[-2 * z, -w, x], [w, -2 * z, y], [x, y, 0]],
    ]
    gu = 2 * np.tensordot(np.array(jacobian), gR, axes=2)
""",
        ),
        Right(
            "where, as in forward",
            old="    gdist = gloss * np.minimum(dist, delta)\n    gr = (gdist / dist)[:, None] * r\n",
            new="    gr = gloss * np.where((dist < delta)[:, None], r, delta * r / dist[:, None])\n",
        ),
    ],
)
